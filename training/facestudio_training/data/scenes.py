"""Training pictures beyond the portraits as they are: moved, stylised, without a person, in groups.

A kind is a canvas and a way to draw. Every draw depends on its generator alone, so that picture k
of a kind is the same whoever makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from . import augment, nobody, styles
from .composites import empty, moved
from .groups import group

PEOPLE = 3  # most people in one picture; masks and rows are padded to it
# Kind -> canvas (height, width) in portrait sides.
CANVAS = {"moved": (1, 1), "stylised": (1, 1), "nobody": (1, 1), "wide": (1, 2), "square": (2, 2)}


@dataclass
class Scene:
    """One training picture.

    picture uint8 [H,W,3]; masks float32 [N,H,W]; boxes [N,4] x, y, w, h, the faces to mask out
    of the style input; points [N,4,2], where the detector's four points of each face are; rows int64 [N],
    whose face embedding guides each mask, -1 for nobody's."""

    picture: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    points: np.ndarray
    rows: np.ndarray


@dataclass
class Source:
    """What scenes are drawn from: rows of pictures uint8 [N,S,S,3], face boxes [N,4] and points [N,4,2]; people,
    rows with a found face; masks, row -> person mask float32 [S,S], the rows groups are made of;
    palettes [P,K,3] uint8."""

    pixels: np.ndarray
    box: np.ndarray
    points: np.ndarray
    people: np.ndarray
    masks: dict[int, np.ndarray]
    palettes: np.ndarray

    @property
    def side(self) -> int:
        return self.pixels.shape[1]


def draw(kind: str, source: Source, rng: np.random.Generator) -> Scene:
    """A scene of a kind of CANVAS."""
    if kind not in CANVAS:
        raise ValueError(f"scenes: unknown kind {kind!r}; known: {', '.join(CANVAS)}")
    if kind == "nobody":
        picture = nobody.scene(source.side, source.side, rng)
        return Scene(picture, everywhere(picture), np.zeros((0, 4)), np.zeros((1, 4, 2)), np.array([-1]))
    if kind in ("wide", "square"):
        return people(source, [source.side * k for k in CANVAS[kind]], rng)
    row = int(rng.choice(source.people))
    picture = np.asarray(source.pixels[row])
    if kind == "moved":
        if len(source.masks) and rng.random() < 0.5:
            row = int(rng.choice(list(source.masks)))
            picture, matrix = farther(source, row, rng)
        else:
            picture, matrix = nearer(picture, source.box[row], rng)
        return alone(source, augment.colour(picture, rng, 0.12), row, matrix)
    matrix = np.eye(2, 3)
    if rng.random() < 0.5:
        picture, matrix = picture[:, ::-1], mirror(source.side)
    name = styles.KINDS[int(rng.integers(len(styles.KINDS)))]
    palette = source.palettes[int(rng.integers(len(source.palettes)))] if len(source.palettes) else None
    if name == "palette" and palette is None:
        name = "posterised"
    return alone(source, styles.stylise(np.ascontiguousarray(picture), name, rng, palette), row, matrix)


def alone(source: Source, picture: np.ndarray, row: int, matrix: np.ndarray) -> Scene:
    """A scene whose one guidance holds everywhere, as the mesh has it for one person; matrix [2,3] brought
    the portrait into the picture."""
    return Scene(picture, everywhere(picture), moved(source.box[row], matrix)[None],
                 carried(source.points[row], matrix)[None], np.array([row]))


def everywhere(picture: np.ndarray) -> np.ndarray:
    return np.ones((1, *picture.shape[:2]), np.float32)


def nearer(picture: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A window of the portrait, up to a third smaller, that keeps the face whole, mirrored half of the time; and the
    matrix [2,3] from the portrait's pixels to its."""
    size, first = picture.shape[0], np.eye(2, 3)
    if rng.random() < 0.5:
        picture, first = picture[:, ::-1], mirror(size)
        box = moved(box, first)
    window = size * rng.uniform(0.67, 1.0)
    low = np.clip(np.maximum(0, box[:2] + box[2:] - window), 0, size - window)
    high = np.clip(np.maximum(low, np.minimum(size - window, box[:2])), low, size - window)
    left, top = rng.uniform(low, high)
    factor = size / window
    matrix = np.array([[factor, 0, -factor * left], [0, factor, -factor * top]])
    out = cv2.warpAffine(np.ascontiguousarray(picture), matrix, (size, size), flags=cv2.INTER_CUBIC,
                         borderMode=cv2.BORDER_REPLICATE)
    return out, matrix @ np.vstack([first, [0, 0, 1]])


def farther(source: Source, row: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The person smaller and off centre, before a scene or another portrait's background; and the matrix [2,3]
    from the portrait's pixels to the picture's."""
    person = (np.asarray(source.pixels[row]), source.masks[row], source.box[row])
    made = group([person], behind(source, source.side, source.side, rng), rng, rng.uniform(0.5, 1.1))
    return made.picture, made.matrices[0]


def behind(source: Source, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A background [height,width,3]: half of the time an emptied portrait's."""
    if rng.random() < 0.5:
        at = int(rng.choice(list(source.masks)))
        return empty(np.asarray(source.pixels[at]), source.masks[at], height, width)
    return nobody.scene(height, width, rng)


def mirror(width: int) -> np.ndarray:
    """The matrix [2,3] from a picture's pixels to those of its mirror image."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0]])


def carried(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The detector's points [4,2] after matrix [2,3]; in a mirror image the left eye is the right one."""
    order = [1, 0, 2, 3] if np.linalg.det(matrix[:, :2]) < 0 else [0, 1, 2, 3]
    return (points @ matrix[:, :2].T + matrix[:, 2])[order]


def people(source: Source, canvas: list[int], rng: np.random.Generator) -> Scene:
    """One to three segmented people, mostly two, before an emptied portrait's background or a scene."""
    height, width = canvas
    rows = np.array(list(source.masks))
    count = min(len(rows), int(rng.choice((1, 2, 3), p=(0.15, 0.6, 0.25))))
    chosen = rng.choice(rows, count, replace=False)
    shown = [(np.asarray(source.pixels[i]), source.masks[int(i)], source.box[i]) for i in chosen]
    largest = rng.uniform(1.0, 1.25) if height == source.side else rng.uniform(1.0, 1.8)
    made = group(shown, behind(source, height, width, rng), rng, largest)
    points = np.stack([carried(source.points[i], m) for i, m in zip(chosen, made.matrices, strict=True)])
    return Scene(made.picture, made.masks, made.boxes, points, chosen.astype(np.int64))


def latent_masks(masks: np.ndarray, factor: int) -> np.ndarray:
    """masks [N,H,W] averaged over factor x factor cells, [N,h,w], as the mesh does it."""
    n, height, width = masks.shape
    return masks.reshape(n, height // factor, factor, width // factor, factor).mean((2, 4))


def share_background(masks: np.ndarray, owner: int) -> np.ndarray:
    """masks [N,h,w] with what they leave free given to one person, as RANDOM_IDENTITY does."""
    out = masks.copy()
    out[owner] += np.clip(1 - masks.sum(0), 0, 1)
    return out
