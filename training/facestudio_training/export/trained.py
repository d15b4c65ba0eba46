"""The trained modules of every stage, and what the stages measured."""

from __future__ import annotations

import json

from torch import nn

from ..config import Config
from ..stages import clip, face, prior, segmenter, unet, vae


def modules(cfg: Config) -> tuple[dict[str, nn.Module], list[str], dict[str, str]]:
    """One module a role key; the tokenizer's pieces; figures for the model card."""
    trio, text, _ = clip.load(cfg)
    denoiser, guidance = unet.load(cfg)
    encoder, decoder = vae.load(cfg)
    made = {f"clip_vision.{name}": trio.encoder(name) for name in trio.NAMES}
    made |= {
        "clip_text": text, "prior": prior.load(cfg), "face_encoder": face.load(cfg),
        "person_segmenter": segmenter.load(cfg), "guidance": guidance, "unet": denoiser,
        "vae_encoder": encoder, "vae_decoder": decoder,
    }
    for module in made.values():
        module.eval()
    pieces = json.loads((cfg.state("clip") / "tokenizer.json").read_text())["vocab"]
    return made, pieces, efforts(cfg)


def efforts(cfg: Config) -> dict[str, str]:
    """How long each stage trained, as its json beside the checkpoint says."""
    out = {}
    for stage, name in (("vae", "vae"), ("clip", "clip_train"), ("face", "face_train"), ("segmenter", "segmenter_train"),
                        ("prior", "prior_train"), ("unet", "unet")):
        path = cfg.state(stage) / f"{name}.json"
        if path.exists():
            told = json.loads(path.read_text())
            if "images" in told and "seconds" in told:
                out[f"training of {stage}"] = f"{told['images']:,} pictures seen in {told['seconds'] / 60:.0f} minutes"
    return out
