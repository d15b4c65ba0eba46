"""The decoded pictures and what is known of each, as the data stage left them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import Config

ARRAYS = {"pixels": "pixels.npy", "faces": "faces.npy", "style": "style.npy"}
FIELDS = ("file", "split", "identity", "source", "synthetic", "age", "sex", "caption")


@dataclass
class Pictures:
    """Row i of every array is the same picture.

    pixels uint8 [N,128,128,3] RGB; faces uint8 [N,112,112,3], aligned, black where no face
    was found; style uint8 [N,64,64,3], the vision encoders' input with the face greyed out.
    found bool [N]; score f32 [N]; box f32 [N,4] x, y, w, h and points f32 [N,4,2] right_eye,
    left_eye, nose, mouth, in pixels of the 128x128 picture, zero where no face was found.
    split: "train", "low" (soft pictures), "dev", "example" (held out), "anime".
    identity int32 [N], equal for pictures of one person, -1 where there is nobody.
    """

    pixels: np.ndarray
    faces: np.ndarray
    style: np.ndarray
    found: np.ndarray
    score: np.ndarray
    box: np.ndarray
    points: np.ndarray
    file: np.ndarray
    split: np.ndarray
    identity: np.ndarray
    source: np.ndarray
    synthetic: np.ndarray
    age: np.ndarray
    sex: np.ndarray
    caption: np.ndarray

    def __len__(self) -> int:
        return len(self.split)

    def where(self, *splits: str) -> np.ndarray:
        """Indices of the pictures of these splits."""
        return np.flatnonzero(np.isin(self.split, splits))


def folder(cfg: Config) -> Path:
    return cfg.state("data")


def load(cfg: Config) -> Pictures:
    """Opens what the data stage wrote; the pictures stay on disk until touched."""
    at = folder(cfg)
    if not (at / "table.json").exists():
        raise SystemExit(f"{at}: no decoded pictures; run the data stage first")
    arrays = {k: np.load(at / name, mmap_mode="r") for k, name in ARRAYS.items()}
    small = dict(np.load(at / "faces.npz"))
    table = json.loads((at / "table.json").read_text())
    return Pictures(**arrays, **small, **{k: np.array(table[k]) for k in FIELDS})
