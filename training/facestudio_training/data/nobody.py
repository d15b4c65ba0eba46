"""Pictures without a person: drawn patterns and scenes, and crops of scikit-image's own pictures."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from skimage import data as stock

# scikit-image's pictures that show nobody and come inside its wheel.
STOCK = ("brick", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass", "gravel",
         "hubble_deep_field", "moon", "page", "rocket", "text")


def scene(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A picture uint8 [height,width,3] that shows nobody, of a random kind."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    return np.clip(np.rint(kind(height, width, rng)), 0, 255).astype(np.uint8)


def colours(count: int, rng: np.random.Generator) -> np.ndarray:
    """Random colours float32 [count,3], 0..255."""
    return rng.uniform(0, 255, (count, 3)).astype(np.float32)


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """y and x of every pixel, the shorter side spanning 0..1."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return y / min(height, width), x / min(height, width)


def clouds(height: int, width: int, rng: np.random.Generator, roughness: float = 0.55) -> np.ndarray:
    """Fractal noise float32 [height,width] in 0..1."""
    out, weight, cells = np.zeros((height, width), np.float32), 1.0, 2
    while cells < min(height, width):
        shape = (cells + 1, cells * width // height + 1)
        out += weight * cv2.resize(rng.random(shape, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        weight, cells = weight * roughness, cells * 2
    return (out - out.min()) / max(1e-6, float(np.ptp(out)))


def gradient(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """From one colour to another, along a line or outwards."""
    y, x = grid(height, width)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        at = x * np.cos(angle) + y * np.sin(angle)
    else:
        at = np.hypot(x - rng.uniform(0, x.max()), y - rng.uniform(0, y.max()))
    at = ((at - at.min()) / np.ptp(at))[..., None]
    a, b = colours(2, rng)
    return a + (b - a) * at + rng.normal(0, rng.uniform(0, 4), (height, width, 3))


def cloudy(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Fractal noise between two or three colours."""
    a, b, c = colours(3, rng)
    share, other = (clouds(height, width, rng, rng.uniform(0.4, 0.75))[..., None] for _ in range(2))
    return (a + (b - a) * share) * (1 - other) + c * other


def pattern(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Stripes, checks or dots at an angle."""
    y, x = grid(height, width)
    angle, rate = rng.uniform(0, np.pi), rng.uniform(3, 14)
    u = (x * np.cos(angle) + y * np.sin(angle)) * rate
    v = (y * np.cos(angle) - x * np.sin(angle)) * rate
    waves = (np.sin(2 * np.pi * u), np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v),
             0.4 - np.hypot(u % 1 - 0.5, v % 1 - 0.5))[int(rng.integers(3))]
    share = (1 / (1 + np.exp(-waves * rng.uniform(3, 30))))[..., None]
    a, b = colours(2, rng)
    return (a + (b - a) * share) * (1 - 0.3 * clouds(height, width, rng)[..., None] * rng.random())


def cells(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Patches of colour around random points, with or without joints."""
    y, x = grid(height, width)
    count = int(rng.integers(6, 40))
    at = rng.random((count, 2)).astype(np.float32) * (y.max(), x.max())
    away = np.sqrt((y[..., None] - at[:, 0]) ** 2 + (x[..., None] - at[:, 1]) ** 2)
    nearest = np.sort(away, 2)[..., :2]
    joint = np.clip((nearest[..., 1] - nearest[..., 0]) * 60, 0, 1)[..., None]
    out = colours(count, rng)[away.argmin(2)]
    return out * joint if rng.random() < 0.6 else out


def things(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Plain shapes before a gradient."""
    out = np.clip(gradient(height, width, rng), 0, 255).astype(np.uint8).copy()
    side = min(height, width)
    for colour in colours(int(rng.integers(2, 9)), rng):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        size = (int(rng.uniform(0.05, 0.35) * side), int(rng.uniform(0.05, 0.35) * side))
        ink = tuple(float(c) for c in colour)
        if rng.random() < 0.5:
            cv2.ellipse(out, centre, size, float(rng.uniform(0, 180)), 0, 360, ink, -1, cv2.LINE_AA)
        else:
            box = cv2.boxPoints((centre, size, float(rng.uniform(0, 90)))).astype(np.int32)
            cv2.fillPoly(out, [box], ink, cv2.LINE_AA)
    return out.astype(np.float32)


def landscape(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A sky with clouds over ridges that darken towards the viewer."""
    y, _ = grid(height, width)
    top = np.float32([rng.uniform(20, 120), rng.uniform(80, 180), rng.uniform(150, 255)])
    low = np.float32([rng.uniform(170, 255), rng.uniform(150, 235), rng.uniform(120, 230)])
    out = top + (low - top) * np.clip(y / y.max(), 0, 1)[..., None]
    out += (255 - out) * (np.clip(clouds(height, width, rng) - 0.5, 0, 1) * rng.uniform(0, 1.6))[..., None]
    ground = np.float32([rng.uniform(20, 140), rng.uniform(50, 150), rng.uniform(20, 110)])
    ridges = int(rng.integers(2, 5))
    for k in range(ridges):
        level = 0.4 + 0.5 * (k + rng.uniform(0, 0.6)) / ridges
        ridge = level + 0.4 * (clouds(height, width, rng, 0.5)[height // 2] - 0.5) * (1 - 0.5 * k / ridges)
        below = np.clip((y - ridge * y.max()) * 80, 0, 1)[..., None]
        shade = ground * (1 - 0.6 * k / ridges) * (0.8 + 0.4 * clouds(height, width, rng)[..., None])
        haze = 0.5 * (1 - k / ridges)
        out = out * (1 - below) + (shade * (1 - haze) + low * haze) * below
    return out


@cache
def stock_picture(name: str) -> np.ndarray:
    """One of STOCK as RGB uint8."""
    picture = np.asarray(getattr(stock, name)())
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, 2)
    if picture.dtype != np.uint8:
        picture = np.clip(picture * 255.0, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(picture[..., :3])


def photo(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A random crop of one of scikit-image's pictures, mirrored and tinted at random."""
    picture = stock_picture(STOCK[int(rng.integers(len(STOCK)))])
    most = min(picture.shape[0] / height, picture.shape[1] / width)
    scale = most * rng.uniform(0.35, 1.0)
    h, w = max(2, int(height * scale)), max(2, int(width * scale))
    top, left = int(rng.integers(picture.shape[0] - h + 1)), int(rng.integers(picture.shape[1] - w + 1))
    part = picture[top:top + h, left:left + w]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    part = cv2.resize(np.ascontiguousarray(part), (width, height),
                      interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)
    return part * rng.uniform(0.7, 1.2, 3) + rng.uniform(-20, 20)


KINDS = (gradient, cloudy, pattern, cells, things, landscape, photo, photo, photo)
