"""By age: on training people, as nobody knows the ages of the development people."""

from __future__ import annotations

import numpy as np

from . import measures
from .bench import NAMES, Bench
from .mesh import Order
from .table import Table, percent, span

BANDS = (("below 30", 0, 30), ("30 to 44", 30, 45), ("45 to 59", 45, 60), ("60 and above", 60, 200))


def ages(bench: Bench, count: int) -> list[Table]:
    """Training people of each age by their one photo, in development people's pictures; count results in all bands together."""
    g, each = bench.gallery, max(1, count // len(BANDS))
    rows, bands = chosen(g.data, each)
    if not len(rows):
        return [Table("By age, training people", ["age", "n"], [["no training picture tells an age", "0"]])]
    aligned = np.asarray(g.data.faces[rows])
    own = {name: embed(aligned) for name, embed in bench.recognisers.items()}
    vectors, given = [], list(zip(bench.faces(aligned), bench.pairs(len(rows), seed=50), strict=True))
    for start in range(0, len(rows), 16):
        part = [(face, t, bench.style(t)) for face, t in given[start:start + 16]]
        made = bench.mesh.paint([Order(face[None], style.embed, t.seed) for face, t, style in part])
        vectors += [bench.look(t, picture, style).vectors for (_, t, style), picture in zip(part, made, strict=True)]
    columns = ["age", "n", "face found", "to the photo given", f"nearest of {len(rows)} photos", "by own encoder, to the photo given"]
    table = Table("By age, training people", columns, note="Normalised by the development people's pairs. These people's photos were trained "
                  "on: differences count here and levels do not.")
    for name, *_ in BANDS:
        at = np.flatnonzero(bands == name)
        found = np.array([bool(vectors[k]) for k in at])
        similar = {space: np.array([float(own[space][k] @ vectors[k][space]) if vectors[k] else np.nan for k in at]) for space in NAMES}
        first = np.array([bool(vectors[k]) and int(np.argmax(own[NAMES[0]] @ vectors[k][NAMES[0]])) == k for k in at])
        told = [span(measures.interval(g.spaces[s].normalised(similar[s]), at)) for s in NAMES]
        table.rows.append([name, str(len(at)), percent(measures.rate(found)), told[0], percent(measures.rate(first)), told[1]])
    return [table]


def chosen(data, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of at most each people a band, a photo of each, and their bands."""
    rows = data.where("train")
    rows = np.random.default_rng(6).permutation(rows[data.found[rows] & (data.age[rows] >= 0)])
    rows = rows[np.unique(data.identity[rows], return_index=True)[1]]
    rows = np.random.default_rng(7).permutation(rows)
    parts = {name: rows[(data.age[rows] >= low) & (data.age[rows] < high)][:each] for name, low, high in BANDS}
    return np.concatenate(list(parts.values())), np.concatenate([[name] * len(part) for name, part in parts.items()])
