"""Every table: a function of the bench and of how many results stand behind a row."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from ..data import styles
from ..language.captions import parse
from ..language.facts import turn
from . import measures
from .ages import ages
from .bench import NAMES, Bench, Outcome
from .isolation import isolation
from .labelled import labelled
from .prompts import free, named
from .several import blends, several
from .table import READ, Table, columns, span, summary
from .two import two
from .zero_shot import zero_shot

PROMPTS = (
    "a portrait photo of a person smiling", "a person with glasses", "a person in a dark suit, grey background",
    "a person outdoors in sunlight, green trees behind", "a black and white photo of a person", "a person with long blond hair",
    "a person wearing a hat", "an anime drawing of a face", "a person in front of a blue wall", "an old photograph, sepia",
)


def image(bench: Bench, count: int) -> list[Table]:
    """Image guidance with one photo, and the same results by turn, by group, and beside the style picture."""
    trials = bench.pairs(count)
    outcomes = bench.run(trials, "image")
    main = Table("Image guidance, one photo", columns(bench, ""), [["all", *summary(bench, outcomes)]],
                 READ + " " + calibration(bench))
    return [main, by(bench, outcomes, "By how far the photo given turns", [turned(bench, o) for o in outcomes]),
            by(bench, outcomes, "By how far the style picture turns", [turned(bench, o, True) for o in outcomes]),
            by(bench, outcomes, "By sex, where a caption tells it", [sex(bench, o) for o in outcomes]),
            by(bench, outcomes, "By the lightness of the skin in the photo given", lightness(bench, outcomes)),
            followed(bench, outcomes), distances(bench, outcomes)]


def photos(bench: Bench, count: int) -> list[Table]:
    """One person from one, three and six photos; the photos not given are at least one."""
    rows = []
    for k in (1, 3, 6):
        trials = [t for t in bench.pairs(count, k, seed=1) if len(bench.gallery.photos(t.person)) > k]
        if trials:
            rows.append([str(k), *summary(bench, bench.run(trials, f"{k} photos"))])
    return [Table("By the number of photos", columns(bench, "photos given"), rows,
                  "The mean of the photos' embeddings, brought to unit length.")]


def identity(bench: Bench, count: int) -> list[Table]:
    """What each condition does: identity off is e_f = 0 at run time, not a model trained without it."""
    trials, rows = bench.pairs(count, seed=2), []
    for name, change in (("face and style", {}), ("style alone (identity off: e_f = 0)", {"identity": False}),
                         ("face alone (no style)", {"style": -1})):
        rows.append([name, *summary(bench, bench.run([dataclasses.replace(t, **change) for t in trials], name))])
    return [Table("Conditions", columns(bench, "given"), rows)]


def own(bench: Bench, count: int) -> list[Table]:
    """The person's own other photo as style: what identity adds to a reconstruction (the paper's figure 4)."""
    g, rows, trials = bench.gallery, [], []
    for t in bench.pairs(count, seed=3):
        style = next(i for i in g.photos(t.person) if i not in t.given)
        trials.append(dataclasses.replace(t, style=int(style)))
    for name, change in (("with identity", {}), ("without (e_f = 0)", {"identity": False})):
        outcomes = bench.run([dataclasses.replace(t, **change) for t in trials], f"own picture {name}")
        psnr = np.array([measures.psnr(o.picture, o.style.picture) for o in outcomes])
        people = np.array([o.trial.person for o in outcomes])
        seen = np.array([g.to(NAMES[0], o.vectors[NAMES[0]], [o.trial.style]) if o.found else np.nan for o in outcomes])
        rows.append([name, *summary(bench, outcomes), span(measures.interval(seen, people)),
                     span(measures.interval(psnr, people), 1)])
    return [Table("The person's own picture as style", [*columns(bench, ""), "to that picture", "PSNR to it, dB"], rows)]


def looks(bench: Bench, count: int) -> list[Table]:
    """By the kind of the style picture: stylised copies of another person's photo, and drawings."""
    g, rows = bench.gallery, []
    anime = g.data.where("anime")
    palettes = [styles.palette_of(np.asarray(g.data.pixels[i])) for i in anime[:50]]
    for kind in ("as it is", *styles.KINDS, *(["anime"] if len(anime) else [])):
        trials = []
        for k, t in enumerate(bench.pairs(count, seed=4)):
            rng = np.random.default_rng([4, k])
            picture = np.asarray(g.data.pixels[g.rows[t.style]])
            if kind == "anime":
                look, style = np.asarray(g.data.pixels[rng.choice(anime)]), -1
            elif kind == "as it is":
                look, style = None, t.style
            elif kind == "palette" and not palettes:
                continue
            else:
                palette = palettes[int(rng.integers(len(palettes)))] if palettes else None
                look, style = styles.stylise(picture, kind, rng, palette), t.style
            trials.append(dataclasses.replace(t, look=look, style=style, kind=kind))
        if trials:
            rows.append([kind, *summary(bench, bench.run(trials, kind))])
    return [Table("By the kind of style picture", columns(bench, "kind"), rows)]


def alpha(bench: Bench, count: int) -> list[Table]:
    """From text alone (0) to the style picture alone (1)."""
    rows, trials = [], bench.pairs(count, seed=5)
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        chosen = [dataclasses.replace(t, alpha=value, prompt=PROMPTS[k % len(PROMPTS)]) for k, t in enumerate(trials)]
        outcomes = bench.run(chosen, f"alpha {value}")
        outside = [measures.outside_similarity(o.style.picture, o.picture, faces(o)) for o in outcomes]
        people = np.array([o.trial.person for o in outcomes])
        rows.append([f"{value:g}", *summary(bench, outcomes), span(measures.interval(np.array(outside), people))])
    return [Table("Alpha", [*columns(bench, "alpha"), "SSIM to the style picture outside the face"], rows)]


