"""Prompts: whether what they name is in the picture, by a judge that guides nothing."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..stages import judge
from . import measures
from .bench import Bench, Outcome
from .table import Table, columns, percent, summary

NEUTRAL = "a photo of a person"
# What captions name, in their own words; prompt, attribute of the judge, whether it is to be there.
NAMED = (
    ("a photo of a person, smiling", "smiling", True), ("a photo of a person, not smiling", "smiling", False),
    ("a photo of a person with eyeglasses", "eyeglasses", True), ("a photo of a man with a beard", "a beard", True),
    ("a photo of a man with a mustache", "a mustache", True), ("a photo of a man with a goatee", "a goatee", True),
    ("a photo of a person wearing a hat", "a hat", True), ("a photo of a man with a necktie", "a necktie", True),
    ("a photo of a woman with earrings", "earrings", True), ("a photo of a person with bangs", "bangs", True),
    ("a photo of a man with a bald head", "a bald head", True), ("a photo of a person with black hair", "black", True),
    ("a photo of a person with brown hair", "brown", True), ("a photo of a person with blond hair", "blond", True),
    ("a photo of a person with gray hair", "gray", True), ("a photo of a person with wavy hair", "wavy", True),
)
# Prompts that are no wording of language/captions.py or language/lexicon.py.
FREE = (
    ("somebody grinning from ear to ear", "smiling", True), ("a delighted person", "smiling", True),
    ("a very serious, unsmiling face", "smiling", False), ("a joyful guest at a party", "smiling", True),
    ("a professor with spectacles", "eyeglasses", True), ("a nerd with thick lenses", "eyeglasses", True),
    ("a librarian peering over her reading glasses", "eyeglasses", True),
    ("a lumberjack", "a beard", True), ("a viking warrior", "a beard", True), ("an unshaven sailor", "a beard", True),
    ("a man with stubble and whiskers", "a beard", True), ("a hipster with a moustache", "a mustache", True),
    ("a cowboy", "a hat", True), ("a soldier with a helmet", "a hat", True), ("someone in a winter beanie", "a hat", True),
    ("a chef with a white toque", "a hat", True), ("a baseball player", "a hat", True),
    ("a businessman in formal clothes", "a necktie", True), ("a groom at his wedding", "a necktie", True),
    ("a lady adorned with jewels", "earrings", True), ("a princess with golden ear rings", "earrings", True),
    ("a schoolgirl with a fringe over her forehead", "bangs", True), ("a skinhead", "a bald head", True),
    ("a man who lost all his hair", "a bald head", True), ("a Scandinavian woman with pale hair", "blond", True),
    ("a person with sandy, straw-coloured hair", "blond", True), ("raven haired beauty", "black", True),
    ("someone with ebony locks", "black", True), ("hair the colour of chocolate", "brown", True),
    ("a person gone completely white-haired", "gray", True), ("a wizard with a silver mane", "gray", True),
    ("a curly haired singer", "wavy", True), ("a king on his throne", "male", True), ("a fellow in a pub", "male", True),
    ("a queen on her throne", "male", False), ("an actress on the red carpet", "male", False), ("somebody's aunt", "male", False),
    ("a retired pensioner", "old", True), ("great-grandparents", "old", True), ("a teenager at college", "old", False),
)


def free(bench: Bench, count: int) -> list[Table]:
    """Forty prompts in free words, and whose the faces are."""
    return followed(bench, count, FREE, "free")


def named(bench: Bench, count: int) -> list[Table]:
    """A prompt for each attribute that captions name, in their words."""
    return followed(bench, count, NAMED, "named")


def followed(bench: Bench, count: int, prompts: tuple, name: str) -> list[Table]:
    """Prompts alone, each beside the same people and seeds with a prompt that names nothing."""
    if bench.judge is None:
        raise SystemExit(f"eval: the table {name} asks the judge of attributes: run the judge stage first, or leave it out of --tables")
    rows, hits, plain, people = [], [], [], []
    each = max(1, count // len(prompts))
    for n, (prompt, attribute, wanted) in enumerate(prompts):
        trials = [dataclasses.replace(t, alpha=0.0, style=-1) for t in bench.pairs(each, seed=40 + n)]
        got, neutral = (bench.run([dataclasses.replace(t, prompt=p) for t in trials], f"{name} {n + 1}") for p in (prompt, NEUTRAL))
        there, before = (present(bench, o, attribute) == wanted for o in (got, neutral))
        rows.append([prompt, ("" if wanted else "not ") + attribute, percent(measures.rate(there)), percent(measures.rate(before))])
        hits, plain, people = [*hits, *there], [*plain, *before], [*people, *got]
    rows.append(["all", "", percent(measures.rate(np.array(hits))), percent(measures.rate(np.array(plain)))])
    return [Table(f"Prompts: {name}", ["prompt", "what it names", "there", f"there with \"{NEUTRAL}\""], rows,
                  "By a classifier trained on captions for this alone. Its balanced accuracy on photos of the development "
                  "people: " + ", ".join(f"{k} {v:.2f}" for k, v in bench.judge_worth.items()) + "."),
            Table("The same pictures' people", columns(bench, ""), [[f"{name} prompts", *summary(bench, people)]])]


def present(bench: Bench, outcomes: list[Outcome], attribute: str) -> np.ndarray:
    """bool [N]: what the judge sees."""
    return judge.said(bench.judge, np.stack([o.picture for o in outcomes]))[:, judge.NAMES.index(attribute)]
