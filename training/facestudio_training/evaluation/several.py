"""Several people in one picture: does each get their own face, and is a blend told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data import nobody
from ..data.groups import group
from . import measures
from .bench import NAMES, Bench, Trial
from .mesh import Order
from .table import Table, percent, span
from .verdict import levels

CANVAS = (128, 256)  # height, width
EVALUATOR, OWN = NAMES


@dataclass
class Scene:
    """people: subjects from the left, and the photo given of each; boxes and masks of the faces of a style
    picture of as many others; image: e_h of it."""

    people: tuple[int, ...]
    given: tuple[int, ...]
    boxes: list[np.ndarray]
    masks: np.ndarray
    image: np.ndarray
    seed: int


@dataclass
class Seen:
    """One subject's face in a result: vectors is empty where there is none."""

    person: int
    vectors: dict[str, np.ndarray]


def compose(bench: Bench, k: int, count: int) -> tuple[tuple[int, ...], tuple[int, ...], np.ndarray]:
    """The subjects of scene k of count people, the photo given of each, and the style picture of as many others."""
    g, rng = bench.gallery, np.random.default_rng([8, k] if count == 2 else [8, k, count])
    if g.people < 2 * count:
        raise SystemExit(f"eval: pictures of {count} people need at least {2 * count} development people")
    people = rng.choice(g.people, 2 * count, replace=False)
    given = [int(rng.choice(g.photos(p))) for p in people]
    shown = []
    for i in given[count:]:
        picture, box = np.asarray(g.data.pixels[g.rows[i]]), g.data.box[g.rows[i]]
        shown.append((picture, np.clip(1.4 * bench.mesh.person_masks(picture, [box])[0] - 0.2, 0, 1), box))
    return tuple(int(p) for p in people[:count]), tuple(given[:count]), group(shown, nobody.scene(*CANVAS, rng), rng).picture


def draw(bench: Bench, k: int, count: int) -> Scene | None:
    """Scene k of count people, or None where the detector does not find the composed faces."""
    people, given, picture = compose(bench, k, count)
    found = sorted(bench.mesh.faces(picture)[:count], key=lambda f: f.box[0])
    if len(found) < count:
        return None
    boxes = [f.box for f in found]
    return Scene(people, given, boxes, bench.mesh.person_masks(picture, boxes), bench.mesh.style(picture, boxes=boxes).embed, k)


def scenes(bench: Bench, pictures: int, people: int) -> list[Scene]:
    return [s for k in range(pictures) if (s := draw(bench, k, people))]


def order(bench: Bench, scene: Scene, masked: bool = True) -> Order:
    """The scene's picture, by masked attention or with everybody everywhere in equal parts."""
    count = len(scene.people)
    return Order(np.stack([bench.subject([i]) for i in scene.given]), scene.image, scene.seed, size=CANVAS,
                 masks=scene.masks if masked else np.full((count, *CANVAS), 1 / count, np.float32))


def look(bench: Bench, scene: Scene, picture: np.ndarray) -> list[Seen]:
    """The subjects' faces in a result, by where they were put."""
    faces = assigned(bench.mesh.faces(picture), scene.boxes)
    return [Seen(p, bench.embed(picture, f.points) if f else {}) for p, f in zip(scene.people, faces, strict=True)]


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


COLUMNS = ["pictures", "faces found", "own first of {people}", "own nearer than each neighbour", "pictures with a blend warning",
           "to the own person", "to the neighbours"]


def columns(bench: Bench) -> list[str]:
    return [c.format(people=bench.gallery.people) for c in COLUMNS]


def summary(bench: Bench, given: list[tuple[int, ...]], seen: list[list[Seen]]) -> list[str]:
    """The cells of COLUMNS for pictures by the photos given of their people. A face that was not found
    counts as a miss, and no person alone has neighbours."""
    g, limits = bench.gallery, levels(bench.mesh.manifest)
    found, first, nearer, own, neighbour, people, warned = [], [], [], [], [], [], []
    for photos, faces in zip(given, seen, strict=True):
        subjects = [bench.subject([i]) for i in photos]
        kept = [[i for i in g.photos(f.person) if i not in photos] for f in faces]
        blended = False
        for n, face in enumerate(faces):
            people.append(face.person)
            found.append(bool(face.vectors))
            others = [k for k in range(len(faces)) if k != n]
            if not face.vectors:
                own.append(np.nan)
                neighbour.append(np.nan)
                nearer += [False] * bool(others)
                first.append(False)
                continue
            e = face.vectors[EVALUATOR]
            own.append(g.to(EVALUATOR, e, kept[n]))
            beside = [g.to(EVALUATOR, e, kept[k]) for k in others]
            neighbour.append(np.mean(beside) if beside else np.nan)
            nearer += [own[-1] > max(beside)] if beside else []
            first.append(g.rank(EVALUATOR, e, face.person, photos) == 0)
            blended |= any(limits.is_blend(face.vectors[OWN], subjects[n], subjects[k]) for k in others)
        warned += [blended] if len(faces) > 1 else []
    people = np.array(people)
    return [str(len(seen)), *(percent(measures.rate(np.array(hits, bool))) for hits in (found, first, nearer, warned)),
            *(span(measures.interval(np.array(v), people)) for v in (own, neighbour))]


