"""Stylised copies of portraits: the same person drawn, painted or printed.

Every function takes and returns an RGB picture uint8 [H,W,3]; strokes are sized for
128 pixels and grow with the picture. Randomness comes from the generator alone.
"""

from __future__ import annotations

import cv2
import numpy as np

KINDS = ("cartoon", "posterised", "pencil", "oil", "watercolour", "monochrome", "line", "halftone", "palette")


def stylise(picture: np.ndarray, kind: str, rng: np.random.Generator, palette: np.ndarray | None = None) -> np.ndarray:
    """The picture in one of KINDS. palette uint8 [K,3] is needed by "palette" alone.

    Raises ValueError for a kind that does not exist."""
    if kind == "palette":
        if palette is None:
            raise ValueError("stylise: the kind 'palette' needs a palette")
        return recoloured(picture, palette, rng)
    draw = {"cartoon": cartoon, "posterised": posterised, "pencil": pencil, "oil": oil, "watercolour": watercolour,
            "monochrome": monochrome, "line": line, "halftone": halftone}.get(kind)
    if draw is None:
        raise ValueError(f"stylise: unknown kind {kind!r}; known: {', '.join(KINDS)}")
    return draw(picture, rng)


def cartoon(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flat areas of few tones with dark outlines."""
    flat = cv2.pyrMeanShiftFiltering(cv2.bilateralFilter(picture, 7, 40, 5), 4 * stroke(picture), rng.uniform(14, 26))
    grey = cv2.medianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 3)
    block = 2 * round(3.5 * stroke(picture)) + 1
    edges = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, block, rng.uniform(5, 9))
    ink = cv2.GaussianBlur(edges, (0, 0), 0.5 * stroke(picture)).astype(np.float32)[..., None] / 255
    bright = saturated(flat, rng.uniform(1.1, 1.6)).astype(np.float32)
    return whole(bright * (0.15 + 0.85 * ink))


def posterised(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Four to seven levels a channel."""
    step = 255 / (int(rng.integers(4, 8)) - 1)
    smooth = cv2.bilateralFilter(picture, 5, 40, 3).astype(np.float32)
    return whole(np.rint(smooth / step) * step)


def pencil(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A pencil drawing, grey or coloured: OpenCV's sketch, lightened by a dodge of the same picture."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    soft = cv2.GaussianBlur(255 - grey, (0, 0), rng.uniform(2.5, 6) * stroke(picture))
    dodged = cv2.divide(grey, 255 - soft, scale=rng.uniform(235, 256)).astype(np.float32)[..., None]
    sketch, colour = cv2.pencilSketch(picture, sigma_s=rng.uniform(8, 20), sigma_r=rng.uniform(0.04, 0.1),
                                      shade_factor=rng.uniform(0.05, 0.09))
    hatched = (colour if rng.random() < 0.4 else np.repeat(sketch[..., None], 3, 2)).astype(np.float32)
    share = rng.uniform(0.15, 0.5)
    return whole(dodged * (1 - share) + hatched * share)


def oil(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Kuwahara's filter: each pixel takes the mean of the calmest of the four squares around it.

    OpenCV's own oil painting is in its contributed modules, which the wheel lacks."""
    r = max(1, round(rng.uniform(1.6, 3.4) * stroke(picture)))
    x = picture.astype(np.float32)
    size, border = (r + 1, r + 1), cv2.BORDER_REPLICATE
    means, spreads = [], []
    for anchor in ((0, 0), (r, 0), (0, r), (r, r)):
        mean = cv2.boxFilter(x, -1, size, anchor=anchor, borderType=border)
        square = cv2.boxFilter(x * x, -1, size, anchor=anchor, borderType=border)
        means.append(mean)
        spreads.append((square - mean * mean).sum(2))
    calmest = np.argmin(np.stack(spreads), 0)
    painted = np.take_along_axis(np.stack(means), calmest[None, ..., None], 0)[0]
    return saturated(whole(painted), rng.uniform(1.0, 1.4))


def watercolour(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Washes of OpenCV's edge-preserving filter, part of its stylisation's outlines, on grained paper."""
    wash = cv2.edgePreservingFilter(picture, sigma_s=rng.uniform(15, 50), sigma_r=rng.uniform(0.3, 0.6))
    inked = cv2.stylization(picture, sigma_s=rng.uniform(8, 25), sigma_r=rng.uniform(0.2, 0.45))
    share = rng.uniform(0, 0.4)
    made = wash.astype(np.float32) * (1 - share) + inked.astype(np.float32) * share
    grain = cv2.GaussianBlur(rng.normal(0, 1, picture.shape[:2]).astype(np.float32), (0, 0), stroke(picture))
    return whole(255 - (255 - made) * (rng.uniform(0.7, 1.0) + 0.1 * grain[..., None]))


def monochrome(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shades of one colour, from a dark tone to a light one; half of them plain grey."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None] / 255
    grey = np.clip((grey - 0.5) * rng.uniform(0.9, 1.4) + 0.5, 0, 1)
    if rng.random() < 0.5:
        return whole(255 * np.repeat(grey, 3, 2))
    dark, light = rng.uniform(0, 70, 3), rng.uniform(185, 255, 3)
    return whole(dark + (light - dark) * grey)


def line(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ink lines on paper: a sharpened difference of Gaussians, softly thresholded."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    fine = rng.uniform(0.6, 1.0) * stroke(picture)
    near, far = cv2.GaussianBlur(grey, (0, 0), fine), cv2.GaussianBlur(grey, (0, 0), 1.6 * fine)
    edge = near + rng.uniform(12, 22) * (near - far)
    ink = np.where(edge > 0.55, 1.0, 1 + np.tanh(rng.uniform(3, 8) * (edge - 0.55)))[..., None]
    paper, pen = rng.uniform(225, 255, 3), rng.uniform(0, 60, 3)
    return whole(pen + (paper - pen) * ink)


def halftone(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dots on a turned grid whose size follows the tone, in black or in three inks."""
    height, width = picture.shape[:2]
    period = rng.uniform(3.0, 4.5) * stroke(picture)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    tone = picture.astype(np.float32) / 255
    if rng.random() < 0.5:
        tone = tone.mean(2, keepdims=True)
    out = np.empty_like(tone)
    for c in range(tone.shape[2]):
        angle = np.deg2rad((45, 75, 15)[c]) + rng.uniform(-0.05, 0.05)
        u = (x * np.cos(angle) + y * np.sin(angle)) * np.pi / period
        v = (y * np.cos(angle) - x * np.sin(angle)) * np.pi / period
        screen = 0.5 + 0.25 * (np.cos(2 * u) + np.cos(2 * v))
        out[..., c] = 1 / (1 + np.exp(-9 * (tone[..., c] - screen)))
    return whole(255 * np.repeat(out, 3 // out.shape[2], 2))


def recoloured(picture: np.ndarray, palette: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture's tones in the colours of a palette [K,3]: its lightness spread over theirs."""
    grey = cv2.cvtColor(cv2.bilateralFilter(picture, 5, 40, 3), cv2.COLOR_RGB2GRAY)
    shades = palette[np.argsort(palette.astype(np.float32) @ (0.299, 0.587, 0.114))].astype(np.float32)
    at = grey.astype(np.float32) / 255 * (len(shades) - 1)
    low = np.floor(at).astype(int)
    # Steep between two colours, so that areas stay flat.
    share = np.clip((at - low - 0.5) * rng.uniform(1.0, 5.0) + 0.5, 0, 1)[..., None]
    mapped = shades[low] + share * (shades[np.minimum(low + 1, len(shades) - 1)] - shades[low])
    kept = rng.uniform(0, 0.35)
    return whole(mapped * (1 - kept) + picture * kept)


def palette_of(picture: np.ndarray, count: int = 6) -> np.ndarray:
    """The picture's main colours uint8 [count,3], by k-means on a fixed start."""
    small = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float32)
    order = np.argsort(small @ (0.299, 0.587, 0.114), kind="stable")
    labels = np.empty(len(small), np.int32)
    labels[order] = np.arange(len(small)) * count // len(small)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0)
    return whole(cv2.kmeans(small, count, labels[:, None], stop, 1, cv2.KMEANS_USE_INITIAL_LABELS)[2])


def stroke(picture: np.ndarray) -> float:
    """The picture's shorter side over 128."""
    return min(picture.shape[:2]) / 128


def saturated(picture: np.ndarray, factor: float) -> np.ndarray:
    """Colours moved away from grey by the factor."""
    x = picture.astype(np.float32)
    grey = x @ np.float32([0.299, 0.587, 0.114])
    return whole(grey[..., None] + factor * (x - grey[..., None]))


def whole(values: np.ndarray) -> np.ndarray:
    """Rounded and clipped to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
