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
    return made, pieces, measured(cfg) | efforts(cfg)


def told(cfg: Config, stage: str, name: str) -> dict:
    """What the stage wrote beside its checkpoint, {} if nothing."""
    path = cfg.state(stage) / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def measured(cfg: Config) -> dict[str, str]:
    """The stages' own figures on people none of whom was trained on."""
    out = {}
    if "student" in (face_figures := told(cfg, "face", "face")):
        student, teacher = (face_figures[who]["tar_at_far_1e-3"] for who in ("student", "teacher"))
        out["face encoder: same person accepted at one false accept in 1,000"] = f"{student:.0%} (its teacher {teacher:.0%})"
    if "iou_portraits" in (overlap := told(cfg, "segmenter", "segmenter")):
        out["segmenter: intersection over union with its teacher, portraits / composites of several people"] = (
            f"{overlap['iou_portraits']:.2f} / {overlap['iou_composites']:.2f}")
    rank = told(cfg, "prior", "prior").get("rank_sample")
    if rank is not None:
        out["prior: other people's pictures nearer to the text's embedding than the right one (chance 50 %)"] = f"{rank:.0%}"
    return out


def efforts(cfg: Config) -> dict[str, str]:
    """How long each stage trained."""
    out = {}
    for label, stage, name in (
        ("picture encoder and decoder", "vae", "vae"), ("decoder, refined", "vae", "decoder"), ("decoder, sharpened", "vae", "sharpen"),
        ("vision and text encoders", "clip", "clip_train"), ("text encoder, trained on", "text", "text_train"),
        ("face encoder", "face", "face_train"), ("face encoder, trained on", "face", "refit"), ("segmenter", "segmenter", "segmenter_train"),
        ("prior", "prior", "prior_train"), ("U-Net and guidance", "unet", "unet"),
        ("U-Net and guidance, to be recognised", "unet", "likeness"),
    ):
        effort = told(cfg, stage, name)
        if "seconds" in effort and "images" in effort:
            minutes = (effort["seconds"] + effort.get("seconds_before", 0)) / 60
            out[f"training: {label}"] = f"{effort['images']:,} pictures seen in {minutes:.0f} minutes"
    return out