def several(bench: Bench, count: int) -> list[Table]:
    """One, two (half of count) and three people (a quarter) in a picture."""
    alone = bench.run(bench.pairs(count, seed=8), "one person")
    rows = [["one, alone", *summary(bench, [tuple(o.trial.given) for o in alone], [[Seen(o.trial.person, o.vectors)] for o in alone])]]
    for name, people, pictures in (("two", 2, count // 2), ("three", 3, count // 4)):
        drawn = scenes(bench, max(1, pictures), people)
        made = bench.mesh.paint([order(bench, s) for s in drawn])
        rows.append([name, *summary(bench, [s.given for s in drawn], [look(bench, s, p) for s, p in zip(drawn, made, strict=True)])])
    height, width = CANVAS
    return [Table(f"Several people, {width}x{height}, not refined", ["people", *columns(bench)], rows,
                  "The style picture is composed of as many other development people before a drawn background, and segmented "
                  "by the bundle; what is nobody's follows one of the people. One person alone, in a portrait of somebody else, "
                  "is what several can reach. Similarities are to photos not given. Faces that were not found count as misses.")]


def blends(bench: Bench, count: int) -> list[Table]:
    """Mixes of two people in equal parts, which a verdict must call blends, and people alone, which it must not."""
    g, limits = bench.gallery, levels(bench.mesh.manifest)
    trials = bench.pairs(count, seed=21)
    strength: dict[str, list[float]] = {"mix": [], "one": []}
    for k in range(0, len(trials), 8):
        part, orders, pairs = trials[k:k + 8], [], []
        for trial in part:
            a, b = bench.subject(trial.given), bench.subject([stranger(bench, trial)])
            style = bench.style(trial)
            orders += [Order(e[None] / np.linalg.norm(e), style.embed, trial.seed) for e in (a + b, a)]
            pairs += [("mix", a, b), ("one", a, b)]
        for (name, a, b), picture in zip(pairs, bench.mesh.paint(orders), strict=True):
            faces = bench.mesh.faces(picture)
            e = bench.embed(picture, faces[0].points)[OWN] if faces else None
            strength[name].append(np.nan if e is None else limits.strength(e, a, b))
    mix, one = (np.array(strength[name]) for name in ("mix", "one"))
    rows = [[name, str(len(v)), percent(measures.rate(~np.isnan(v))), percent(measures.rate(v >= limits.blend))]
            for name, v in (("a 50:50 mix of two people", mix), ("one person, looked at as a mix with another", one))]
    return [Table("Blends", ["picture", "pictures", "face found", "blend warning"], rows, balance(mix, one, limits.blend, g.people))]


def stranger(bench: Bench, trial: Trial) -> int:
    """A photo of somebody who is neither the trial's person nor its style picture's."""
    g, rng = bench.gallery, np.random.default_rng([22, trial.seed])
    people = np.setdiff1d(np.arange(g.people), [trial.person, g.person[trial.style]])
    return int(rng.choice(g.photos(int(rng.choice(people)))))


def balance(mix: np.ndarray, one: np.ndarray, used: float, people: int) -> str:
    """Tells the share of a blend at which as many blends are missed as single people are taken for one."""
    mix, one = np.nan_to_num(mix), np.nan_to_num(one)
    at = np.round(np.arange(0.1, 0.91, 0.02), 2)
    missed, false = (mix[:, None] < at).mean(0), (one[:, None] >= at).mean(0)
    larger = np.maximum(missed, false)
    equals = at[larger == larger.min()]
    best = equals[len(equals) // 2]
    return (f"By the bundle's own face encoder, over {people} people. A face is a blend from a share of {used:g} of the second person on; "
            f"at {best:g} the larger of both errors is least: {100 * missed[at == best][0]:.1f} % missed, "
            f"{100 * false[at == best][0]:.1f} % false. That is what the config's bundle.blend_share is to be.")
