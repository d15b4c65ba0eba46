"""Two people in one picture: does each get their own face, and not the neighbour's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data import nobody
from ..data.groups import group
from . import measures
from .bench import NAMES, Bench
from .mesh import Order
from .table import Table, percent, span

CANVAS = (128, 256)  # height, width


@dataclass
class Pair:
    """people: subjects left and right; picture: two others side by side; boxes and masks of its faces."""

    people: tuple[int, int]
    given: tuple[int, int]
    boxes: list[np.ndarray]
    masks: np.ndarray
    image: np.ndarray
    seed: int


def two(bench: Bench, count: int) -> list[Table]:
    """Masked attention beside plain attention over both people's tokens (the paper's figure 8)."""
    pairs = [p for k in range(count) if (p := draw(bench, k))]
    rows = []
    for name, masked in (("masked by person", True), ("plain: both everywhere", False)):
        rows.append([name, str(len(pairs)), *compare(bench, pairs, masked)])
    return [Table("Two people, 256x128", ["attention", "pictures", "both faces found", "to the own person",
                                          "to the neighbour", "own nearer than the neighbour",
                                          f"own first of {bench.gallery.people}"], rows,
                  "The style picture is composed of two other development people before a drawn background, and segmented "
                  "by the bundle; what is nobody's follows one of the two. Plain attention gives each of the two half "
                  "of every place. Similarities are to photos not given. Faces that were not found count as misses.")]


def draw(bench: Bench, k: int) -> Pair | None:
    """Pair k, or None where the detector does not find the composed faces."""
    g, rng = bench.gallery, np.random.default_rng([8, k])
    if g.people < 4:
        raise SystemExit("eval: the table of two people needs at least four development people")
    people = rng.choice(g.people, 4, replace=False)
    given = [int(rng.choice(g.photos(p))) for p in people]
    shown = []
    for i in given[2:]:
        picture, box = np.asarray(g.data.pixels[g.rows[i]]), g.data.box[g.rows[i]]
        shown.append((picture, np.clip(1.4 * bench.mesh.person_masks(picture, [box])[0] - 0.2, 0, 1), box))
    made = group(shown, nobody.scene(*CANVAS, rng), rng)
    found = sorted(bench.mesh.faces(made.picture)[:2], key=lambda f: f.box[0])
    if len(found) < 2:
        return None
    boxes = [f.box for f in found]
    return Pair((int(people[0]), int(people[1])), (given[0], given[1]), boxes, bench.mesh.person_masks(made.picture, boxes),
                bench.mesh.style(made.picture, boxes=boxes).embed, k)


def compare(bench: Bench, pairs: list[Pair], masked: bool) -> list[str]:
    """The cells of one kind of attention."""
    g, name = bench.gallery, NAMES[0]
    orders = [Order(np.stack([bench.subject([i]) for i in p.given]), p.image, p.seed, size=CANVAS,
                    masks=p.masks if masked else np.full((2, *CANVAS), 0.5, np.float32)) for p in pairs]
    found, own, neighbour, nearer, first, people = [], [], [], [], [], []
    for pair, picture in zip(pairs, bench.mesh.paint(orders), strict=True):
        faces = assigned(bench.mesh.faces(picture), pair.boxes)
        found.append(all(f is not None for f in faces))
        for n, face in enumerate(faces):
            people.append(pair.people[n])
            if face is None:
                for values in (own, neighbour):
                    values.append(np.nan)
                nearer.append(False)
                first.append(False)
                continue
            e = bench.embed(picture, face.points)[name]
            others = [[i for i in g.photos(p) if i not in pair.given] for p in pair.people]
            own.append(g.to(name, e, others[n]))
            neighbour.append(g.to(name, e, others[1 - n]))
            nearer.append(own[-1] > neighbour[-1])
            first.append(g.rank(name, e, pair.people[n], pair.given) == 0)
    people = np.array(people)
    return [percent(measures.rate(np.array(found))), span(measures.interval(np.array(own), people)),
            span(measures.interval(np.array(neighbour), people)), percent(measures.rate(np.array(nearer))),
            percent(measures.rate(np.array(first)))]


def assigned(faces, boxes: list[np.ndarray]) -> list:
    """For each box the face whose middle lies in it or nearest to it, None when that is a box away; no
    face twice."""
    out, left = [], list(faces)
    for box in boxes:
        middle, size = box[:2] + box[2:] / 2, float(max(box[2:]))
        best = min(left, key=lambda f: np.linalg.norm(f.box[:2] + f.box[2:] / 2 - middle), default=None)
        if best is None or np.linalg.norm(best.box[:2] + best.box[2:] / 2 - middle) > size:
            out.append(None)
            continue
        left = [f for f in left if f is not best]
        out.append(best)
    return out
