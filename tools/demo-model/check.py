"""Shows that the networks of model.py compute what diffusers and transformers compute, and that an exported folder loads there.

    python check.py [FOLDER]      with a folder: also draws from it both ways
"""

import sys

import torch
from diffusers import AutoencoderKL, ZImagePipeline, ZImageTransformer2DModel
from tokenizers import Tokenizer
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

import model as ours
import world
from train_model import encode


def near(name, mine, theirs, limit=2e-5):
    error = ((mine - theirs).abs().max() / theirs.abs().max()).item()
    print(f"{name:40s} relative difference {error:.1e}")
    if not error < limit:
        raise SystemExit(f"{name}: differs by {error}, at most {limit} is allowed")


@torch.no_grad()
def networks():
    torch.manual_seed(0)
    text = ours.TextEncoder().eval()
    theirs = Qwen3Model(Qwen3Config(**ours.TEXT, tie_word_embeddings=True)).eval()
    theirs.load_state_dict(text.state_dict())
    for slots, lengths in ((32, [20, 32, 11]), (64, [40, 64, 33])):
        ids = torch.randint(0, 2000, (3, slots))
        mask = torch.arange(slots)[None] < torch.tensor(lengths)[:, None]
        mine = text(ids)
        other = theirs(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states[-2]
        near(f"text encoder, {slots} slots", mine[mask], other[mask])

    transformer = ours.Transformer().eval()
    for p in transformer.parameters():
        if p.abs().sum() == 0 or p.ndim == 1:
            p.add_(torch.randn_like(p) * 0.1)
    theirs = ZImageTransformer2DModel(**ours.TRANSFORMER).eval()
    theirs.load_state_dict(transformer.state_dict())
    for w, h, slots, lengths in ((128, 128, 32, [20, 32, 11]), (96, 160, 64, [40, 64, 33]), (112, 112, 32, [8, 9, 30])):
        z, t = torch.randn(3, 16, h // 8, w // 8), torch.tensor([0.1, 0.5, 0.9])
        caption = torch.randn(3, slots, ours.TEXT["hidden_size"])
        mask = torch.arange(slots)[None] < torch.tensor(lengths)[:, None]
        mine = ours.unpatchify(transformer(ours.patchify(z), t, caption, mask, h // 16, w // 16), h // 16, w // 16)
        other = theirs(list(z.unsqueeze(2)), t, [c[:n] for c, n in zip(caption, lengths)], return_dict=False)[0]
        near(f"transformer, {w}x{h}, {slots} slots", mine, torch.stack(other).squeeze(2))

    vae = ours.Vae().eval()
    theirs = AutoencoderKL(
        **ours.VAE, in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4, use_quant_conv=False, use_post_quant_conv=False,
    ).eval()  # fmt: skip
    theirs.load_state_dict(vae.state_dict())
    x = torch.randn(2, 3, 96, 128)
    near("encoder", vae.encode(x), theirs.encode(x).latent_dist.mode())
    z = torch.randn(2, 16, 12, 16)
    near("decoder", vae.decode(z), theirs.decode(z, return_dict=False)[0])


@torch.no_grad()
def folder(path):
    pipe = ZImagePipeline.from_pretrained(path, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    text, transformer, vae = ours.TextEncoder().eval(), ours.Transformer().eval(), ours.Vae().eval()
    text.load_state_dict(pipe.text_encoder.state_dict())
    transformer.load_state_dict(pipe.transformer.state_dict())
    vae.load_state_dict(pipe.vae.state_dict())
    vae.scale, vae.shift = pipe.vae.config.scaling_factor, pipe.vae.config.shift_factor
    raw, auto = Tokenizer.from_file(path + "/tokenizer/tokenizer.json"), AutoTokenizer.from_pretrained(path + "/tokenizer")
    prompts = ["a fox on a yellow background", "蓝色背景上的苹果", "", "红色背景，一只小熊猫，卡通风格 // a small panda in front of a plain red background"]
    for prompt in prompts:
        chat = auto.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True)
        assert chat == world.template(prompt), chat
        assert auto(chat).input_ids == raw.encode(chat).ids, prompt
        slots = -(-len(raw.encode(chat).ids) // 32) * 32
        for w, h in ((128, 128), (112, 144)):
            noise = torch.randn(1, 16, h // 8, w // 8, generator=torch.Generator().manual_seed(3))
            captions = encode(raw, [prompt], slots, raw.token_to_id("<|endoftext|>"))
            mine = ours.draw(text, transformer, vae, captions, noise, 8)[0]
            theirs = pipe(prompt=[prompt], height=h, width=w, num_inference_steps=8, guidance_scale=0.0,
                          generator=torch.Generator().manual_seed(3), output_type="pt").images[0]  # fmt: skip
            near(f"picture {w}x{h}, {slots} slots", mine, theirs, 1e-3)


if __name__ == "__main__":
    networks()
    if len(sys.argv) > 1:
        folder(sys.argv[1])
