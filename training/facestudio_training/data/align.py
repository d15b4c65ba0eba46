"""Similarity transforms from the detector's four points: face crops and picture framing."""

from __future__ import annotations

import cv2
import numpy as np

# right_eye, left_eye, nose, mouth centre. The eyes are the person's, so the right one is left.
ARCFACE_112 = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [56.1396, 92.2848]])
FFHQ_128 = np.array([[47.0, 59.0], [80.0, 59.0], [63.5, 78.0], [63.5, 94.0]])


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation, scale and shift [2, 3] that take source [P, 2] nearest to target, no reflection.

    Least squares in closed form. With the means taken off, and for p = (x, y), q = (u, v):
    a = sum(xu + yv) / sum(xx + yy), b = sum(xv - yu) / sum(xx + yy), and the matrix is
    [[a, -b], [b, a]].
    """
    ms, mt = source.mean(0), target.mean(0)
    p, q = source - ms, target - mt
    norm = (p * p).sum()
    if norm < 1e-6:
        raise ValueError("similarity: the source points coincide")
    a = (p * q).sum() / norm
    b = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / norm
    linear = np.array([[a, -b], [b, a]])
    return np.concatenate([linear, (mt - linear @ ms)[:, None]], 1)


def face(picture: np.ndarray, points: np.ndarray, size: int = 112) -> np.ndarray:
    """The aligned face [size, size, 3] for the face encoder; black outside the picture."""
    matrix = similarity(points, ARCFACE_112 * (size / 112))
    return cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))


def frame(picture: np.ndarray, points: np.ndarray, size: int = 128) -> np.ndarray:
    """The picture [size, size, 3] framed as the training pictures are; edges repeated outside."""
    matrix = similarity(points, FFHQ_128 * (size / 128))
    return cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
