"""Groups: one to three people side by side on a canvas of any shape, with everybody's mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from . import augment
from .composites import Person, moved, paste, shown

TRIES = 6
SEEN = 0.75  # least mean of a person's mask inside the face box
FADE = 0.06  # of a portrait's side: where its cut shoulders and hair fade out


@dataclass
class Group:
    """picture uint8 [H,W,3]; masks float32 [N,H,W], what is seen of each person, their sum at
    most 1; boxes float64 [N,4], face boxes x, y, w, h; matrices float64 [N,2,3], from each portrait's
    pixels to the picture's. Person n is the n-th that was given."""

    picture: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    matrices: np.ndarray


def group(people: list[Person], background: np.ndarray, rng: np.random.Generator, largest: float = 1.25) -> Group:
    """The people before a background [H,W,3], in the given order from left to right, every face in view.
    largest is how much a portrait may be enlarged.

    Portraits end at their frames, so they stand on the lower edge and fade out at their
    sides. Places are drawn anew, at most TRIES times, while a face is covered."""
    best, most = None, -1.0
    for _ in range(TRIES):
        made = arrange(people, background, rng, largest)
        least = min(shown(m, b) for m, b in zip(made.masks, made.boxes, strict=True))
        if least > most:
            best, most = made, least
        if least >= SEEN:
            break
    return best


def arrange(people: list[Person], background: np.ndarray, rng: np.random.Generator, largest: float) -> Group:
    """One draw of places, sizes, sides, colours and depths."""
    height, width = background.shape[:2]
    canvas, masks = background.astype(np.float32), []
    depth = rng.permutation(len(people))
    boxes, matrices = np.zeros((len(people), 4)), np.zeros((len(people), 2, 3))
    common = min(largest, width / (0.78 * people[0][0].shape[0] * len(people))) * rng.uniform(0.85, 1.0)
    for place in depth:
        picture, mask, box = people[place]
        size = picture.shape[0]
        scale = common * rng.uniform(0.85, 1.1)
        room = width / len(people)
        centre = room * (place + 0.5) + np.clip(rng.normal(0, 0.06), -0.2, 0.2) * room
        left, top = centre - scale * size / 2, height - scale * size + rng.uniform(0, 0.12) * scale * size
        flip = -1.0 if rng.random() < 0.5 else 1.0
        matrix = np.array([[flip * scale, 0, left + (scale * size if flip < 0 else 0)], [0, scale, top]])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        alpha = np.clip(cv2.warpAffine(mask * fade(size), matrix, (width, height), flags=cv2.INTER_LINEAR), 0, 1)
        placed = cv2.warpAffine(augment.colour(picture, rng, 0.08), matrix, (width, height), flags=how)
        masks = paste(canvas, masks, placed.astype(np.float32), alpha)
        boxes[place], matrices[place] = moved(box, matrix), matrix
    ordered = np.empty((len(people), height, width), np.float32)
    ordered[depth] = np.stack(masks)
    return Group(np.clip(np.rint(canvas), 0, 255).astype(np.uint8), ordered, boxes, matrices)


def fade(size: int) -> np.ndarray:
    """1 inside a portrait [size,size], falling to 0 at its left, right and upper edge."""
    near = np.clip((np.arange(size) + 0.5) / (FADE * size), 0, 1).astype(np.float32)
    return np.minimum(near, near[::-1])[None, :] * near[:, None]
