"""Words for what the pixels show: the background's colour, and pictures without colour."""

from __future__ import annotations

import colorsys

import numpy as np


def ground(style: np.ndarray) -> str:
    """The background's colour in a 64x64 picture, from its two upper corners; "" when they differ."""
    side = style.shape[0]
    corner = side // 6
    left, right = (style[:corner * 2, at].reshape(-1, 3).astype(np.float32)
                   for at in (slice(0, corner), slice(side - corner, side)))
    both = np.concatenate([left, right])
    if np.abs(left.mean(0) - right.mean(0)).max() > 60:
        return ""
    if both.std(0).max() > 60:
        return "busy"
    return name(both.mean(0))


def name(rgb: np.ndarray) -> str:
    """The plain English name of a colour 0..255."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(float(v) / 255 for v in rgb))
    if value < 0.2:
        return "black"
    if saturation < 0.16:
        return "white" if value > 0.82 else "light gray" if value > 0.6 else "gray" if value > 0.36 else "dark"
    hue *= 360
    names = ((18, "red"), (45, "brown" if value < 0.65 else "orange"), (70, "yellow"), (165, "green"),
             (200, "teal"), (262, "blue"), (325, "purple"), (361, "red"))
    word = next(n for limit, n in names if hue < limit)
    return f"dark {word}" if value < 0.4 and word != "brown" else word


def grey(style: np.ndarray) -> bool:
    """Whether the picture has no colour."""
    sample = style[::3, ::3]
    spread = sample.max(2).astype(np.int16) - sample.min(2)
    return bool((spread >= 14).mean() < 0.02)
