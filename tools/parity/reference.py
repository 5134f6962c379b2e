"""What diffusers makes of a request, in a precision of choice."""

import contextlib

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline
from torch.overrides import TorchFunctionMode

PRECISIONS = {"fp64": torch.float64, "fp32": torch.float32, "bf16": torch.bfloat16}


class StayFloat64(TorchFunctionMode):
    """
    Leaves float64 tensors alone where diffusers and transformers narrow activations to float32: variances, rotations,
    predictions and latents. What is float32 from the start (time steps, sigmas, tables of angles) stays as it is: these
    are constants of the model as diffusers defines it.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.Tensor.float and args[0].dtype is torch.float64:
            return args[0]
        if func is torch.Tensor.to and args[0].dtype is torch.float64:
            if torch.float32 in args or kwargs.get("dtype") is torch.float32:
                return args[0]
        return func(*args, **kwargs)


class RecordingScheduler(FlowMatchEulerDiscreteScheduler):
    """Keeps what passes through, unrounded: the pipeline asserts that latents between steps are float32."""

    def step(self, model_output, timestep, sample, **kwargs):
        if self.step_index is None:
            self.velocities, self.latents = [], []
        result = super().step(model_output, timestep, sample, **kwargs)[0]
        self.velocities.append(model_output)
        self.latents.append(result)
        return (result.type(torch.float32),)


def load(folder, precision, variant):
    """Loads a checkpoint for a precision."""
    pipeline = ZImagePipeline.from_pretrained(folder, torch_dtype=PRECISIONS[precision], variant=variant)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = RecordingScheduler.from_config(pipeline.scheduler.config)
    for model in (pipeline.transformer, pipeline.text_encoder, pipeline.vae):
        assert all(p.dtype is PRECISIONS[precision] for p in model.parameters())
    # Outside of StayFloat64: the angles are rounded to float32 by definition.
    rope = pipeline.transformer.rope_embedder
    rope.freqs_cis = rope.precompute_freqs_cis(rope.axes_dims, rope.axes_lens, theta=rope.theta)
    assert pipeline.text_encoder.rotary_emb.inv_freq.dtype is torch.float32
    return pipeline


def run(pipeline, request, seed):
    """
    Draws one picture. Returns its final latents [C, h, w], its pixels [H, W, 3] from 0 to 255 before rounding, and what
    was seen inside, by name.
    """
    scale = pipeline.vae_scale_factor
    shape = (1, pipeline.transformer.in_channels, request["height"] // scale, request["width"] // scale)
    noise = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)
    truth = pipeline.transformer.dtype is torch.float64
    seen, handles = {"noise": noise[0]}, []
    try:
        _watch(pipeline, seen, handles)
        with StayFloat64() if truth else contextlib.nullcontext():
            pipeline(
                prompt=request["prompt"],
                negative_prompt=request["negative_prompt"],
                width=request["width"],
                height=request["height"],
                num_inference_steps=request["steps"],
                sigmas=request["sigmas"],
                guidance_scale=request["guidance"],
                cfg_normalization=request["cfg_normalization"],
                cfg_truncation=request["cfg_truncation"],
                latents=noise,
                output_type="pt",
                callback_on_step_end=lambda pipe, i, t, kw: {"latents": pipe.scheduler.latents[-1]},
            )
    finally:
        for handle in handles:
            handle.remove()
    scheduler = pipeline.scheduler
    for i, (velocity, latents) in enumerate(zip(scheduler.velocities, scheduler.latents)):
        assert latents.dtype is (torch.float64 if truth else torch.float32)
        seen[f"step.{i}.velocity"] = velocity[0]
        seen[f"step.{i}.latents"] = latents[0]
    seen["sigmas"] = scheduler.sigmas
    pixels = (seen["vae.output"].double() / 2 + 0.5).clamp(0, 1) * 255
    return scheduler.latents[-1][0], pixels.permute(1, 2, 0).contiguous(), seen


def _watch(pipeline, seen, handles):
    """Hooks the modules: the first item of a batch is the prompt, the second the negative prompt."""
    transformer = pipeline.transformer
    steps = []

    def transformer_called(module, args):
        image, _, captions = args
        steps.append(None)
        if len(steps) == 1:
            tokens = image[0].shape[-1] * image[0].shape[-2] // 4
            seen["_image"] = tokens + -tokens % 32
            for name, caption in zip(("positive", "negative"), captions):
                seen[f"text.{name}"] = caption
                seen[f"_{name}"] = len(caption) + -len(caption) % 32

    def time_embedded(module, args, output):
        seen[f"step.{len(steps) - 1}.t_embedder"] = output[0]

    def first_layer_called(module, args):
        if len(steps) == 1:
            unified, image = args[0], seen["_image"]
            for i, name in enumerate(("positive", "negative")[: len(unified)]):
                seen[f"image.{name}"] = unified[i, :image]
                seen[f"context.{name}"] = unified[i, image : image + seen[f"_{name}"]]

    def layer_done(index):
        def done(module, args, output):
            if len(steps) == 1:
                for i, name in enumerate(("positive", "negative")[: len(output)]):
                    seen[f"layer.{index}.{name}"] = output[i, : seen["_image"] + seen[f"_{name}"]]

        return done

    handles.append(transformer.register_forward_pre_hook(transformer_called))
    handles.append(transformer.t_embedder.register_forward_hook(time_embedded))
    handles.append(transformer.layers[0].register_forward_pre_hook(first_layer_called))
    for index, layer in enumerate(transformer.layers):
        handles.append(layer.register_forward_hook(layer_done(index)))
    decode = pipeline.vae.decode

    def decoded(latents, **kwargs):
        seen["vae.input"] = latents[0]
        output = decode(latents, **kwargs)
        seen["vae.output"] = output[0][0]
        return output

    pipeline.vae.decode = decoded
    handles.append(_Restore(pipeline.vae))


class _Restore:
    def __init__(self, vae):
        self.vae = vae

    def remove(self):
        del self.vae.decode


def relative_error(actual, truth):
    """Returns the L2 norm of the difference as a part of the truth's."""
    truth = truth.double()
    return float(torch.linalg.vector_norm(actual.double() - truth) / torch.linalg.vector_norm(truth))
