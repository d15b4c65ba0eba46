"""The facts of every picture: what its caption, its pixels and its face points tell."""

from __future__ import annotations

import numpy as np

from ..data.pictures import Pictures
from . import grounds
from .captions import ABSENT, Facts, parse
from .marks import NAMES

TURNED, STRAIGHT = 0.12, 0.05  # of the nose's offset from between the eyes, in eye distances
# Columns of `labels`: every attribute, colour and shape of hair, then "male".
COLUMNS = (*NAMES, "male")


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
        if complete(data, i):
            found.absent = [f"-{a}" for a in ABSENT if a not in found.attributes]
    if data.found[i] and not found.anime:
        offset = turn(data.points[i])
        found.turn = "left" if offset < -TURNED else "right" if offset > TURNED else "front" if abs(offset) < STRAIGHT else ""
    style = np.asarray(data.style[i])
    found.grey = grounds.grey(style)
    found.ground = grounds.ground(style)
    return found


def complete(data: Pictures, i: int) -> bool:
    """Whether the caption lists every attribute, as only CelebA's do."""
    return str(data.source[i]).startswith("celeba") and bool(data.caption[i])


def labels(data: Pictures, i: int, found: Facts) -> np.ndarray:
    """COLUMNS as 0, 1 or -1 (unknown). A missing attribute means "no" where the caption lists them all."""
    out = np.full(len(COLUMNS), -1, np.float32)
    if complete(data, i):
        hair = {w for a in found.attributes for w in a.split() if a.endswith(" hair")}
        for k, name in enumerate(COLUMNS[:-1]):
            out[k] = float(name in found.attributes or name in hair)
    if found.sex:
        out[-1] = float(found.sex == "male")
    return out
