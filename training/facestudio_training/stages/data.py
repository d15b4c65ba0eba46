"""Decodes the picture sets once, finds every face, cuts the aligned faces and style inputs."""

from __future__ import annotations

import csv
import json
import os
import tarfile
import time
from pathlib import Path

import cv2
import numpy as np

from ..config import ROOT, Config
from ..data import align, detector, mask, pictures

FACE, STYLE = 112, 64


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/data. Takes about two minutes; `minutes` is not needed."""
    at, source = pictures.folder(cfg), cfg.path("faces")
    rows = table(source, ROOT / cfg.data.examples)
    if cfg.data.limit:
        rows = [r for s in ("train", "low", "dev", "example", "anime")
                for r in [x for x in rows if x["split"] == s][:cfg.data.limit]]
    cv2.setNumThreads(threads)
    model, size = detector.fetch(at / "detector", cfg.data.detector)
    find = detector.Detector(model, detector.Recipe(size=size), threads)
    n, side = len(rows), cfg.data.size
    arrays = {name: np.lib.format.open_memmap(at / (file + ".part"), "w+", np.uint8, (n, edge, edge, 3))
              for (name, file), edge in zip(pictures.ARRAYS.items(), (side, FACE, STYLE))}
    small = {"found": np.zeros(n, bool), "score": np.zeros(n, np.float32),
             "box": np.zeros((n, 4), np.float32), "points": np.zeros((n, 4, 2), np.float32)}
    started = shown = time.monotonic()
    for i, (row, data) in enumerate(read(source, rows)):
        picture = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        if picture.shape[:2] != (side, side):
            picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if
                                 picture.shape[0] > side else cv2.INTER_CUBIC)
        arrays["pixels"][i] = picture
        faces = find(picture)
        if faces:
            best = faces[0]
            small["found"][i], small["score"][i] = True, best.score
            small["box"][i], small["points"][i] = best.box, best.points
            arrays["faces"][i] = align.face(picture, best.points, FACE)
        arrays["style"][i] = mask.style_input(picture, [f.box for f in faces], cfg.data.mask_scale,
                                              cfg.data.mask_fill, STYLE)
        if time.monotonic() - shown > 15:
            shown = time.monotonic()
            left = (shown - started) / (i + 1) * (n - i - 1) / 60
            print(f"data: {i + 1}/{n} pictures, {left:.1f} min left", flush=True)
    for name, file in pictures.ARRAYS.items():
        arrays[name].flush()
        os.replace(at / (file + ".part"), at / file)
    with open(at / "faces.npz.part", "wb") as out:
        np.savez(out, **small)
    os.replace(at / "faces.npz.part", at / "faces.npz")
    (at / "table.json.part").write_text(json.dumps({k: [r[k] for r in rows] for k in pictures.FIELDS}))
    os.replace(at / "table.json.part", at / "table.json")
    report(rows, small)


def table(source: Path, examples: Path) -> list[dict]:
    """The rows of faces.tsv and the style pictures, in shard order, with this project's splits."""
    held = {line.split()[0] for line in examples.read_text().splitlines() if line and not line.startswith("#")}
    names: dict[str, int] = {}
    rows = []
    with open(source / "faces.tsv", newline="") as file:
        for raw in csv.DictReader(file, delimiter="\t"):
            split = raw["split"]
            if raw["file"] in held:
                split = "example"
            elif raw["file"].startswith("train-lo"):
                split = "low"
            rows.append({
                "file": raw["file"], "split": split, "source": raw["source"], "synthetic": raw["synthetic"] == "1",
                "identity": names.setdefault(raw["identity"], len(names)), "age": int(float(raw["age"] or -1)),
                "sex": raw["sex"] or "", "caption": raw["caption"] or ""})
    missing = held - {r["file"] for r in rows}
    if missing:
        raise SystemExit(f"{examples}: not in faces.tsv: {', '.join(sorted(missing))}")
    for shard in sorted(source.glob("style-*.tar")):
        with tarfile.open(shard) as archive:
            rows += [{"file": f"{shard.name}:{m.name}", "split": "anime", "source": "anime", "synthetic": False,
                      "identity": -1, "age": -1, "sex": "", "caption": ""} for m in archive if m.isfile()]
    rows.sort(key=lambda r: r["file"].split(":")[0])  # stable: the order inside a shard stays
    return rows


def read(source: Path, rows: list[dict]):
    """Yields every row with its encoded picture, opening each shard once."""
    held, archive = "", None
    for row in rows:
        shard, name = row["file"].split(":", 1)
        if shard != held:
            held, archive = shard, tarfile.open(source / shard)
        yield row, archive.extractfile(name).read()


def report(rows: list[dict], small: dict) -> None:
    for split in ("train", "low", "dev", "example", "anime"):
        at = np.array([r["split"] == split for r in rows])
        if at.any():
            print(f"data: {split}: {at.sum()} pictures, a face found in {small['found'][at].mean():.4f}")
