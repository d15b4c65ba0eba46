"""The style-face mask: greys out faces so that the style embedding carries no identity."""

from __future__ import annotations

import math

import cv2
import numpy as np


def enlarged(box: np.ndarray, scale: float, width: int, height: int) -> tuple[int, int, int, int]:
    """box x, y, w, h times scale about its centre -> x0, y0, x1, y1 in whole pixels inside the picture."""
    x, y, w, h = (float(v) for v in box)
    cx, cy = x + w / 2, y + h / 2
    x0, y0 = math.floor(cx - scale * w / 2), math.floor(cy - scale * h / 2)
    x1, y1 = math.ceil(cx + scale * w / 2), math.ceil(cy + scale * h / 2)
    return max(0, x0), max(0, y0), min(width, x1), min(height, y1)


def grey_out(picture: np.ndarray, boxes, scale: float, fill: int) -> np.ndarray:
    """A copy of picture [H, W, 3] with every enlarged box filled."""
    out = picture.copy()
    for box in boxes:
        x0, y0, x1, y1 = enlarged(box, scale, picture.shape[1], picture.shape[0])
        out[y0:y1, x0:x1] = fill
    return out


def style_input(picture: np.ndarray, boxes, scale: float, fill: int, size: int) -> np.ndarray:
    """What the vision encoders see [size, size, 3]: masked at full size, then area-averaged."""
    return cv2.resize(grey_out(picture, boxes, scale, fill), (size, size), interpolation=cv2.INTER_AREA)
