package io.github.zimage.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.ser.std.StdSerializer;
import com.fasterxml.jackson.databind.ser.std.ToStringSerializer;
import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemorySize;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/** The one JSON document that a command prints where it is asked for: durations in seconds, sizes in bytes, names as people write them. */
final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .addModule(new SimpleModule()
                    .addSerializer(Path.class, ToStringSerializer.instance)
                    .addSerializer(Device.class, ToStringSerializer.instance)
                    .addSerializer(Component.class, ToStringSerializer.instance)
                    .addSerializer(AttentionBackend.class, ToStringSerializer.instance)
                    .addSerializer(new SizeSerializer())
                    .addSerializer(new DurationSerializer()))
            .build();

    private Json() {}

    static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    /** Returns a record, with all that it holds. */
    static JsonNode of(Object value) {
        return MAPPER.valueToTree(value);
    }

    static JsonNode of(GenerationRequest request) {
        try {
            return MAPPER.readTree(request.toJson());
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    /** Returns the text, in which nothing steers a terminal. */
    static String text(JsonNode document) {
        return ShownText.escapedJson(document.toPrettyString());
    }

    private static final class SizeSerializer extends StdSerializer<MemorySize> {
        private static final long serialVersionUID = 1;

        SizeSerializer() {
            super(MemorySize.class);
        }

        @Override
        public void serialize(MemorySize size, JsonGenerator json, SerializerProvider provider) throws IOException {
            json.writeNumber(size.bytes());
        }
    }

    private static final class DurationSerializer extends StdSerializer<Duration> {
        private static final long serialVersionUID = 1;

        DurationSerializer() {
            super(Duration.class);
        }

        @Override
        public void serialize(Duration time, JsonGenerator json, SerializerProvider provider) throws IOException {
            json.writeNumber(time.toNanos() / 1e9);
        }
    }
}
