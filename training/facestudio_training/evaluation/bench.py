"""Trials and what came out of them."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field

import numpy as np

from ..data import align
from ..models.judge import Judge
from .gallery import Gallery
from .mesh import Mesh, Order, Style

NAMES = ("evaluator", "own")  # recognisers: the first is the one to go by, the second the bundle's
GAIN = 0.5  # of a correction, as the gateway's (gateway/internal/identity)


@dataclass
class Trial:
    """One picture to make. given and style are indices into Gallery.rows; style -1 is none. look
    stands in for the style photo: a picture uint8 [H,W,3] of the same layout, as a stylised copy."""

    person: int
    given: list[int]
    style: int
    seed: int
    identity: bool = True
    prompt: str = ""
    alpha: float = 1.0
    look: np.ndarray | None = None
    kind: str = ""


@dataclass
class Outcome:
    """What was made and what recognisers say of its largest face; vectors is empty without a face."""

    trial: Trial
    picture: np.ndarray
    style: Style | None
    box: np.ndarray | None = None
    points: np.ndarray | None = None
    vectors: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        return bool(self.vectors)


class Bench:
    """Makes the pictures of trials with one bundle and looks at them."""

    def __init__(self, mesh: Mesh, gallery: Gallery, recognisers: dict[str, object]):
        self.mesh, self.gallery, self.recognisers = mesh, gallery, recognisers
        self.faces = mesh.face_embed  # aligned faces -> e_f, as subjects are made of
        self.styles: dict[int, Style] = {}
        self.corrections = mesh.manifest["sampling"].get("corrections", 0)
        self.judge: Judge | None = None  # of attributes, where the stage of that name ran
        self.judge_worth: dict[str, float] = {}  # its balanced accuracy

    def pairs(self, count: int, photos: int = 1, seed: int = 0) -> list[Trial]:
        """count trials: every person in turn, that many photos given, another person's photo as style."""
        g, out = self.gallery, []
        for k in range(count):
            rng = np.random.default_rng([seed, k])  # k alone decides, so longer runs contain shorter ones
            person = k % g.people
            other = (person + 1 + int(rng.integers(g.people - 1))) % g.people
            own = rng.permutation(g.photos(person))
            out.append(Trial(person, [int(i) for i in own[:photos]], int(rng.choice(g.photos(other))), k))
        return out

    def style(self, trial: Trial) -> Style | None:
        if trial.look is not None:
            return self.mesh.style(trial.look)
        if trial.style < 0:
            return None
        if trial.style not in self.styles:
            row = self.gallery.rows[trial.style]
            self.styles[trial.style] = self.mesh.style(np.asarray(self.gallery.data.pixels[row]))
        return self.styles[trial.style]

    def subject(self, given: list[int]) -> np.ndarray:
        """e_f [F] of several photos: their mean, brought to unit length."""
        return unit(self.faces(np.asarray(self.gallery.data.faces[self.gallery.rows[given]])).mean(0))

    def order(self, trial: Trial, style: Style | None) -> Order:
        widths, text = self.mesh.manifest["embeddings"], None
        image = style.embed if style else np.zeros(widths["image"], np.float32)
        face = self.subject(trial.given) if trial.identity else np.zeros(widths["face"], np.float32)
        if trial.prompt:
            text = self.mesh.imagine(trial.prompt, trial.seed)
        return Order(face[None], image, trial.seed, text, trial.alpha)

    def run(self, trials: list[Trial], name: str = "") -> list[Outcome]:
        """Outcomes in the trials' order; says every quarter of a minute how far it is."""
        out, started = [], time.monotonic()
        shown = started
        for k in range(0, len(trials), 16):
            part = trials[k:k + 16]
            styles = [self.style(t) for t in part]
            orders = [self.order(t, s) for t, s in zip(part, styles, strict=True)]
            made = [self.look(t, p, s) for t, p, s in zip(part, self.mesh.paint(orders), styles, strict=True)]
            out += self.corrected(orders, made)
            if time.monotonic() - shown > 15:
                shown = time.monotonic()
                left = (shown - started) / len(out) * (len(trials) - len(out)) / 60
                print(f"eval: {name} {len(out)}/{len(trials)} pictures, {left:.1f} min left", flush=True)
        return out

    def corrected(self, orders: list[Order], made: list[Outcome]) -> list[Outcome]:
        """Outcomes made again as the mesh corrects them: from the same noise, with e_f moved against what the face lacks,
        for as long as that brings it nearer to its person; not those that words guide."""
        best, aims = list(made), [o.faces[0] for o in orders]
        going = [k for k, o in enumerate(orders) if o.faces.any() and (o.text is None or o.alpha == 1)]
        for _ in range(self.corrections):
            going = [k for k in going if best[k].found]
            for k in going:
                aims[k] = unit(aims[k] + GAIN * (orders[k].faces[0] - best[k].vectors[NAMES[1]]))
            pictures = self.mesh.paint([dataclasses.replace(orders[k], faces=aims[k][None]) for k in going])
            again = {k: self.look(best[k].trial, p, best[k].style) for k, p in zip(going, pictures, strict=True)}
            going = [k for k in going if again[k].found and alike(orders[k], again[k]) > alike(orders[k], best[k])]
            for k in going:
                best[k] = again[k]
        return best

    def look(self, trial: Trial, picture: np.ndarray, style: Style | None) -> Outcome:
        """Finds the largest face of a picture and embeds it."""
        made, faces = Outcome(trial, picture, style), self.mesh.faces(picture)
        if faces:
            made.box, made.points = faces[0].box, faces[0].points[:4]
            made.vectors = self.embed(picture, made.points)
        return made

    def embed(self, picture: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
        aligned = align.face(picture, points[:4])[None]
        return {name: recognise(aligned)[0] for name, recognise in self.recognisers.items()}


def unit(v: np.ndarray) -> np.ndarray:
    return (v / max(1e-6, float(np.linalg.norm(v)))).astype(np.float32)


def alike(order: Order, made: Outcome) -> float:
    """Cosine of a result's face to e_f of the one person it was made of, by the bundle's own encoder."""
    return float(made.vectors[NAMES[1]] @ order.faces[0])
