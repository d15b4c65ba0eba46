"""Disturbances of training pictures, and the way from uint8 pictures to network input."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..device import CPU, upload


def to_tensor(pictures: np.ndarray, device: torch.device = CPU) -> Tensor:
    """uint8 [N,H,W,3] -> float32 [N,3,H,W] in [-1,1] on the device, channels last in memory."""
    x = upload(np.array(pictures), device).permute(0, 3, 1, 2)
    return x.float().div_(127.5).sub_(1.0).contiguous(memory_format=torch.channels_last)


def jitter(matrix: np.ndarray, size: int, rng: np.random.Generator,
           shift: float, scale: float, turn: float) -> np.ndarray:
    """matrix [2,3] followed by a random similarity about the centre of a size x size picture:
    up to shift pixels, a factor within 1 +- scale, turn degrees."""
    factor, angle = 1 + rng.uniform(-scale, scale), np.deg2rad(rng.uniform(-turn, turn))
    c, s, centre = factor * np.cos(angle), factor * np.sin(angle), size / 2
    linear = np.array([[c, -s], [s, c]])
    moved = linear @ (matrix[:, 2] - centre) + centre + rng.uniform(-shift, shift, 2)
    return np.concatenate([linear @ matrix[:, :2], moved[:, None]], 1)


def colour(picture: np.ndarray, rng: np.random.Generator, strength: float = 0.2) -> np.ndarray:
    """Random brightness, contrast and tint; one picture in ten turns grey."""
    if rng.random() < 0.1:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2).astype(np.uint8)
    gain = 1 + rng.uniform(-strength, strength) + rng.uniform(-0.3, 0.3, 3) * strength
    bias = rng.uniform(-strength, strength) * 100
    table = np.clip(np.arange(256)[:, None] * gain + bias, 0, 255).astype(np.uint8)
    return cv2.LUT(np.ascontiguousarray(picture), np.ascontiguousarray(table[:, None, :].reshape(1, 256, 3)))
