"""Where an aligned face is mostly skin."""

from __future__ import annotations

import numpy as np

BOX = (30, 40, 82, 100)  # left, top, right and bottom, pixels of a face of 112


def of(face):
    """The part of a face uint8 [112,112,3], or of faces as tensors [B,C,112,112]."""
    left, top, right, bottom = BOX
    return face[top:bottom, left:right] if isinstance(face, np.ndarray) else face[:, :, top:bottom, left:right]
