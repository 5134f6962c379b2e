package io.github.zimage.cli;

import io.github.zimage.GuidanceMethod;
import io.github.zimage.Sampling;
import java.math.BigInteger;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads the values of {@link RequestOptions}. */
final class RequestConverters {
    private static final Pattern SEED = Pattern.compile("-?[0-9]{1,20}");

    private RequestConverters() {}

    /** Reads the name of a sampler. */
    static final class SamplerConverter implements ITypeConverter<Sampling.Sampler> {
        @Override
        public Sampling.Sampler convert(String text) {
            try {
                return Sampling.Sampler.of(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    /** Reads a step cache. */
    static final class StepCacheConverter implements ITypeConverter<Sampling.StepCache> {
        @Override
        public Sampling.StepCache convert(String text) {
            try {
                return Sampling.StepCache.of(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    /** Reads the name of a formula of guidance. */
    static final class GuidanceMethodConverter implements ITypeConverter<GuidanceMethod.Kind> {
        @Override
        public GuidanceMethod.Kind convert(String text) {
            try {
                return GuidanceMethod.Kind.of(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    /** Reads the name of a schedule. */
    static final class ScheduleConverter implements ITypeConverter<Sampling.Schedule> {
        @Override
        public Sampling.Schedule convert(String text) {
            try {
                return Sampling.Schedule.of(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    /** Reads a seed with or without a sign. */
    static final class SeedConverter implements ITypeConverter<BigInteger> {
        @Override
        public BigInteger convert(String text) {
            if (!SEED.matcher(text).matches()) {
                throw new TypeConversionException(
                        "a seed is a whole number from -2^63 to 2^64 - 1, or -1 for a random one, but was '%s'"
                                .formatted(text));
            }
            return new BigInteger(text);
        }
    }
}
