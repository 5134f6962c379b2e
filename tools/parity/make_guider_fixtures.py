#!/usr/bin/env python3
"""
Makes zimage-core/src/test/resources/guiders.json: what diffusers' guiders make of given predictions.

    make_guider_fixtures.py --out FILE

    positive, negative [STEPS, ELEMENTS]     random numbers
    NAME [STEPS, ELEMENTS]                   what the guider makes of them, step by step, since one has a memory

Guidance g is diffusers' scale g + 1, or g in the original formulation, which adaptive projected guidance uses here.
"""

import argparse
import json

import torch
from diffusers.guiders import AdaptiveProjectedGuidance, ClassifierFreeGuidance, ClassifierFreeZeroStarGuidance

STEPS, SHAPE, GUIDANCE = 3, (1, 2, 3, 4), 2.5


def run(guider, positive, negative):
    results = []
    for step in range(STEPS):
        guider.set_state(step=step, num_inference_steps=STEPS, timestep=torch.tensor(0.0))
        guider.prepare_inputs({"x": (positive[step], negative[step])})
        results.append(guider.forward(positive[step], negative[step]).pred.flatten().tolist())
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    generator = torch.Generator().manual_seed(23)
    positive = torch.randn(STEPS, *SHAPE, generator=generator)
    negative = torch.randn(STEPS, *SHAPE, generator=generator)
    threshold = 0.8 * positive[0].numel() ** 0.5
    scale = GUIDANCE + 1
    guiders = {
        "cfg": ClassifierFreeGuidance(scale),
        "rescale": ClassifierFreeGuidance(scale, guidance_rescale=0.7),
        "zero": ClassifierFreeZeroStarGuidance(scale, zero_init_steps=0),
        "zero_init": ClassifierFreeZeroStarGuidance(scale, zero_init_steps=1, guidance_rescale=0.0),
        "zero_rescale": ClassifierFreeZeroStarGuidance(scale, zero_init_steps=0, guidance_rescale=0.4),
        "apg": AdaptiveProjectedGuidance(
            GUIDANCE,
            adaptive_projected_guidance_momentum=-0.5,
            adaptive_projected_guidance_rescale=threshold,
            eta=0.0,
            use_original_formulation=True,
        ),
        "apg_eta": AdaptiveProjectedGuidance(
            GUIDANCE,
            adaptive_projected_guidance_momentum=None,
            adaptive_projected_guidance_rescale=0.0,
            eta=0.3,
            guidance_rescale=0.5,
            use_original_formulation=True,
        ),
    }
    result = {"positive": positive.flatten(1).tolist(), "negative": negative.flatten(1).tolist()}
    result.update({name: run(guider, positive, negative) for name, guider in guiders.items()})
    with open(parser.parse_args().out, "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
