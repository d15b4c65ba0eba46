"""Arithmetic of the tables: intervals, kernel distance, and what changed outside the face."""

from __future__ import annotations

import math

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.kid import poly_mmd

RESAMPLES = 2000


def interval(values: np.ndarray, groups: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval, resampling whole groups (people), whose results belong
    together. NaN values are left out; NaN three times if none are left."""
    keep = ~np.isnan(values)
    values, groups = values[keep], groups[keep]
    if not len(values):
        return math.nan, math.nan, math.nan
    names, inverse = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(inverse, values), np.bincount(inverse)
    drawn = np.random.default_rng(seed).integers(0, len(names), (RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def rate(hits: np.ndarray) -> tuple[float, float, float]:
    """A share of hits and Wilson's 95 % interval, which holds near 0 and 1 as well."""
    n, z = len(hits), 1.959964
    if not n:
        return math.nan, math.nan, math.nan
    p = float(np.mean(hits))
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return p, max(0.0, middle - half), min(1.0, middle + half)


def kernel_distance(real: np.ndarray, made: np.ndarray, subsets: int = 100, size: int = 200, seed: int = 0) -> tuple[float, float, float]:
    """KID of two sets of features [N,D], times 1,000: torchmetrics' polynomial MMD over random
    subsets, mean and the 2.5 and 97.5 % quantiles of the subsets."""
    size = min(size, len(real), len(made))
    if size < 2:
        return math.nan, math.nan, math.nan
    rng, out = np.random.default_rng(seed), []
    for _ in range(subsets):
        a, b = (torch.from_numpy(x[rng.choice(len(x), size, replace=False)]).double() for x in (real, made))
        out.append(1000 * float(poly_mmd(a, b)))
    return float(np.mean(out)), float(np.quantile(out, 0.025)), float(np.quantile(out, 0.975))


def outside_similarity(style: np.ndarray, made: np.ndarray, boxes: list[np.ndarray], scale: float = 1.1) -> float:
    """SSIM of two pictures uint8 [H,W,3] where neither face box, enlarged by scale, is."""
    a, b = (torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 255 for p in (style, made))
    _, full = structural_similarity_index_measure(a, b, data_range=1.0, return_full_image=True)
    away = np.ones(style.shape[:2], bool)
    for x, y, w, h in boxes:
        cx, cy, w, h = x + w / 2, y + h / 2, scale * w, scale * h
        away[max(0, int(cy - h / 2)):max(0, int(cy + h / 2) + 1), max(0, int(cx - w / 2)):max(0, int(cx + w / 2) + 1)] = False
    return float(full[0].mean(0).numpy()[away].mean()) if away.any() else math.nan


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Of two uint8 pictures, dB of 255."""
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return 10 * math.log10(255**2 / max(error, 1e-9))


def landmark_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of two faces' points [P,2] in eye distances of the first, position and size of
    the faces taken off: what is left is pose and expression."""
    def settled(points: np.ndarray) -> np.ndarray:
        return (points - points.mean(0)) / max(1e-6, float(np.linalg.norm(points[1] - points[0])))

    return float(np.linalg.norm(settled(a) - settled(b), axis=1).mean())
