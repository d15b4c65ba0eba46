"""Prompts: whether what they name is in the picture, by a judge that guides nothing."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..stages import judge
from . import measures
from .bench import Bench, Outcome
from .clip_score import ClipScore
from .table import Table, columns, percent, span, summary

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
# By somebody who knew the attributes alone, and neither the captions nor the lexicon: no template makes them, their words may occur there.
FREE = (
    ("a delighted girl grinning from ear to ear", "smiling", True), ("bride beaming with joy at the camera", "smiling", True),
    ("toothpaste ad model showing off pearly whites", "smiling", True), ("dude cracking up at a really good joke", "smiling", True),
    ("cheerful flight attendant greeting passengers warmly", "smiling", True), ("stone-faced bouncer glaring at you", "smiling", False),
    ("heartbroken woman with tears running down her cheeks", "smiling", False), ("an angry boss with a deep scowl", "smiling", False),
    ("bookworm peering through thick round lenses", "eyeglasses", True), ("nerdy guy in horn-rimmed specs", "eyeglasses", True),
    ("librarian with reading glasses low on her nose", "eyeglasses", True),
    ("a very short-sighted student with chunky black frames", "eyeglasses", True),
    ("optician's poster girl modelling the newest spectacles", "eyeglasses", True),
    ("burly lumberjack with bushy facial hair covering his jaw", "a beard", True),
    ("shaggy castaway who hasn't shaved in a year", "a beard", True),
    ("wizard with long white whiskers down to his chest", "a beard", True),
    ("hipster barista, full bearded, looking cool", "a beard", True), ("mall santa close-up", "a beard", True),
    ("old-timey strongman with a waxed handlebar under his nose", "a mustache", True),
    ("seventies cop with a thick 'stache", "a mustache", True),
    ("a gent with a pencil-thin moustache, chin clean shaven", "a mustache", True),
    ("man with smooth cheeks and just a tuft on his chin", "a goatee", True),
    ("beatnik poet with a small pointy chin beard, cheeks bare", "a goatee", True), ("rugged cowboy squinting in the sun", "a hat", True),
    ("lady at the races in a huge floppy sun bonnet", "a hat", True), ("skater kid with a beanie pulled down low", "a hat", True),
    ("baseball pitcher in full uniform, cap on", "a hat", True), ("noir detective with a fedora", "a hat", True),
    ("painter chick wearing a tilted beret", "a hat", True), ("head chef in his tall white toque", "a hat", True),
    ("stage magician in a tall black topper", "a hat", True), ("banker in a suit, shirt buttoned up, silk tie", "a necktie", True),
    ("news anchor guy wearing a suit and striped tie", "a necktie", True),
    ("schoolboy in uniform with his tie in a windsor knot", "a necktie", True),
    ("groom's dad adjusting his tie, looking sharp", "a necktie", True),
    ("glam lady with big gold hoops dangling from her ears", "earrings", True),
    ("pearl studs in both ears, elegant hostess", "earrings", True),
    ("movie star with sparkly diamond drops on her earlobes", "earrings", True),
    ("disco queen, giant chandelier ear jewelry", "earrings", True), ("cute girl with a blunt fringe down to her eyebrows", "bangs", True),
    ("woman whose hair is cut straight across her forehead", "bangs", True), ("tough guy with a shiny shaved dome", "a bald head", True),
    ("grandpa without a single hair left on top", "a bald head", True),
    ("chrome dome wrestler, not a hair on his scalp", "a bald head", True), ("goth girl with raven locks", "black", True),
    ("handsome fella with jet-dark hair like coal", "black", True), ("brunette waitress in a cosy diner", "brown", True),
    ("young man with chestnut colored hair", "brown", True), ("surfer girl with golden sun-bleached hair", "blond", True),
    ("platinum bombshell from an old movie poster", "blond", True), ("princess with flaxen tresses", "blond", True),
    ("silver fox in a turtleneck", "gray", True), ("granny with silvery hair and kind eyes", "gray", True),
    ("a distinguished judge gone salt and pepper all over", "gray", True), ("mermaid-like woman with flowing beachy waves", "wavy", True),
    ("her hair ripples softly down over her shoulders", "wavy", True), ("somebody's tired dad after work", "male", True),
    ("a new mom glowing with pride", "male", False), ("wrinkled great-grandmother celebrating her ninetieth birthday", "old", True),
    ("college freshman on her first day at campus", "old", False),
)


def free(bench: Bench, count: int) -> list[Table]:
    """Sixty prompts in free words, and whose the faces are."""
    return followed(bench, count, FREE, "free")


def named(bench: Bench, count: int) -> list[Table]:
    """A prompt for each attribute that captions name, in their words."""
    return followed(bench, count, NAMED, "named")


def followed(bench: Bench, count: int, prompts: tuple, name: str) -> list[Table]:
    """Prompts alone, each beside the same people and seeds with a prompt that names nothing."""
    if bench.judge is None:
        raise SystemExit(f"eval: the table {name} asks the judge of attributes: run the judge stage first, or leave it out of --tables")
    clip, rows, hits, plain, people = ClipScore(bench), [], [], [], []
    scores: dict[str, list[float]] = {"its prompt": [], "another": [], "neutral": []}
    each = max(1, count // len(prompts))
    for n, (prompt, attribute, wanted) in enumerate(prompts):
        trials = [dataclasses.replace(t, alpha=0.0, style=-1) for t in bench.pairs(each, seed=40 + n)]
        got, neutral = (bench.run([dataclasses.replace(t, prompt=p) for t in trials], f"{name} {n + 1}") for p in (prompt, NEUTRAL))
        there, before = (present(bench, o, attribute) == wanted for o in (got, neutral))
        other = prompts[(n + len(prompts) // 2) % len(prompts)][0]
        for key, outcomes, words in (("its prompt", got, prompt), ("another", got, other), ("neutral", neutral, prompt)):
            scores[key] += list(clip.made(outcomes, [words] * len(outcomes)))
        rows.append([prompt, ("" if wanted else "not ") + attribute, percent(measures.rate(there)), percent(measures.rate(before))])
        hits, plain, people = [*hits, *there], [*plain, *before], [*people, *got]
    rows.append(["all", "", percent(measures.rate(np.array(hits))), percent(measures.rate(np.array(plain)))])
    return [Table(f"Prompts: {name}", ["prompt", "what it names", "there", f"there with \"{NEUTRAL}\""], rows,
                  "By a classifier trained on captions for this alone. Its balanced accuracy on photos of the development "
                  "people: " + ", ".join(f"{k} {v:.2f}" for k, v in bench.judge_worth.items()) + "."),
            clip_scores(clip, scores, people),
            Table("The same pictures' people", columns(bench, ""), [[f"{name} prompts", *summary(bench, people)]])]


def clip_scores(clip: ClipScore, scores: dict[str, list[float]], outcomes: list[Outcome]) -> Table:
    """The mean CLIP scores of results beside those of real pictures."""
    people = np.array([o.trial.person for o in outcomes])
    rows = [[f"results by a prompt, with {key}" if key != "neutral" else f"results by \"{NEUTRAL}\", with the prompt",
             span(measures.interval(np.array(values), people), 1)] for key, values in scores.items()]
    for name, values in zip(("its own caption", "another's caption"), clip.captioned, strict=True):
        rows.append([f"real training pictures, with {name}", span(measures.interval(values, np.arange(len(values))), 1)])
    return Table("CLIP score, by the bundle's own encoders", ["pictures and texts", "100 x cosine"], rows,
                 "Of style embeddings about their mean, faces masked, and the text's linear estimate of them: what a prompt says of the face "
                 "itself does not count here.")


def present(bench: Bench, outcomes: list[Outcome], attribute: str) -> np.ndarray:
    """bool [N]: what the judge sees."""
    return judge.said(bench.judge, np.stack([o.picture for o in outcomes]))[:, judge.NAMES.index(attribute)]
