"""Golden values of alignment, warping and the face detector's decoding."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..data import align, detector
from . import REPOSITORY, numbers, write

EXAMPLE = "examples/faces/clara.jpg"
NAMES = ("right_eye", "left_eye", "nose", "mouth")
# Candidates below this probability are left out of the golden file.
LEAST = 0.05


def least_squares(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity [2,3] by numpy's general solver: x' = ax - by + c, y' = bx + ay + d."""
    rows = []
    for x, y in source:
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
    a, b, c, d = np.linalg.lstsq(np.array(rows), target.reshape(-1), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])


def sample(picture: np.ndarray, matrix: np.ndarray, at: tuple[int, int], replicate: bool) -> np.ndarray:
    """One output pixel (x, y) of a warp: bilinear at the inverse of matrix, unrounded [3]."""
    linear = np.linalg.inv(matrix[:, :2])
    x, y = linear @ (np.array(at, float) - matrix[:, 2])
    left, top = int(np.floor(x)), int(np.floor(y))
    height, width = picture.shape[:2]
    out = np.zeros(3)
    for dy, wy in ((0, top + 1 - y), (1, y - top)):
        for dx, wx in ((0, left + 1 - x), (1, x - left)):
            px, py = left + dx, top + dy
            if replicate:
                px, py = min(max(px, 0), width - 1), min(max(py, 0), height - 1)
            elif not (0 <= px < width and 0 <= py < height):
                continue
            out += wx * wy * picture[py, px]
    return out


def similarity() -> list[dict]:
    rng = np.random.default_rng(3)
    found = np.array([[151.2, 203.4], [240.9, 195.1], [199.7, 250.3], [205.8, 301.6]])
    cases = []
    for name, source, target in (
        ("arcface-112", found, align.ARCFACE_112), ("ffhq-128", found, align.FFHQ_128),
        ("tilted", found[:, ::-1] * [1.0, -1.0] + [0.0, 400.0], align.ARCFACE_112),
        ("five points", rng.uniform(0, 300, (5, 2)).round(2), rng.uniform(0, 112, (5, 2)).round(2)),
        ("two points", found[:2], align.ARCFACE_112[:2]),
    ):
        cases.append({"name": name, "from": numbers(source), "to": numbers(target),
                      "matrix": numbers(least_squares(source, target))})
    return cases


def warp() -> dict:
    """A 12x10 picture whose value is 20x + 3y + 7c, so that any program can build it."""
    y, x, c = np.mgrid[0:10, 0:12, 0:3]
    picture = (20 * x + 3 * y + 7 * c).astype(np.uint8)
    matrix = np.array([[0.8, -0.3, 2.5], [0.3, 0.8, -1.25]])
    at = [(4, 3), (0, 0), (7, 6), (11, 7), (2, 9), (15, 4)]
    return {"width": 12, "height": 10, "value": "20*x + 3*y + 7*channel", "matrix": numbers(matrix),
            "pixels": [{"x": x, "y": y, "black": numbers(sample(picture, matrix, (x, y), False)),
                        "replicate": numbers(sample(picture, matrix, (x, y), True))} for x, y in at]}


def example_detector() -> detector.Detector:
    """The face detector as set-up fetched it."""
    _, digest, size = detector.FILES["front"]
    model = REPOSITORY / ".cache" / "models" / f"{digest}.onnx"
    if not model.exists():
        raise SystemExit(f"{model.relative_to(REPOSITORY)} is missing: run scripts/setup-models.sh first")
    return detector.Detector(model, detector.Recipe(size=size))


def detections() -> dict:
    picture = cv2.cvtColor(cv2.imread(str(REPOSITORY / EXAMPLE)), cv2.COLOR_BGR2RGB)
    find = example_detector()
    pixels, scale, left, top = find.prepare(picture)
    scores, boxes = [], []
    for k in ("", "_1"):
        scores.append(find.session.run([f"Identity{k}:0"], {"input:0": pixels[None]})[0][0, :, 0])
    for k in ("_2", "_3"):
        boxes.append(find.session.run([f"Identity{k}:0"], {"input:0": pixels[None]})[0][0])
    scores, boxes = np.concatenate(scores), np.concatenate(boxes)
    kept = np.flatnonzero(scores >= np.log(LEAST / (1 - LEAST)))
    quiet = np.full_like(scores, -100)
    quiet[kept] = scores[kept]
    faces = find.decode(quiet, boxes, scale, left, top)
    return {
        "picture": EXAMPLE, "width": picture.shape[1], "height": picture.shape[0],
        "size": find.recipe.size, "scale": float(scale), "left": left, "top": top, "candidates_in_all": len(scores),
        "candidates": [{"index": int(i), "logit": numbers(scores[i]), "values": numbers(boxes[i])} for i in kept],
        "faces": [{"score": float(np.float32(f.score)), "box": numbers(f.box.astype(np.float32)),
                   "points": {n: numbers(p) for n, p in zip(NAMES, f.points.astype(np.float32))}} for f in faces],
    }


def write_all(root: Path) -> list[Path]:
    folder = root / "services" / "imaging" / "testdata"
    return [
        write(folder, "similarity.json", "numpy.linalg.lstsq on x' = ax - by + c, y' = bx + ay + d; matrix "
              "[[a,-b,c],[b,a,d]] maps `from` to `to`.", 1e-6, {"cases": similarity()}),
        write(folder, "warp.json", "Bilinear in float64; the matrix maps source to output, both in pixel indices (the "
              "centre of the first pixel is 0,0); outside is black or the nearest pixel. Values are unrounded: compare "
              "with a tolerance of one level.", 1.0, warp()),
        write(folder, "blazeface.json", "face_detection_front_128x128_barracuda.onnx of "
              f"{detector.PACKAGE} on the picture named, decoded by facestudio_training/data/detector.py. Candidate i "
              "counts through the 16x16x2 cells, then the 8x8x6; candidates not listed have logit -100. scale, left "
              "and top undo the letterbox; boxes are x, y, width, height in pixels of the picture. The tolerance holds "
              "for decoding these candidates; from the JPEG on, allow 3 pixels.", 1e-2, detections()),
    ]
