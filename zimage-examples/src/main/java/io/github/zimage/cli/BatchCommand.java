package io.github.zimage.cli;

import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImageModel;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.batch.BatchRun;
import io.github.zimage.batch.Shard;
import io.github.zimage.internal.io.AtomicFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Draws a table of requests. */
@Command(
        name = "batch",
        description = "Draws a table of requests, and goes on where an earlier run ended.",
        customSynopsis = "zimage batch [OPTIONS] TABLE --out DIR",
        sortOptions = false,
        footer = {
            "",
            "TABLE is a .jsonl file with a JSON object a line, or a .csv file whose first line names the",
            "fields: those of a request, id, and size. Options are what rows do not say. Pictures are named by",
            "their requests; manifest.jsonl in DIR has a row for each.",
            "",
            "Exit code 5: some rows are errors, which the manifest names."
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class BatchCommand implements Callable<Integer> {
    static final int ROWS_FAILED = 5;

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "TABLE", description = "The table, .jsonl or .csv.")
    private Path table;

    @Option(
            names = {"-o", "--out"},
            required = true,
            paramLabel = "DIR",
            description = "Folder for pictures and manifest, made if it is not there.")
    private Path out;

    @Option(
            names = "--shard",
            paramLabel = "I/N",
            converter = ShardConverter.class,
            description =
                    "Draw one of N parts, I from 0 to N - 1: for several machines with the same table and folder.")
    private Shard shard = Shard.WHOLE;

    @Option(
            names = "--ignore",
            paramLabel = "FIELD,...",
            split = ",",
            hideParamSyntax = true,
            description = "Fields of the table that mean nothing here.")
    private Set<String> ignored = Set.of();

    @Option(names = "--retry-errors", description = "Try rows again that were errors in an earlier run.")
    private boolean retryErrors;

    @Option(names = "--negative", paramLabel = "TEXT", description = "What pictures should not show.")
    private @Nullable String negative;

    @Mixin
    private ModelOptions model;

    @Mixin
    private LoraOptions loras;

    @Mixin
    private RequestOptions options;

    @Mixin
    private ComputeOptions compute;

    @Mixin
    private ThreadOptions threads;

    @Mixin
    private MemoryOptions memory;

    @Mixin
    private PlacementOptions places;

    @Mixin
    private CacheOptions cache;

    @Mixin
    private ReadOptions reading;

    @Override
    public Integer call() {
        PrintWriter err = spec.commandLine().getErr();
        GenerationRequest defaults = loras.applied(
                options.request(GenerationRequest.builder(), "the row's", negative, null, model.defaultSize(), err),
                List.of(),
                err);
        BatchRun run = new BatchRun(table, out, shard, ignored, retryErrors, defaults);
        PipelineBuilder builder = ZImagePipeline.builder().planFor(defaults);
        loras.applyFolder(builder);
        compute.apply(builder);
        threads.apply(builder);
        cache.apply(builder);
        reading.apply(builder);
        memory.apply(builder);
        places.apply(builder);
        try (ZImageModel opened = model.open();
                ZImagePipeline pipeline = builder.model(opened).build()) {
            return draw(run, pipeline, opened.info().folder(), err);
        } catch (IOException e) {
            throw new UncheckedIOException(AtomicFile.reason(e), e);
        }
    }

    private int draw(BatchRun run, ZImagePipeline pipeline, Path folder, PrintWriter err) throws IOException {
        try (BatchProgress progress = BatchProgress.on(err)) {
            BatchRun.Counts counts = run.draw(pipeline, folder, compute.formats(), 2 * places.deviceCount(), progress);
            progress.close();
            spec.commandLine()
                    .getOut()
                    .println(String.format(
                            Locale.ROOT,
                            "%d pictures drawn, %d there before, %d rows with errors; %s",
                            counts.drawn(),
                            counts.skipped(),
                            counts.failed(),
                            out.resolve(shard.manifestName())));
            return counts.failed() > 0 ? ROWS_FAILED : 0;
        }
    }

    /** Reads {@code i/n}. */
    static final class ShardConverter implements ITypeConverter<Shard> {
        @Override
        public Shard convert(String text) {
            try {
                return Shard.of(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
