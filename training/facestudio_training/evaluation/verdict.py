"""The mesh's verdict on a face (gateway/internal/verdict), as far as the tables need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALIKE = 0.9  # cosine of two people from which on a face cannot tell them apart
# Of a bundle whose manifest tells nothing: those of facestudio-128 0.3.0.
STRANGERS, SHARE = {"mean": 0.029, "deviation": 0.088}, 0.4


@dataclass
class Levels:
    """stranger: the similarity that a face must have to be like a person; blend: how strong the second
    person of a face must be against the first for a blend."""

    stranger: float
    blend: float

    def is_blend(self, face: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
        """Whether a face is close to both of two people, all embeddings of unit length."""
        return self.strength(face, a, b) >= self.blend

    def strength(self, face: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
        """The weaker of two people's shares in a face over the stronger, 0 when it is no more than strangers have."""
        both = shares(face, a, b)
        return min(both) / max(both) if both and min(both) >= self.stranger else 0.0


def levels(manifest: dict) -> Levels:
    told = manifest["face_encoder"].get("similarity") or {"strangers": STRANGERS, "blend_share": SHARE}
    return Levels(told["strangers"]["mean"] + told["strangers"]["deviation"], told["blend_share"])


def shares(face: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float] | None:
    """x and y for which x a + y b is nearest to the face; None for people who are too alike."""
    r, p, q = float(a @ b), float(face @ a), float(face @ b)
    if abs(r) > ALIKE:
        return None
    return (p - r * q) / (1 - r * r), (q - r * p) / (1 - r * r)
