"""What one person's region shows of another person's context: the paper's masked attention beside plain attention."""

from __future__ import annotations

import dataclasses

import numpy as np

from . import measures
from .bench import NAMES, Bench
from .several import Scene, look, order, scenes
from .table import Table, span


def isolation(bench: Bench, count: int) -> list[Table]:
    """The second of two people becomes somebody else: how much of the first one's region changes."""
    drawn, rows = scenes(bench, max(1, count // 2), 2), []
    for name, masked in (("masked by person", True), ("plain: both everywhere", False)):
        rows.append([name, str(len(drawn)), *changes(bench, drawn, masked)])
    return [Table("The second person becomes another", ["attention", "pictures", "first person's region, levels", "second person's",
                                                        "elsewhere", "cosine of the first face before and after"], rows,
                  "Mean absolute change of the pixels, of 255 levels; noise and style picture are the same. The output of the "
                  "masked attention in the first region changes by exactly nothing, which tests of the graph show: what changes "
                  "there comes through convolutions, self-attention and the decoder, and with a background that follows the "
                  "second person. The cosine is the evaluator's.")]


def changes(bench: Bench, drawn: list[Scene], masked: bool) -> list[str]:
    orders = [order(bench, s, masked) for s in drawn]
    before = bench.mesh.paint(orders)
    after = bench.mesh.paint([dataclasses.replace(o, faces=np.stack([o.faces[0], bench.subject([another(bench, s)])]))
                              for o, s in zip(orders, drawn, strict=True)])
    apart: list[list[float]] = [[], [], []]
    same = []
    for s, a, b in zip(drawn, before, after, strict=True):
        change = np.abs(a.astype(int) - b).mean(2)
        first, second = (m > 0.5 for m in s.masks)
        for values, where in zip(apart, (first, second, ~(first | second)), strict=True):
            values.append(float(change[where].mean()) if where.any() else np.nan)
        faces = [look(bench, s, p)[0].vectors for p in (a, b)]
        same.append(float(faces[0][NAMES[0]] @ faces[1][NAMES[0]]) if all(faces) else np.nan)
    who = np.array([s.people[0] for s in drawn])
    return [*(span(measures.interval(np.array(v), who), 1) for v in apart), span(measures.interval(np.array(same), who))]


def another(bench: Bench, scene: Scene) -> int:
    """A photo of somebody who is not in the scene."""
    g, rng = bench.gallery, np.random.default_rng([23, scene.seed])
    return int(rng.choice(g.photos(int(rng.choice(np.setdiff1d(np.arange(g.people), scene.people))))))
