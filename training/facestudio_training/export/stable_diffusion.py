"""A Stable-Diffusion-1.5 folder, as diffusers writes it, as the graphs of a bundle.

The U-Net keeps its weights; only its cross-attention is asked anew: the context holds N people's
tokens, and each place of the picture hears those of the people whose mask covers it (see
models/unet.py). With one person and a mask of ones that is the cross-attention it was trained with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

NEEDED = ("unet/config.json", "vae/config.json", "scheduler/scheduler_config.json")


class Unfit(ValueError):
    """A folder that cannot become a bundle; the text names the file and what is wrong."""


@dataclass
class Parts:
    """unet and vae: diffusers' modules in float32, evaluation mode; schedule: keys of the manifest's
    schedule; latent: keys of its latent; size: the side in pixels that the folder was trained at."""

    unet: nn.Module
    vae: nn.Module
    schedule: dict
    latent: dict
    size: int

    @property
    def width(self) -> int:
        """C of the guidance tokens."""
        return self.unet.config.cross_attention_dim

    @property
    def multiple(self) -> int:
        """What a picture's sides are multiples of: the U-Net halves the latent at each level but the last."""
        return self.latent["factor"] * 2 ** (len(self.unet.config.block_out_channels) - 1)


def load(folder: Path) -> Parts:
    """Reads a diffusers folder. Weights are taken from safetensors only, never from pickles."""
    for name in NEEDED:
        if not (folder / name).exists():
            raise Unfit(f"{folder / name} is missing: want a folder that diffusers' save_pretrained wrote")
    read = {"local_files_only": True, "use_safetensors": True, "torch_dtype": torch.float32}
    try:
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", **read)
        vae = AutoencoderKL.from_pretrained(folder / "vae", **read)
    except OSError as err:
        raise Unfit(f"{folder}: {err}") from err
    schedule = read_schedule(folder / "scheduler" / "scheduler_config.json")
    if not isinstance(unet.config.cross_attention_dim, int):
        raise Unfit(f"{folder}/unet: cross_attention_dim must be one number, not {unet.config.cross_attention_dim}")
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    latent = {"channels": unet.config.in_channels, "factor": factor, "scale": vae.config.scaling_factor,
              "shift": vae.config.shift_factor or 0.0}
    if vae.config.latent_channels != unet.config.in_channels or unet.config.in_channels != unet.config.out_channels:
        raise Unfit(f"{folder}: the VAE has {vae.config.latent_channels} latent channels, the U-Net takes "
                    f"{unet.config.in_channels} and gives {unet.config.out_channels}; inpainting U-Nets are not served")
    return Parts(unet.eval(), vae.eval(), schedule, latent, unet.config.sample_size * factor)


def read_schedule(path: Path) -> dict:
    """The manifest's schedule from a scheduler's config; raises Unfit for what the mesh cannot sample."""
    raw = json.loads(path.read_text())
    out = {"train_steps": raw.get("num_train_timesteps", 1000), "beta_schedule": raw.get("beta_schedule", "linear"),
           "beta_start": raw.get("beta_start", 1e-4), "beta_end": raw.get("beta_end", 0.02),
           "prediction": raw.get("prediction_type", "epsilon"), "timestep_spacing": raw.get("timestep_spacing", "leading"),
           "steps_offset": raw.get("steps_offset", 0)}
    served = {"beta_schedule": ("scaled_linear", "linear", "squaredcos_cap_v2"), "prediction": ("epsilon", "v_prediction"),
              "timestep_spacing": ("trailing", "linspace", "leading")}
    wrong = [f"{k} {out[k]!r} (known: {', '.join(v)})" for k, v in served.items() if out[k] not in v]
    wrong += [f"{k} {raw[k]!r}" for k in ("trained_betas", "rescale_betas_zero_snr") if raw.get(k)]
    if wrong:
        raise Unfit(f"{path}: not served: {'; '.join(wrong)}")
    return out


