"""Tables of results and their Markdown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from . import measures
from .bench import NAMES, Bench, Outcome


@dataclass
class Table:
    """A titled table; note says how to read it."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", "| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([*lines, "", *([self.note, ""] if self.note else [])])


def span(triple: tuple[float, float, float], digits: int = 2) -> str:
    """`0.43 (0.40, 0.46)`, or a dash where nothing was measured."""
    if math.isnan(triple[0]):
        return "-"
    middle, low, high = (f"{v:.{digits}f}" for v in triple)
    return f"{middle} ({low}, {high})"


def percent(triple: tuple[float, float, float]) -> str:
    """`38 % (26, 51)`."""
    if math.isnan(triple[0]):
        return "-"
    middle, low, high = (f"{100 * v:.1f}" for v in triple)
    return f"{middle} % ({low}, {high})"


COLUMNS = ["n", "face found", "to given", "to not given", "to style's person", "first of {people}", "first five",
           "to not given, own encoder"]
READ = ("Similarity is normalised: 0 two different people, 1 two photos of one person. In brackets 95 % intervals: "
        "bootstrap over people, of rates Wilson's. Results without a face count as misses in ranks and are left out "
        "of similarities.")


def columns(bench: Bench, first: str) -> list[str]:
    return [first, *(c.format(people=bench.gallery.people) for c in COLUMNS)]


def summary(bench: Bench, outcomes: list[Outcome]) -> list[str]:
    """The cells of COLUMNS for some outcomes."""
    g = bench.gallery
    people = np.array([o.trial.person for o in outcomes])
    similar: dict[str, list[float]] = {"given": [], "other": [], "style": [], "own": []}
    ranks = []
    for o in outcomes:
        t = o.trial
        others = [i for i in g.photos(t.person) if i not in t.given]
        # A photo that is the style picture itself would count what the style gives, not what e_f gives.
        others = [i for i in others if i != t.style]
        style = g.photos(g.person[t.style]) if t.style >= 0 and g.person[t.style] != t.person else []
        for name, space, photos in (("given", NAMES[0], t.given), ("other", NAMES[0], others),
                                    ("style", NAMES[0], style), ("own", NAMES[1], others)):
            similar[name].append(g.to(space, o.vectors[space], photos) if o.found else math.nan)
        ranks.append(g.rank(NAMES[0], o.vectors[NAMES[0]], t.person, t.given) if o.found else g.people)
    mean = {k: span(measures.interval(np.array(v), people)) for k, v in similar.items()}
    ranks = np.array(ranks)
    return [str(len(outcomes)), percent(measures.rate(np.array([o.found for o in outcomes]))), mean["given"],
            mean["other"], mean["style"], percent(measures.rate(ranks == 0)), percent(measures.rate(ranks < 5)), mean["own"]]
