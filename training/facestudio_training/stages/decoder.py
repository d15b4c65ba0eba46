"""Refines the picture decoder on whole pictures, with the encoder frozen."""

from __future__ import annotations

from ..config import Config
from . import vae


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/vae/decoder.safetensors, which then replaces the decoder of `vae`."""
    vae.refine(cfg, minutes, threads)
