"""Several people in one picture as it is served, through `bin/facestudio`: their heads refined, and not."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from .bench import Bench
from .several import CANVAS, Seen, columns, compose, summary
from .table import Table
from .through import ADDRESS, running

NEAR = 2.6  # side of what is looked at for a face, in sides of its box
SHOWN = 6  # pictures of each kind on the sheet


def together(bench: Bench, bundle: Path, repository: Path, log: Path, count: int) -> list[Table]:
    """count pictures of two people and half as many of three."""
    rows, shown = [], []
    with tempfile.TemporaryDirectory() as temporary, running(repository, bundle, Path(temporary), log) as command:
        for name, people, refine in (("two", 2, True), ("two, not refined", 2, False), ("three", 3, True), ("three, not refined", 3, False)):
            given, seen = [], []
            for k in range(max(1, count // (people - 1))):
                subjects, photos, style = compose(bench, k, people)
                made = serve(bench, command, Path(temporary), photos, style, k, refine)
                if made is None:
                    continue
                picture, boxes = made
                given.append(photos)
                seen.append([look(bench, p, picture, box) for p, box in zip(subjects, boxes, strict=True)])
                if len(seen) <= SHOWN and refine:
                    shown.append([*(portrait(bench, i) for i in photos), *[np.full_like(portrait(bench, photos[0]), 255)] * (3 - people), style, picture])
                if (k + 1) % 20 == 0:
                    print(f"eval: {name} {k + 1} pictures", flush=True)
            rows.append([name, *summary(bench, given, seen)])
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in shown])).save(log / "sheet-together.png")
    height, width = CANVAS
    return [Table(f"Several people, {width}x{height}, as they are served", ["people", *columns(bench)], rows,
                  "Style pictures as in the table of several people; found, bound, segmented, made, and refined by the mesh.")]


def look(bench: Bench, person: int, picture: np.ndarray, box: np.ndarray) -> Seen:
    """A subject's face where it was put, from nearby: in the whole picture faces are small for the detector."""
    x, y, w, h = box
    half, height, width = NEAR * max(w, h) / 2, *picture.shape[:2]
    left, top = (int(max(0, v - half)) for v in (x + w / 2, y + h / 2))
    right, bottom = (int(min(n, v + half)) for n, v in ((width, x + w / 2), (height, y + h / 2)))
    near = np.ascontiguousarray(picture[top:bottom, left:right])
    faces = [f for f in bench.mesh.faces(near)
             if np.hypot(*(f.box[:2] + f.box[2:] / 2 + (left, top) - (x + w / 2, y + h / 2))) < max(w, h) / 2]
    return Seen(person, bench.embed(picture, faces[0].points + (left, top)) if faces else {})


def portrait(bench: Bench, photo: int) -> np.ndarray:
    return np.asarray(bench.gallery.data.pixels[bench.gallery.rows[photo]])


def serve(bench: Bench, command: Path, folder: Path, photos: tuple[int, ...], style: np.ndarray, seed: int,
          refine: bool) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """The picture of these photos' people from the left, and where their faces were in the style picture, which has
    the canvas' size; None where the mesh does not find the people."""
    files = [folder / f"{name}.png" for name in ("style", "result", *(f"face{i}" for i in range(len(photos))))]
    for file, picture in zip([files[0], *files[2:]], [style, *(portrait(bench, i) for i in photos)], strict=True):
        Image.fromarray(picture).save(file)
    people = [a for i, file in enumerate(files[2:]) for a in ("--subject", f"p{i}={file}", "--at", f"p{i}={i}")]
    height, width = CANVAS
    done = subprocess.run([command, "generate", "--server", ADDRESS, *people, "--style", files[0], "--size", f"{width}x{height}",
                           f"--refine={str(refine).lower()}", "--seed", str(seed), "-o", files[1], "--json"], capture_output=True, text=True)
    if done.returncode:
        print(f"eval: picture {seed} is left out: {done.stderr.strip().splitlines()[0] if done.stderr else done.returncode}", flush=True)
        return None
    boxes = [np.array([p["box"].get(n, 0) for n in ("x", "y", "width", "height")], float)
             for p in json.loads(done.stdout)["generation"]["placements"] if "subject" in p]
    return np.array(Image.open(files[1]).convert("RGB")), boxes
