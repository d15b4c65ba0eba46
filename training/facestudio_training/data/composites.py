"""Scenes of several people with exact masks, pasted together from segmented portraits."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from . import augment

Person = tuple[np.ndarray, np.ndarray, np.ndarray]  # picture [S,S,3] uint8, mask [S,S], face box x y w h


@dataclass
class Scene:
    """picture uint8 [H,W,3]; mask float32 [H,W], what is seen of the asked person; box x, y, w, h."""

    picture: np.ndarray
    mask: np.ndarray
    box: np.ndarray

    def cue(self) -> np.ndarray:
        """The plane [H,W] that is 1 inside the face box."""
        plane = np.zeros(self.mask.shape, np.float32)
        x0, y0 = np.rint(self.box[:2]).astype(int)
        x1, y1 = np.rint(self.box[:2] + self.box[2:]).astype(int)
        plane[max(0, y0):max(0, y1), max(0, x0):max(0, x1)] = 1
        return plane


def portrait(picture: np.ndarray, mask: np.ndarray, box: np.ndarray, rng: np.random.Generator | None) -> Scene:
    """A portrait as it is; with rng it is shifted, scaled, mirrored and recoloured a little."""
    if rng is None:
        return Scene(picture, mask, box)
    size = picture.shape[0]
    matrix = augment.jitter(np.eye(2, 3), size, rng, shift=size / 10, scale=0.15, turn=6)
    out = Scene(cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE),
                cv2.warpAffine(mask, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE), moved(box, matrix))
    if rng.random() < 0.5:
        out = Scene(out.picture[:, ::-1], np.ascontiguousarray(out.mask[:, ::-1]),
                    np.array([size - out.box[0] - out.box[2], *out.box[1:]]))
    return Scene(augment.colour(out.picture, rng), out.mask, wobble(out.box, rng))


def compose(people: list[Person], height: int, width: int, rng: np.random.Generator) -> Scene:
    """The first person's background with the others pasted over it, the last in front; one of them
    is asked for. A portrait ends at its frame, so people stand with its lower edge at the canvas's."""
    canvas = empty(*people[0][:2], height, width)
    canvas = augment.colour(canvas, rng).astype(np.float32)
    others = people[1:]
    places = rng.permutation(len(others))
    masks, boxes = [], []
    for place, (picture, mask, box) in zip(places, others, strict=True):
        size = picture.shape[0]
        scale = rng.uniform(0.5, 1.05) if len(others) > 1 or width > height else rng.uniform(0.6, 1.2)
        centre = width * (place + 0.5) / len(others) + rng.normal(0, 0.08) * height
        left, top = centre - scale * size / 2, height - scale * size + rng.uniform(0, 0.15) * height * scale
        flip = -1.0 if rng.random() < 0.5 else 1.0
        matrix = np.array([[flip * scale, 0, left + (scale * size if flip < 0 else 0)], [0, scale, top]])
        alpha = cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_LINEAR)
        pasted = cv2.warpAffine(augment.colour(picture, rng, 0.12), matrix, (width, height), flags=cv2.INTER_LINEAR)
        masks = paste(canvas, masks, pasted, alpha)
        boxes.append(moved(box, matrix))
    visible = [k for k, m in enumerate(masks) if shown(m, boxes[k]) > 0.4] or [len(masks) - 1]
    asked = int(rng.choice(visible))
    return Scene(canvas.clip(0, 255).astype(np.uint8), masks[asked], wobble(boxes[asked], rng))


def paste(canvas: np.ndarray, masks: list[np.ndarray], picture: np.ndarray, alpha: np.ndarray) -> list[np.ndarray]:
    """Puts picture [H,W,3] over canvas, in place, where alpha [H,W] says; returns what is seen of
    everybody, the new person last."""
    canvas += alpha[..., None] * (picture - canvas)
    return [m * (1 - alpha) for m in masks] + [alpha]


def empty(picture: np.ndarray, mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture's background alone, spread over the place of its person, [H,W,3]."""
    size = 32
    weight = 1 - cv2.dilate(cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA), np.ones((3, 3)))
    colour = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) * weight[..., None]
    wide = cv2.GaussianBlur(weight, (0, 0), 6) + 1e-3
    far = cv2.GaussianBlur(colour, (0, 0), 6) / wide[..., None]
    filled = cv2.resize(far, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(mask, (0, 0), 3)
    soft = np.clip(2 * np.maximum(soft, mask), 0, 1)[..., None]
    scene = picture * (1 - soft) + filled * soft
    return cv2.resize(scene.clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)


def moved(box: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The upright box x, y, w, h around a box taken along by matrix [2,3]."""
    x, y, w, h = (float(v) for v in box)
    corners = np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h]]) @ matrix[:, :2].T + matrix[:, 2]
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    centre, size = corners.mean(0), np.array([w, h]) * scale
    return np.concatenate([centre - size / 2, size])


def wobble(box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The box as another detector might have drawn it."""
    scale = 1 + rng.uniform(-0.12, 0.12)
    centre = box[:2] + box[2:] / 2 + rng.normal(0, 0.03, 2) * box[2:]
    return np.concatenate([centre - box[2:] * scale / 2, box[2:] * scale])


def shown(mask: np.ndarray, box: np.ndarray) -> float:
    """The mean of the mask inside the box: whether the face is still seen."""
    x0, y0 = np.maximum(0, np.rint(box[:2]).astype(int))
    x1, y1 = np.rint(box[:2] + box[2:]).astype(int)
    part = mask[y0:y1, x0:x1]
    return float(part.mean()) if part.size else 0.0
