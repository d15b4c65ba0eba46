"""The person segmenter on group pictures whose people were outlined by hand."""

from __future__ import annotations

import json

import cv2
import numpy as np

from ..config import ROOT
from . import measures
from .bench import Bench
from .several import assigned
from .table import Table, span

FOLDER = ROOT / "groups"
TOUCHING = 3  # pixels between two outlines, at most
FINE = 8  # by how much outlines are drawn larger, so that the pixels on them go by their greater part


def labelled(bench: Bench, count: int) -> list[Table]:
    """Intersection over union of each person's mask with the outline, with the boxes of the mesh's own face detector; at most count pictures."""
    values, pictures, kinds, touching, missed = [], [], [], [], 0
    labels = json.loads((FOLDER / "labels.json").read_text())
    for number, (name, told) in enumerate(sorted(labels.items())[:count]):
        picture = cv2.cvtColor(cv2.imread(str(FOLDER / name)), cv2.COLOR_BGR2RGB)
        people = told["people"]
        drawn = [np.array(p["face"], float) for p in people]
        faces = assigned(bench.mesh.faces(picture), drawn)
        missed += sum(f is None for f in faces)
        found = bench.mesh.person_masks(picture, [f.box if f else box for f, box in zip(faces, drawn, strict=True)]) > 0.5
        goal = [outlined(p["polygon"], picture.shape[:2]) for p in people]
        near = [any((cv2.dilate(a.astype(np.uint8), np.ones((2 * TOUCHING + 1,) * 2)) > 0)[b].any() for b in goal if b is not a) for a in goal]
        values += [(a & b).sum() / max(1, (a | b).sum()) for a, b in zip(found, goal, strict=True)]
        pictures, kinds, touching = [*pictures, *[number] * len(people)], [*kinds, *[told["kind"]] * len(people)], [*touching, *near]
    values, pictures, kinds, touching = (np.array(v) for v in (values, pictures, kinds, touching))
    rows = [[name, str(int(which.sum())), span(measures.interval(values[which], pictures[which])), f"{np.quantile(values[which], 0.1):.2f}"]
            for name, which in (("all", np.ones(len(values), bool)), ("who touch or overlap", touching), ("apart", ~touching),
                               ("composed", kinds == "composed"), ("made by FaceStudio", kinds == "made")) if which.any()]
    return [Table("Person segmenter, outlines by hand", ["people", "n", "intersection over union", "a tenth is below"], rows,
                  f"{pictures.max() + 1} pictures. Faces that the detector missed, whose box is the drawn one: {missed}.")]


def outlined(polygon: list, shape: tuple[int, int]) -> np.ndarray:
    """bool [H,W]: the pixels of which most lies inside a polygon; (0, 0) is the picture's corner."""
    fine = np.zeros((FINE * shape[0], FINE * shape[1]), np.uint8)
    cv2.fillPoly(fine, [np.rint(FINE * np.array(polygon, float) - 0.5).astype(np.int32)], 255)
    return cv2.resize(fine, shape[::-1], interpolation=cv2.INTER_AREA) > 127
