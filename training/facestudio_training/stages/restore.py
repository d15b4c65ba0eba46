"""Takes the weights of a bundle as the checkpoints of all stages, where those are gone."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from ..config import Config
from ..data import augment, pictures
from ..export import untrained
from ..export.restore import restore, settle
from ..models.vision import VisionTrio
from ..trainer import save
from . import clip, face
from .export import contract

SETTLE = 512  # pictures that the batch norms' statistics are taken over


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training restore")
    parser.add_argument("--source", type=Path, help="folder of the bundle; default: the config's paths.bundle")
    return parser


def run(cfg: Config, minutes: float | None = None, threads: int = 1, source: Path | None = None) -> None:
    """Writes every stage's weights, e_h and e_f from a bundle of this config. Takes a few minutes.

    Stages that run after it start from these weights with a fresh optimiser."""
    torch.set_num_threads(threads)
    source = source.resolve() if source else cfg.path("bundle")
    pieces = json.loads((source / "tokenizer.json").read_text())["vocab"]
    made = untrained.modules(cfg)
    for key, role in contract(cfg, len(pieces)).items():
        restore(made[key], role, onnx.load(source / f"{key}.onnx"))
        print(f"restore: {key}", flush=True)
    data = pictures.load(cfg)
    trio = VisionTrio(cfg.clip.vision)
    for name in trio.NAMES:
        trio.encoder(name).load_state_dict(made[f"clip_vision.{name}"].state_dict())
    rows = data.where("train")
    rows = rows[data.found[rows]][:: max(1, len(rows) // SETTLE)]
    settle(trio, [augment.to_tensor(np.asarray(data.style[rows]))])
    settle(made["face_encoder"], [augment.to_tensor(np.asarray(data.faces[rows]))])
    settle(made["person_segmenter"], [cued(data, rows)])
    (cfg.state("clip") / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    for stage, name, module in (
        ("clip", "vision", trio), ("clip", "text", made["clip_text"]), ("face", "face", made["face_encoder"]),
        ("segmenter", "segmenter", made["person_segmenter"]), ("prior", "prior", made["prior"]),
        ("vae", "vae", nn.ModuleDict({"encoder": made["vae_encoder"], "decoder": made["vae_decoder"]})),
        ("unet", "unet", nn.ModuleDict({"unet": made["unet"], "guidance": made["guidance"]})),
    ):
        save(cfg.state(stage) / f"{name}.safetensors", module.state_dict(), {"from": f"the bundle {source.name}"})
    clip.embed_all(cfg, data, trio)
    face.embed_all(cfg, data, made["face_encoder"])


def cued(data: pictures.Pictures, rows: np.ndarray) -> torch.Tensor:
    """pixels [B,4,H,W] with each face's box as the fourth plane."""
    x = augment.to_tensor(np.asarray(data.pixels[rows]))
    cue = torch.zeros(len(rows), 1, *x.shape[2:])
    for plane, (left, top, width, height) in zip(cue, data.box[rows]):
        plane[0, max(0, int(top)):int(top + height), max(0, int(left)):int(left + width)] = 1
    return torch.cat([x, cue], 1)
