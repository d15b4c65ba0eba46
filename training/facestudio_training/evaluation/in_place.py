"""People put into photos in place, through `bin/facestudio`: what changed outside their heads, and whether a seam shows."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..data import nobody
from ..data.groups import group
from . import measures
from .bench import Bench
from .several import Seen, assigned, columns, summary
from .table import Table, span
from .through import ADDRESS, running

PHOTO = (480, 720)  # height, width
LARGEST = 3.0  # of the portraits that a photo is composed of, against 128 pixels
CANVAS = 2.2  # side of a head's canvas, in widths of its face box
EDGE = 14 / 128  # of a head's soft edge, as a share of its canvas (services/mask/head.go)


@dataclass
class Placed:
    """people and the photo given of each, from the left; photo and result uint8 [H,W,3]; boxes of the
    faces that were replaced."""

    people: tuple[int, ...]
    given: tuple[int, ...]
    photo: np.ndarray
    result: np.ndarray
    boxes: list[np.ndarray]


def in_place(bench: Bench, bundle: Path, repository: Path, log: Path, count: int) -> list[Table]:
    """count photos of two people each, who both become others."""
    made = []
    with tempfile.TemporaryDirectory() as temporary, running(repository, bundle, Path(temporary), log) as command:
        for k in range(count):
            if placed := place(bench, command, Path(temporary), k):
                made.append(placed)
            print(f"eval: in place {k + 1}/{count} photos", flush=True)
    outside = np.array([changed_outside(p.photo, p.result, p.boxes) for p in made])
    before, after = (np.array(v) for v in zip(*(across(p.photo, p.result, p.boxes) for p in made), strict=True))
    who = np.array([p.people[0] for p in made])
    ratio = after.sum() / max(1e-9, before.sum())
    faces = [look(bench, p) for p in made]
    return [
        Table("In place: the photo around the heads", ["photos", "changed pixels outside the heads' canvases", "gradient across the "
              "edges, result to photo, all photos", "of each photo, mean", "worst photo"],
              [[str(len(made)), str(int(outside.sum())), f"{ratio:.3f}", span(measures.interval(after / before, who)),
                f"{(after / before).max():.2f}"]],
              "Photos of two development people before a drawn background. The edge is where pixels begin to differ: the band of a "
              "soft edge's width inside it; the gradient is that along its normal."),
        Table("In place: whose faces they are", columns(bench), [summary(bench, [p.given for p in made], faces)]),
    ]


def place(bench: Bench, command: Path, folder: Path, k: int) -> Placed | None:
    """Photo k with two people in it who become two others; None where they are not found."""
    g, rng = bench.gallery, np.random.default_rng([24, k])
    people = rng.choice(g.people, 4, replace=False)
    given = [int(rng.choice(g.photos(p))) for p in people]
    shown = [(np.asarray(g.data.pixels[g.rows[i]]), bench.mesh.person_masks(np.asarray(g.data.pixels[g.rows[i]]),
                                                                           [g.data.box[g.rows[i]]])[0], g.data.box[g.rows[i]])
             for i in given[2:]]
    photo = group(shown, nobody.scene(*PHOTO, rng), rng, LARGEST).picture
    files = [folder / f"{name}.png" for name in ("photo", "result", "left", "right")]
    for file, picture in zip(files[:1] + files[2:], [photo, *(np.asarray(g.data.pixels[g.rows[i]]) for i in given[:2])], strict=True):
        Image.fromarray(picture).save(file)
    done = subprocess.run(
        [command, "generate", "--server", ADDRESS, "--subject", f"a={files[2]}", "--subject", f"b={files[3]}", "--at", "a=0", "--at", "b=1",
         "--style", files[0], "--in-place", "--seed", str(k), "-o", files[1], "--json"], capture_output=True, text=True)
    if done.returncode:
        print(f"eval: photo {k} is left out: {done.stderr.strip().splitlines()[0] if done.stderr else done.returncode}", flush=True)
        return None
    boxes = [np.array([p["box"].get(n, 0) for n in ("x", "y", "width", "height")], float)
             for p in json.loads(done.stdout)["generation"]["placements"] if "subject" in p]
    return Placed(tuple(int(p) for p in people[:2]), tuple(given[:2]), photo, np.array(Image.open(files[1]).convert("RGB")), boxes)


def look(bench: Bench, placed: Placed) -> list[Seen]:
    faces = assigned(bench.mesh.faces(placed.result), placed.boxes)
    return [Seen(p, bench.embed(placed.result, f.points) if f else {}) for p, f in zip(placed.people, faces, strict=True)]


def changed(photo: np.ndarray, result: np.ndarray) -> np.ndarray:
    return (photo != result).any(2)


def changed_outside(photo: np.ndarray, result: np.ndarray, boxes: list[np.ndarray]) -> int:
    """Pixels that differ beyond the canvases of the heads at these face boxes."""
    away = changed(photo, result)
    for x, y, w, h in boxes:
        cx, cy, half = x + w / 2, y + h / 2, CANVAS * max(w, h) / 2 * 1.2  # turned heads have turned canvases
        away[max(0, int(cy - half)):int(cy + half) + 1, max(0, int(cx - half)):int(cx + half) + 1] = False
    return int(away.sum())


def across(photo: np.ndarray, result: np.ndarray, boxes: list[np.ndarray]) -> tuple[float, float]:
    """The sums of the gradients across the heads' soft edges, of the photo and of the result."""
    sums = np.zeros(2)
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in (photo, result)]
    new = cv2.morphologyEx(changed(photo, result).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    inside = cv2.distanceTransform(new, cv2.DIST_L2, 5)
    edge = EDGE * CANVAS * float(np.mean([max(b[2:]) for b in boxes]))
    band = (inside > 0) & (inside < edge)
    ny, nx = np.gradient(cv2.GaussianBlur(inside, (0, 0), 1.5))
    length = np.hypot(nx, ny)
    band &= length > 1e-3
    for n, picture in enumerate(grey):
        gy, gx = np.gradient(picture)
        sums[n] = np.abs((gx * nx + gy * ny)[band] / length[band]).sum()
    return float(sums[0]), float(sums[1])
