"""Exports the trained modules as a bundle, after checking every graph against PyTorch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from ..config import ROOT, Config
from ..export import bundle, card, check, graph, strangers, untrained
from ..export.manifest import TRAINED_ON, File, detector_file, encode_tokenizer, manifest
from ..export.roles import roles
from ..models.vision import VisionTrio

FACTOR, MULTIPLE = 8, 16


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training export")
    parser.add_argument("--random", action="store_true", help="random weights instead of checkpoints: the tiny bundle")
    parser.add_argument("--out", type=Path, help="folder of the bundle; default: the config's paths.bundle")
    parser.add_argument("--figures", type=Path, help="JSON of {what was measured: result} for the model card")
    return parser


def run(cfg: Config, minutes: float | None = None, threads: int = 1, random: bool = False, out: Path | None = None,
        figures: Path | None = None) -> None:
    """Writes the bundle. Takes about two minutes; `minutes` is not needed."""
    torch.set_num_threads(threads)
    measured = json.loads(figures.read_text()) if figures else {}
    if random:
        modules, pieces = untrained.modules(cfg), untrained.vocabulary()
    else:
        from ..export import trained

        modules, pieces, found = trained.modules(cfg)
        measured = found | measured
    wanted = contract(cfg, len(pieces))
    files, reports = [], []
    for key, role in wanted.items():
        kind = "int8" if role.role in cfg.bundle.int8 else "fp16"
        exact = graph.export(modules[key], role)
        kept = graph.store(exact, kind)
        reports.append(check.check(modules[key], role, exact, kept, kind, threads))
        print(f"export: {reports[-1].line()}", flush=True)
        files.append(File(f"{key}.onnx", role.role, kept.SerializeToString(deterministic=True), role.name))
    files.append(detector_file(cfg))
    files.append(File("tokenizer.json", "tokenizer", encode_tokenizer(pieces)))
    text = card.card(cfg, reports, TRAINED_ON, measured, random)
    files.append(File("MODEL_CARD.md", "card", text.encode()))
    folder = out.resolve() if out else cfg.path("bundle")
    apart = None if random else strangers.measure(cfg, modules["face_encoder"])
    bundle.write(folder, manifest(cfg, cfg.file, list(VisionTrio.NAMES), reports, files, random, apart), files)
    total = sum(len(f.data) for f in files)
    print(f"export: wrote {folder.name}, {total / 1e6:.1f} MB in {len(files)} files", flush=True)


def contract(cfg: Config, vocabulary: int):
    """The roles of this config's bundle."""
    vision = cfg.clip.vision
    return roles([(name, vision.embed) for name in VisionTrio.NAMES], vision.size, cfg.clip.text.length, vocabulary,
                 cfg.clip.text.embed, cfg.face.model.size, cfg.face.model.embed, cfg.guidance.tokens,
                 cfg.guidance.channels, cfg.vae.latent_channels, FACTOR, cfg.data.size, MULTIPLE)
