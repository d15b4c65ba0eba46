"""How similar two people are to the bundle's face encoder: what a verdict on a face is measured by."""

from __future__ import annotations

import numpy as np
from torch import nn

from ..config import Config
from ..data import pictures
from ..stages import face

LEAST = 1e-3  # deviation of an encoder that tells people apart


def measure(cfg: Config, encoder: nn.Module) -> dict[str, float] | None:
    """Over all pairs of development people, whom no model saw; None where the data stage left nobody."""
    if not (pictures.folder(cfg) / "table.json").exists():
        print("export: no decoded pictures, so the manifest does not tell how similar strangers are", flush=True)
        return None
    data = pictures.load(cfg)
    rows = data.where("dev")
    rows = rows[data.found[rows]]
    if not len(rows):
        return None
    return spread(face.embed(encoder, data.faces[rows]), data.identity[rows])


def spread(e: np.ndarray, identity: np.ndarray) -> dict[str, float] | None:
    """Mean and standard deviation of the cosine of photos of two people; None where there are no two, or
    where all are one to the encoder."""
    upper = np.triu_indices(len(e), 1)
    apart = (e @ e.T)[upper][(identity[:, None] != identity[None])[upper]]
    if len(apart) < 2 or apart.std() < LEAST or apart.mean() + apart.std() >= 1:
        return None
    return {"mean": round(float(apart.mean()), 4), "deviation": round(float(apart.std()), 4)}