class MaskedProcessor:
    """diffusers' cross-attention over N people's tokens [B,N*T,C], as MaskedCrossAttention has it; masks
    [B,N,L] of every level, L its number of places."""

    def __init__(self, level: int):
        self.level = level

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, masks=None,
                 people: int = 1):
        kept = hidden_states
        q, k, v = (y.unflatten(2, (attn.heads, -1)).transpose(1, 2) for y in (
            attn.to_q(hidden_states), attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)))
        logits = (q * attn.scale) @ k.transpose(-1, -2)  # [B,heads,L,N*T]
        weights = logits.unflatten(3, (people, -1)).softmax(-1)
        weights = weights * masks[self.level].transpose(1, 2)[:, None, :, :, None]
        y = (weights.flatten(3) @ v).transpose(1, 2).flatten(2)
        # The bias of the way out would speak where no mask is; it is weighed by how much is covered.
        out = F.linear(y, attn.to_out[0].weight)
        if attn.to_out[0].bias is not None:
            out = out + attn.to_out[0].bias * masks[self.level].sum(1).clamp(max=1)[..., None]
        out = attn.to_out[1](out) / attn.rescale_output_factor
        return out + kept if attn.residual_connection else out


class SelfProcessor(AttnProcessor2_0):
    """diffusers' self-attention, which has no use for what MaskedUNet tells the others."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, masks=None,
                 people: int = 1):
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


class MaskedUNet(nn.Module):
    """The contract's U-Net around diffusers' one: latent [B,c,h,w], timestep [B], context [B,N,T,C],
    mask [B,N,h,w] -> prediction [B,c,h,w]."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet
        self.levels = len(unet.config.block_out_channels)
        unet.set_attn_processor({name: MaskedProcessor(self.level(name)) if ".attn2." in name else SelfProcessor()
                                 for name in unet.attn_processors})

    def level(self, name: str) -> int:
        """How often the latent was halved where that attention stands."""
        kind, at = name.split(".")[:2]
        if kind == "mid_block":
            return self.levels - 1
        return int(at) if kind == "down_blocks" else self.levels - 1 - int(at)

    def forward(self, latent: Tensor, timestep: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        people, masks = context.shape[1], []
        for _ in range(self.levels):
            masks.append(mask.flatten(2))
            mask = F.avg_pool2d(mask, 2)
        return self.unet(latent, timestep, encoder_hidden_states=context.flatten(1, 2),
                         cross_attention_kwargs={"masks": masks, "people": people}, return_dict=False)[0]


class PictureEncoder(nn.Module):
    """pixels [B,3,H,W] in [-1,1] -> the mean of the VAE's posterior [B,c,h,w], neither scaled nor shifted."""

    def __init__(self, vae: nn.Module):
        super().__init__()
        self.vae = vae

    def forward(self, pixels: Tensor) -> Tensor:
        return self.vae.encode(pixels).latent_dist.mean


class PictureDecoder(nn.Module):
    """latent [B,c,h,w], neither scaled nor shifted -> pixels [B,3,8h,8w], about [-1,1]."""

    def __init__(self, vae: nn.Module):
        super().__init__()
        self.vae = vae

    def forward(self, latent: Tensor) -> Tensor:
        return self.vae.decode(latent, return_dict=False)[0]


class _Upcast(nn.Module):
    def forward(self, half: Tensor) -> Tensor:
        return half.float()


def halved(module: nn.Module, smallest: int = 256) -> nn.Module:
    """Keeps large weights in fp16 and computes in float32, in place. A graph of 860 million float32
    weights is larger than a protobuf may be; exported like this it is half of that."""
    for part in list(module.modules()):
        for name, value in list(part.named_parameters(recurse=False)):
            if value.numel() >= smallest and value.is_floating_point():
                delattr(part, name)
                part.register_parameter(name, nn.Parameter(value.data.half(), requires_grad=False))
                parametrize.register_parametrization(part, name, _Upcast(), unsafe=True)
    return module
