"""Vision trio and text encoder together: attributes told from their prompts alone, and pictures found by their captions."""

from __future__ import annotations

import numpy as np
import torch
from torchmetrics.functional.classification import binary_auroc

from ..language.captions import parse
from ..language.facts import COLUMNS, complete, labels
from ..language.lexicon import attribute
from . import measures
from .bench import Bench
from .clip_score import ClipScore
from .prompts import NEUTRAL
from .table import Table, percent

PLAIN = {"male": "a photo of a man", "smiling": "a photo of a person, smiling"}
BESIDE = {"male": "a photo of a woman"}


def zero_shot(bench: Bench, count: int) -> list[Table]:
    """On the development people's pictures with captions, which are few, and on at most count training pictures beside those that the
    score's map was fitted on. Only CelebA's captions tell what is not there, so the pictures are those."""
    clip, data = ClipScore(bench), bench.gallery.data
    dev = np.array([r for r in data.where("dev") if data.found[r] and complete(data, r)], int)
    rest = np.array([r for r in clip.rest if complete(data, r)], int)[:count]
    sets = {"development": dev, "training": rest}
    shown = {name: np.stack([clip.of(r) for r in rows]) if len(rows) else np.zeros((0, 1)) for name, rows in sets.items()}
    facts = {name: np.array([labels(data, r, parse(str(data.caption[r]), str(data.sex[r]), int(data.age[r]))) for r in rows]).reshape(len(rows), len(COLUMNS))
             for name, rows in sets.items()}
    rows = []
    for k, name in enumerate(COLUMNS):
        prompt, beside = PLAIN.get(name, f"a photo of a person with {attribute(name)}"), BESIDE.get(name, NEUTRAL)
        cells = []
        for part in sets:
            sure = facts[part][:, k] >= 0
            cells += told(clip, shown[part][sure], facts[part][sure, k] > 0.5, prompt, beside)
        rows.append([name, *cells])
    texts = {name: [str(data.caption[r]) for r in some] for name, some in sets.items()}
    return [Table("Zero-shot attributes", ["attribute", *(f"{part}: {c}" for part in sets for c in ("with it of all", "area under the curve", "accuracy"))], rows,
                  "How much nearer a picture is to the attribute's prompt than to one without it; accuracy is the mean of both sides', at no "
                  "difference. Faces are masked before pictures are embedded, so what lies in them cannot be told: marks are for that."),
            Table("Retrieval", ["pictures", "own caption nearest", "among the nearest ten", "other captions nearer (chance 50 %)"],
                  [[f"{len(some)} {name}", *found(clip, shown[name], texts[name])] for name, some in sets.items() if len(some) > 1],
                  "Of the captions of all of them; captions that are alike count as one.")]


def told(clip: ClipScore, pictures: np.ndarray, truth: np.ndarray, prompt: str, beside: str) -> list[str]:
    """The cells of one attribute."""
    if not 0 < truth.sum() < len(truth):
        return [f"{int(truth.sum())} of {len(truth)}", "-", "-"]
    more = clip.score(pictures, [prompt] * len(pictures)) - clip.score(pictures, [beside] * len(pictures))
    area = float(binary_auroc(torch.from_numpy(more).sigmoid(), torch.from_numpy(truth).int()))
    right = np.mean([((more > 0) == truth)[truth == v].mean() for v in (False, True)])
    return [f"{int(truth.sum())} of {len(truth)}", f"{area:.2f}", f"{right:.2f}"]


def found(clip: ClipScore, pictures: np.ndarray, texts: list[str]) -> list[str]:
    """The cells of retrieval."""
    names, own = np.unique(texts, return_inverse=True)
    scores = np.stack([clip.score(pictures, [t] * len(pictures)) for t in names], 1)
    nearer = (scores > scores[np.arange(len(own)), own][:, None]).sum(1)
    return [percent(measures.rate(nearer == 0)), percent(measures.rate(nearer < 10)), f"{100 * nearer.mean() / max(1, len(names) - 1):.0f} %"]
