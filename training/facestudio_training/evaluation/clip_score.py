"""CLIP score: how far a picture's style embedding points where its prompt's does, by the bundle's own encoders."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from ..stages.prior import regression
from .bench import Bench, Outcome

FITTED, REAL = 1500, 400  # captioned pictures that the map is fitted on, and that real pictures' score is of


class ClipScore:
    """score(P, W) = 100 cos(e_h(P) - m, R(W) - m): e_h of the picture with its faces masked (paper 3.3), R the ridge regression
    from text embeddings to e_h over captioned training pictures, m their mean e_h. Our text and vision encoders share no space but
    this; the text encoder guides the pictures too, so that they are judged by what they were asked with."""

    def __init__(self, bench: Bench):
        self.bench, self.texts = bench, {}
        data = bench.gallery.data
        rows = data.where("train")
        rows = rows[(data.caption[rows] != "") & data.found[rows]]
        if not len(rows):
            raise SystemExit("eval: the CLIP score needs training pictures with captions: run the data stage on more pictures")
        rows = np.random.default_rng(12).permutation(rows)
        fitted, self.rest = rows[:FITTED], rows[FITTED:]
        pictures = torch.from_numpy(np.stack([self.of(r) for r in fitted]))
        words = torch.from_numpy(np.stack([self.words(str(data.caption[r])) for r in fitted]))
        self.matrix, self.bias = (v.numpy() for v in regression(pictures, words))
        self.mean = pictures.mean(0).numpy()

    def of(self, row: int) -> np.ndarray:
        """e_h of a picture of the data set."""
        data = self.bench.gallery.data
        return self.bench.mesh.style(np.asarray(data.pixels[row]), boxes=[data.box[row]]).embed

    def words(self, text: str) -> np.ndarray:
        """The text embedding, each text's once."""
        if text not in self.texts:
            self.texts[text] = self.bench.mesh.words(text)
        return self.texts[text]

    def score(self, pictures: np.ndarray, texts: list[str]) -> np.ndarray:
        """Of e_h [N,D] and as many texts."""
        a = pictures - self.mean
        b = np.stack([self.words(t) for t in texts]) @ self.matrix + self.bias - self.mean
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        return 100 * (a * b).sum(1) / np.maximum(norms, 1e-6)

    def made(self, outcomes: list[Outcome], texts: list[str]) -> np.ndarray:
        """Of results and as many texts."""
        return self.score(np.stack([self.bench.mesh.style(o.picture, boxes=[o.box] if o.found else []).embed for o in outcomes]), texts)

    @cached_property
    def captioned(self) -> tuple[np.ndarray, np.ndarray]:
        """Of real pictures that nothing was fitted on: with their own captions and with each other's."""
        real = self.rest[:REAL]
        texts = [str(self.bench.gallery.data.caption[r]) for r in real]
        if not texts:
            return np.zeros(0), np.zeros(0)
        pictures = np.stack([self.of(r) for r in real])
        return self.score(pictures, texts), self.score(pictures, texts[1:] + texts[:1])
