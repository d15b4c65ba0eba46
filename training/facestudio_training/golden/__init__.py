"""Golden values for the Go tests: small JSON files, each with its origin and its tolerance.

`python -m facestudio_training.golden` rewrites all of them. They are computed with
diffusers, numpy and PyTorch, never with the code under test, and are the same at every run.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[3]


def numbers(values) -> list:
    """Nested lists of the shortest decimals that give the same float32 (or float64) again."""
    array = np.asarray(values)
    if array.ndim == 0:
        return float(str(array[()])) if array.dtype.kind == "f" else int(array)
    return [numbers(v) for v in array]


def write(folder: Path, name: str, origin: str, tolerance: float, body: dict) -> Path:
    """Writes folder/name: `origin` says how and in which layout, `tolerance` is absolute."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    text = _lines({"origin": origin, "tolerance": tolerance, **body}, 0)
    path.write_text(text + "\n")
    return path


def _lines(value, depth: int) -> str:
    """JSON with one line for every list of plain values: readable, and diffs stay small."""
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(k)}: {_lines(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"
    if isinstance(value, list) and any(isinstance(v, (list, dict)) for v in value):
        rows = [pad + _lines(v, depth + 1) for v in value]
        return "[\n" + ",\n".join(rows) + "\n" + " " * depth + "]"
    return json.dumps(value, ensure_ascii=False)
