"""The facts of every picture: what its caption, its pixels and its face points tell."""

from __future__ import annotations

import numpy as np

from ..data.pictures import Pictures
from . import grounds
from .captions import ATTRIBUTES, Facts, parse

TURNED, STRAIGHT = 0.12, 0.05  # of the nose's offset from between the eyes, in eye distances
# Columns of `labels`: every attribute, then hair colours and shapes, then "male".
HAIR = ("black", "brown", "blond", "gray", "wavy", "straight")
COLUMNS = (*ATTRIBUTES, *HAIR, "male")


def turn(points: np.ndarray) -> float:
    """How far the face turns, from points [4,2]: below zero to the left of the picture."""
    middle = (points[0] + points[1]) / 2
    return float((points[2, 0] - middle[0]) / max(1e-3, np.linalg.norm(points[1] - points[0])))


def facts(data: Pictures, i: int) -> Facts:
    """All that is known of picture i."""
    if data.split[i] == "anime":
        found = Facts(anime=True)
    else:
        found = parse(str(data.caption[i]), str(data.sex[i]), int(data.age[i]))
    if data.found[i] and not found.anime:
        offset = turn(data.points[i])
        found.turn = "left" if offset < -TURNED else "right" if offset > TURNED else "front" if abs(offset) < STRAIGHT else ""
    style = np.asarray(data.style[i])
    found.grey = grounds.grey(style)
    found.ground = grounds.ground(style)
    return found


def labels(data: Pictures, i: int, found: Facts) -> np.ndarray:
    """COLUMNS as 0, 1 or -1 (unknown). Only CelebA's captions list every attribute they have,
    so only there does a missing one mean "no"."""
    out = np.full(len(COLUMNS), -1, np.float32)
    if str(data.source[i]).startswith("celeba") and data.caption[i]:
        hair = {w for a in found.attributes for w in a.split() if a.endswith(" hair")}
        for k, name in enumerate(COLUMNS[:-1]):
            out[k] = float(name in found.attributes or name in hair)
    if found.sex:
        out[-1] = float(found.sex == "male")
    return out
