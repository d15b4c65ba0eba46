"""The development people as recognisers see them: calibration, similarity, ranks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from ..data import pictures


class Recogniser:
    """evaluator_mfn192: aligned faces uint8 [B,112,112,3] RGB -> [B,192], unit length. Nothing may be
    trained or chosen with it."""

    def __init__(self, model: Path, threads: int):
        if not model.exists():
            raise SystemExit(f"eval: {model} is missing: set [paths] teachers to the folder that holds it")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        out = [self.session.run(["t367"], {"t368": ((aligned[k:k + 1].astype(np.float32) - 127.5) / 128.0)})[0]
               for k in range(len(aligned))]
        e = np.concatenate(out)
        return e / np.linalg.norm(e, axis=1, keepdims=True)


@dataclass
class Space:
    """One recogniser's view of the people. embeds f32 [R,D], row i of Gallery.rows; genuine and
    impostor: mean cosine of two photos of one person, and of two people."""

    embeds: np.ndarray
    genuine: float
    impostor: float

    def normalised(self, cosine):
        """0 is two different people, 1 two photos of one person."""
        return (cosine - self.impostor) / (self.genuine - self.impostor)


class Gallery:
    """People of a split with at least three photos in which a face was found.

    rows: their pictures' rows in Pictures; person [R]: whose, 0..P-1."""

    def __init__(self, data: pictures.Pictures, recognisers: dict[str, object], split: str = "dev", least: int = 3):
        rows = data.where(split)
        rows = rows[data.found[rows]]
        names, counts = np.unique(data.identity[rows], return_counts=True)
        rows = rows[np.isin(data.identity[rows], names[counts >= least])]
        if not len(rows):
            raise SystemExit(f"eval: no person of split {split!r} has {least} photos with a face; run the data stage on more pictures")
        self.data, self.rows = data, rows
        _, self.person = np.unique(data.identity[rows], return_inverse=True)
        self.people = int(self.person.max()) + 1
        self.at = {int(r): i for i, r in enumerate(rows)}
        self.spaces = {name: self.space(embed(np.asarray(data.faces[rows]))) for name, embed in recognisers.items()}

    def space(self, embeds: np.ndarray) -> Space:
        upper = np.triu_indices(len(embeds), 1)
        cosine, same = (embeds @ embeds.T)[upper], (self.person[:, None] == self.person[None])[upper]
        return Space(embeds, float(cosine[same].mean()), float(cosine[~same].mean()))

    def photos(self, person: int) -> np.ndarray:
        """Indices into rows of a person's photos."""
        return np.flatnonzero(self.person == person)

    def to(self, name: str, e: np.ndarray, photos) -> float:
        """Normalised mean similarity of a result's embedding to photos (indices into rows); NaN if none."""
        photos = np.asarray(photos, int)
        space = self.spaces[name]
        return float(space.normalised((space.embeds[photos] @ e).mean())) if len(photos) else float("nan")

    def rank(self, name: str, e: np.ndarray, person: int, given) -> int:
        """How many people's photos, the given ones left out, are nearer on average than the person's."""
        cosine = self.spaces[name].embeds @ e
        kept = np.ones(len(cosine), bool)
        kept[np.asarray(given, int)] = False
        sums = np.bincount(self.person[kept], cosine[kept], self.people)
        means = sums / np.maximum(1, np.bincount(self.person[kept], minlength=self.people))
        return int((means > means[person]).sum())
