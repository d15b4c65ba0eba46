"""Contact sheets: thirty pairs, one face in ten styles, ten faces in one style, alpha."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from .bench import Bench, Outcome, Trial

ACROSS = 10


def draw(bench: Bench, folder: Path) -> None:
    """Writes sheet-*.png of development people, who may not be shown outside."""
    g, pairs = bench.gallery, bench.pairs(3 * ACROSS, seed=9)
    some = pairs[:ACROSS]
    first = [dataclasses.replace(t, person=some[0].person, given=some[0].given) for t in some]
    same = [dataclasses.replace(t, style=some[0].style, person=t.person) for t in some]
    sweep = [dataclasses.replace(some[0], alpha=float(a), prompt="a person outdoors in sunlight, green trees behind")
             for a in np.linspace(0, 1, ACROSS)]
    for name, trials in (("one-face", first), ("one-style", same), ("pairs", pairs), ("alpha", sweep)):
        lines(g, bench.run(trials, f"sheet {name}"), folder / f"sheet-{name}.png")


def lines(gallery, outcomes: list[Outcome], path: Path) -> None:
    """Photos given above style pictures above results, ACROSS to a line."""
    def photo(trial: Trial) -> np.ndarray:
        return np.asarray(gallery.data.pixels[gallery.rows[trial.given[0]]])

    rows = [row for at in range(0, len(outcomes), ACROSS) for row in zip(
        *[(photo(o.trial), o.style.picture, o.picture) for o in outcomes[at:at + ACROSS]], strict=True)]
    Image.fromarray(np.concatenate([np.concatenate(r, 1) for r in rows])).save(path)
