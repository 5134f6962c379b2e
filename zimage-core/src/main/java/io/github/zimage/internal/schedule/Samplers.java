package io.github.zimage.internal.schedule;

/** What is behind each of the samplers that users can choose. */
public final class Samplers {
    private Samplers() {}

    /** Returns the one that was chosen. */
    public static Sampler of(io.github.zimage.Sampling.Sampler chosen) {
        return switch (chosen) {
            case EULER -> new EulerSampler();
            case EULER_ANCESTRAL -> new EulerAncestralSampler();
            case HEUN -> new HeunSampler();
            case DPMPP_2M -> new DpmSolver2MSampler();
            case DPMPP_SDE -> new DpmSolverSdeSampler();
            case RES_MULTISTEP -> new ResMultistepSampler();
            case UNI_PC -> new UniPcSampler();
            case LCM -> new LcmSampler();
        };
    }
}
