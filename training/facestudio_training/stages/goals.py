"""What e_f is to say of a face: who it is as the teacher tells, the skin's colours, and that somebody is there.

    goal = normalize([t, COLOUR s, HERE]) P

with t the teacher's unit embedding [T], s the skin's mean colour (CIE Lab, each in deviations from the mean of the
training pictures), and P [T+4,F] orthonormal rows, always the same ones. A cosine of two goals is then nearly the
teacher's own: what a recogniser tells apart lies as far apart here. The teacher tells nothing of the skin's tone, without which
dark people come out pale; more of the colours than this would make people of one tone alike.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data import pictures, skin

COLOUR, HERE = 0.12, 0.3
MOST = 3.0  # deviations of a colour that count
RIDGE = 1e-3  # of translation, as a share of the mean square of what is mapped


class Goals:
    """Calls goals(told, colours) -> [B,F] of what the teacher says of crops [B,T] that have these colours [B,3] of
    `colours`."""

    def __init__(self, teacher: int, embed: int, device: torch.device) -> None:
        place = np.linalg.qr(np.random.default_rng(0).normal(size=(embed, teacher + 4)))[0].T
        self.place = torch.from_numpy(place.astype(np.float32)).to(device)

    def __call__(self, told: Tensor, colours: Tensor) -> Tensor:
        x = torch.cat([told, COLOUR * colours, told.new_full((len(told), 1), HERE)], 1)
        return F.normalize(x, dim=1) @ self.place


def colours(data: pictures.Pictures, rows: np.ndarray) -> np.ndarray:
    """The mean colour [R,3] of the skin of each face: CIE Lab, in deviations from the mean of these faces."""
    seen = np.stack([cv2.cvtColor(skin.of(np.asarray(data.faces[i])), cv2.COLOR_RGB2LAB).reshape(-1, 3).mean(0) for i in rows])
    return np.clip((seen - seen.mean(0)) / (seen.std(0) + 1e-6), -MOST, MOST).astype(np.float32)


def translation(spoken: np.ndarray, meant: np.ndarray) -> np.ndarray:
    """A [F,F] with meant about spoken A: embeddings [N,F] of one encoder as another would say them. Without a constant,
    so that zero, nobody, stays zero."""
    x, y = spoken.astype(np.float64), meant.astype(np.float64)
    return np.linalg.solve(x.T @ x + RIDGE * len(x) / x.shape[1] * np.eye(x.shape[1]), x.T @ y)