def text(bench: Bench, count: int) -> list[Table]:
    """Prompts alone."""
    rows = []
    for n, prompt in enumerate(PROMPTS):
        trials = [dataclasses.replace(t, prompt=prompt, alpha=0.0, style=-1)
                  for t in bench.pairs(max(1, count // len(PROMPTS)), seed=6 + n)]
        rows.append([prompt, *summary(bench, bench.run(trials, f"prompt {n + 1}"))])
    return [Table("Text guidance", columns(bench, "prompt"), rows)]


def calibration(bench: Bench) -> str:
    parts = [f"{name}: genuine {s.genuine:.3f}, impostor {s.impostor:.3f}" for name, s in bench.gallery.spaces.items()]
    return f"Mean cosines of real pairs: {'; '.join(parts)}."


def by(bench: Bench, outcomes: list[Outcome], title: str, keys: list[str]) -> Table:
    """The outcomes split by a key each; those with an empty key are left out."""
    rows = [[key, *summary(bench, [o for o, k in zip(outcomes, keys, strict=True) if k == key])]
            for key in sorted(set(keys) - {""})]
    return Table(title, columns(bench, "group"), rows)


def turned(bench: Bench, o: Outcome, style: bool = False) -> str:
    row = bench.gallery.rows[o.trial.style if style else o.trial.given[0]]
    offset = abs(turn(bench.gallery.data.points[row]))
    return "frontal (nose within 0.08 eye distances)" if offset < 0.08 else "half (to 0.2)" if offset < 0.2 else "turned (above 0.2)"


def sex(bench: Bench, o: Outcome) -> str:
    data = bench.gallery.data
    rows = bench.gallery.rows[bench.gallery.photos(o.trial.person)]
    told = {parse(str(data.caption[r]), str(data.sex[r]), -1).sex for r in rows} - {""}
    return told.pop() if len(told) == 1 else ""


def lightness(bench: Bench, outcomes: list[Outcome]) -> list[str]:
    """Thirds by L* of the middle of the aligned face, light of the scene and all: a rough reading."""
    g = bench.gallery
    middle = [cv2.cvtColor(np.asarray(g.data.faces[g.rows[o.trial.given[0]]])[45:95, 30:82], cv2.COLOR_RGB2LAB)[..., 0]
              for o in outcomes]
    values = np.array([np.median(m) for m in middle])
    low, high = np.quantile(values, (1 / 3, 2 / 3))
    return ["1 darkest third" if v <= low else "2 middle third" if v <= high else "3 lightest third" for v in values]


def faces(o: Outcome) -> list[np.ndarray]:
    """Face boxes of the style picture and of the result."""
    return [*(o.style.boxes if o.style else []), *([o.box] if o.found else [])]


def followed(bench: Bench, outcomes: list[Outcome]) -> Table:
    """How far the style picture is followed where identity does not lie."""
    people = np.array([o.trial.person for o in outcomes])
    outside = np.array([measures.outside_similarity(o.style.picture, o.picture, faces(o)) for o in outcomes])
    shuffled = np.array([measures.outside_similarity(o.style.picture, other.picture, faces(o))
                         for o, other in zip(outcomes, [*outcomes[1:], outcomes[0]], strict=True)])
    pose, chance = [], []
    for o, other in zip(outcomes, [*outcomes[1:], outcomes[0]], strict=True):
        found = bench.mesh.faces(o.style.picture)
        pose.append(measures.landmark_distance(found[0].points[:4], o.points) if o.found and found else np.nan)
        chance.append(measures.landmark_distance(found[0].points[:4], other.points) if other.found and found else np.nan)
    rows = [["SSIM outside both faces", span(measures.interval(outside, people)), span(measures.interval(shuffled, people))],
            ["landmark distance, eye distances", span(measures.interval(np.array(pose), people), 3),
             span(measures.interval(np.array(chance), people), 3)]]
    return Table("How the style picture is followed", ["measure", "to its style picture", "to another's result (chance)"], rows)


def distances(bench: Bench, outcomes: list[Outcome]) -> Table:
    """KID between results and real pictures of the people."""
    g, found = bench.gallery, [o for o in outcomes if o.found]
    real = np.stack([bench.mesh.style(np.asarray(g.data.pixels[r]), boxes=[]).embed for r in g.rows])
    made = np.stack([bench.mesh.style(o.picture, boxes=[]).embed for o in outcomes])
    half = np.random.default_rng(0).permutation(len(g.rows))
    a, b = half[: len(half) // 2], half[len(half) // 2:]
    rows = [["the bundle's vision trio, whole picture", span(measures.kernel_distance(real, made), 1),
             span(measures.kernel_distance(real[a], real[b]), 1)]]
    if found:
        e = g.spaces[NAMES[0]].embeds
        rows.append(["evaluator_mfn192, aligned face", span(measures.kernel_distance(e, np.stack([o.vectors[NAMES[0]] for o in found])), 1),
                     span(measures.kernel_distance(e[a], e[b]), 1)])
    return Table("KID x 1,000", ["features", "results to real pictures", "one half of the real to the other"], rows,
                 "Polynomial kernel, 100 subsets of at most 200; in brackets the middle 95 % of subsets. Not comparable "
                 "with figures on Inception features.")


TABLES = {"image": image, "photos": photos, "identity": identity, "own": own, "looks": looks, "text": text,
          "named": named, "free": free, "alpha": alpha, "several": several, "blends": blends, "two": two, "isolation": isolation,
          "labelled": labelled, "ages": ages, "zero_shot": zero_shot}

