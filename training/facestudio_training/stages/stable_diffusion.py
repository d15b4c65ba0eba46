"""Exports a Stable-Diffusion-1.5 folder and a trained Linear as a bundle of the same contract."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from ..config import Config
from ..export import around, bundle
from ..export.stable_diffusion import Unfit, load


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training stable_diffusion")
    parser.add_argument("--folder", type=Path, required=True, help="what diffusers' save_pretrained wrote")
    parser.add_argument("--linear", type=Path, required=True, help="the trained Linear, as the stage finetune writes it")
    parser.add_argument("--base", type=Path, help="bundle of the encoders; default: the config's paths.bundle")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new bundle")
    parser.add_argument("--name", default="facestudio-sd")
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--licence", default="research-only", help="of the folder: an SPDX identifier, or research-only")
    return parser


def run(cfg: Config, minutes: float | None = None, threads: int = 1, folder: Path | None = None, linear: Path | None = None,
        base: Path | None = None, out: Path | None = None, name: str = "facestudio-sd", version: str = "0.1.0",
        licence: str = "research-only") -> None:
    """Writes the bundle; nothing when the folder or the Linear does not fit."""
    if not (folder and linear and out):
        raise SystemExit("stable_diffusion: --folder, --linear and --out are needed")
    torch.set_num_threads(threads)
    base = base.resolve() if base else cfg.path("bundle")
    for needed in (linear, base / "bundle.json"):
        if not needed.exists():
            raise SystemExit(f"stable_diffusion: {needed} is missing")
    try:
        manifest, files = around.assemble(load(folder), linear, base, name, version, licence, threads)
    except Unfit as err:
        raise SystemExit(f"stable_diffusion: {err}") from err
    bundle.write(out.resolve(), manifest, files)
    print(f"stable diffusion: wrote {out}, {sum(len(f.data) for f in files) / 1e6:.1f} MB", flush=True)
