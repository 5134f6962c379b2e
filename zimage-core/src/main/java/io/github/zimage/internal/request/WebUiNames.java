package io.github.zimage.internal.request;

import io.github.zimage.Sampling.Sampler;
import io.github.zimage.Sampling.Schedule;

/** What AUTOMATIC1111's web UI calls samplers and schedules; those that it does not have are written in its manner. */
final class WebUiNames {
    private WebUiNames() {}

    static String of(Sampler sampler) {
        return switch (sampler) {
            case EULER -> "Euler";
            case EULER_ANCESTRAL -> "Euler a";
            case HEUN -> "Heun";
            case DPMPP_2M -> "DPM++ 2M";
            case DPMPP_SDE -> "DPM++ SDE";
            case RES_MULTISTEP -> "RES multistep";
            case UNI_PC -> "UniPC";
            case LCM -> "LCM";
        };
    }

    static String of(Schedule schedule) {
        return switch (schedule) {
            case SIMPLE -> "Simple";
            case DYNAMIC -> "Dynamic";
            case SGM_UNIFORM -> "SGM Uniform";
            case NORMAL -> "Normal";
            case BETA -> "Beta";
            case KARRAS -> "Karras";
            case EXPONENTIAL -> "Exponential";
            case KL_OPTIMAL -> "KL Optimal";
        };
    }
}
