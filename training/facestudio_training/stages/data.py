"""Decodes the picture sets once, finds every face, cuts the aligned faces and style inputs."""

from __future__ import annotations

import csv
import tarfile
import time
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from ..config import ROOT, Config
from ..data import align, detector, mask, pictures
from ..files import array_of, write_arrays, write_json

FACE, STYLE = 112, 64
COLUMNS = ("file", "split", "identity", "source", "synthetic", "age", "sex", "caption")  # of faces.tsv


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
    small = {"found": np.zeros(n, bool), "score": np.zeros(n, np.float32),
             "box": np.zeros((n, 4), np.float32), "points": np.zeros((n, 4, 2), np.float32)}
    with ExitStack() as stack:
        arrays = {name: stack.enter_context(array_of(at / file, (n, edge, edge, 3)))
                  for (name, file), edge in zip(pictures.ARRAYS.items(), (side, FACE, STYLE), strict=True)}
        # Without the table nothing of a run that ends here is read.
        (at / "table.json").unlink(missing_ok=True)
        fill(cfg, rows, source, find, arrays, small)
    write_arrays(at / "faces.npz", **small)
    write_json(at / "table.json", {k: [r[k] for r in rows] for k in pictures.FIELDS})
    report(rows, small)


def fill(cfg: Config, rows: list[dict], source: Path, find: detector.Detector, arrays: dict, small: dict) -> None:
    """Decodes every row's picture into arrays and what was found in it into small."""
    side = cfg.data.size
    started = shown = time.monotonic()
    for i, (row, data) in enumerate(read(source, rows)):
        picture = decode(row["file"], data, side)
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
            left = (shown - started) / (i + 1) * (len(rows) - i - 1) / 60
            print(f"data: {i + 1}/{len(rows)} pictures, {left:.1f} min left", flush=True)


def decode(name: str, data: bytes, side: int) -> np.ndarray:
    """An encoded picture as RGB uint8 [side,side,3]."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if found is None:
        raise SystemExit(f"data: {name} is no picture that can be read: fetch its shard again")
    picture = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)
    if picture.shape[:2] != (side, side):
        how = cv2.INTER_AREA if picture.shape[0] > side else cv2.INTER_CUBIC
        picture = cv2.resize(picture, (side, side), interpolation=how)
    return picture


def table(source: Path, examples: Path) -> list[dict]:
    """The rows of faces.tsv and the style pictures, in shard order, with this project's splits."""
    held = {line.split()[0] for line in examples.read_text().splitlines() if line and not line.startswith("#")}
    names: dict[str, int] = {}
    rows = []
    if not (source / "faces.tsv").exists():
        raise SystemExit(f"data: {source / 'faces.tsv'} is missing: set [paths] faces to the folder with the picture sets")
    with open(source / "faces.tsv", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t")
        if missing := [c for c in COLUMNS if c not in (lines.fieldnames or [])]:
            raise SystemExit(f"data: {source / 'faces.tsv'} has no column {', '.join(missing)}; "
                             f"it has {', '.join(lines.fieldnames or ['none'])}")
        for number, raw in enumerate(lines, 2):
            if None in raw.values() or ":" not in raw["file"]:
                raise SystemExit(f"data: {source / 'faces.tsv'}, line {number}: cut off, or its file is not shard.tar:path")
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
    try:
        for row in rows:
            shard, name = row["file"].split(":", 1)
            try:
                if shard != held:
                    if archive:
                        archive.close()
                    held, archive = shard, tarfile.open(source / shard)
                yield row, archive.extractfile(name).read()
            except FileNotFoundError as err:
                raise SystemExit(f"data: {source / shard} is missing: fetch it, or take its rows out of faces.tsv") from err
            except (tarfile.TarError, EOFError, KeyError) as err:
                raise SystemExit(f"data: {source / shard} is cut off or damaged at {name} ({err}): fetch it again") from err
    finally:
        if archive:
            archive.close()


def report(rows: list[dict], small: dict) -> None:
    for split in ("train", "low", "dev", "example", "anime"):
        at = np.array([r["split"] == split for r in rows])
        if at.any():
            print(f"data: {split}: {at.sum()} pictures, a face found in {small['found'][at].mean():.4f}")
