"""Many wordings for what is known of a picture, so that a prompt need not be a template.

The data set's captions are one template ("a photo of a 35-year-old woman with straight black
hair, earrings, smiling"). `Facts` holds what such a caption says and what the pixels and the
face points add (background, side the face turns to, black and white); `describe` puts some of
it into words, each time differently.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from . import lexicon

# Caption phrase -> wordings. "H " marks those that follow "with", "V " those that stand alone.
ATTRIBUTES = {
    "smiling": ("V smiling", "H a smile", "V happy", "H a big smile", "V cheerful", "V laughing"),
    "earrings": ("H earrings", "V wearing earrings", "H jewelry"),
    "a beard": ("H a beard", "V bearded", "H a full beard", "H facial hair"),
    "bangs": ("H bangs", "H a fringe"),
    "a necktie": ("H a necktie", "V wearing a tie", "V wearing a suit and tie", "V in a suit"),
    "eyeglasses": ("H eyeglasses", "V wearing glasses", "H glasses", "V with spectacles"),
    "a goatee": ("H a goatee", "H a small beard"),
    "a hat": ("V wearing a hat", "H a hat", "V wearing a cap", "V in a hat"),
    "a mustache": ("H a mustache", "H a moustache"),
    "a bald head": ("V bald", "H a bald head", "H no hair"),
}
COLOURS = {"black": ("black", "dark", "jet black"), "brown": ("brown", "brunette", "chestnut"),
           "blond": ("blond", "blonde", "golden", "fair", "yellow"), "gray": ("gray", "grey", "white", "silver")}
SHAPES = {"wavy": ("wavy", "curly", "long wavy"), "straight": ("straight", "smooth"), "": ("",)}
OPENINGS = ("a photo of {}", "a photo of {}", "a portrait of {}", "a picture of {}", "a photograph of {}", "{}",
            "an image of {}", "a headshot of {}", "a close-up of {}", "a portrait photo of {}", "photo of {}",
            "a studio portrait of {}", "the face of {}", "this is {}", "portrait, {}")
ANIME = ("an anime drawing of a face", "an anime face", "a cartoon drawing of a face", "an anime character",
         "a drawing of an anime character", "an illustration in anime style", "a manga portrait", "a cartoon face",
         "a painting of a face in anime style", "a colorful comic drawing", "an anime portrait", "a digital painting")
NOUNS = {
    ("male", "young"): ("young man", "man", "guy", "young male", "young guy"),
    ("male", "middle"): ("man", "middle-aged man", "adult man", "gentleman", "male person", "father"),
    ("male", "old"): ("old man", "elderly man", "senior man", "man", "grandfather", "older man"),
    ("male", ""): ("man", "male person", "guy", "adult man"),
    ("female", "young"): ("young woman", "woman", "young lady", "young female", "lady"),
    ("female", "middle"): ("woman", "middle-aged woman", "adult woman", "lady", "female person", "mother"),
    ("female", "old"): ("old woman", "elderly woman", "senior woman", "woman", "grandmother", "older woman"),
    ("female", ""): ("woman", "lady", "female person", "adult woman"),
    ("", ""): ("person", "human", "human face", "human being"),
}
TENS = {2: "twenties", 3: "thirties", 4: "forties", 5: "fifties", 6: "sixties", 7: "seventies", 8: "eighties", 9: "nineties"}
TURNS = {"left": ("facing left", "looking to the left", "turned to the left", "looking left"),
         "right": ("facing right", "looking to the right", "turned to the right", "looking right"),
         "front": ("facing the camera", "looking at the camera", "looking straight ahead")}
ABSENT = ("smiling", "eyeglasses", "a beard", "a hat")  # whose absence captions tell at times
OTHER_WORDS = 0.4  # share of captions with a word of the lexicon
GROUNDS = ("{} background", "on {a} background", "in front of {a} background", "with {a} background",
           "against {a} wall", "{} backdrop")


@dataclass
class Facts:
    """What is known of one picture. Empty: unknown. absent: attributes that it does not have, "-" before each; turn:
    left, right or front, as seen in the picture; ground: colour words of the background."""

    sex: str = ""
    age: int = -1
    stage: str = ""
    attributes: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    turn: str = ""
    ground: str = ""
    grey: bool = False
    anime: bool = False

    def mirrored(self) -> "Facts":
        """The same of the picture flipped left to right."""
        turn = {"left": "right", "right": "left"}.get(self.turn, self.turn)
        return Facts(**{**vars(self), "turn": turn})


def parse(caption: str, sex: str, age: int) -> Facts:
    """The facts that a caption of the data set and its columns state."""
    words = caption.partition(" from ")[0]
    match = re.search(r"(\d+)-year-old", words)
    if match and age < 0:
        age = int(match.group(1))
    if not sex and re.search(r"\bwoman\b", words):
        sex = "female"
    elif not sex and re.search(r"\bman\b", words):
        sex = "male"
    stage = "" if age < 0 else "young" if age < 32 else "middle" if age < 58 else "old"
    if age < 0 and " young " in words:
        stage = "young"
    parts = re.split(r" with |, ", words)[1:]
    return Facts(sex=sex, age=age, stage=stage, attributes=[p.strip() for p in parts if p.strip()])


def attribute_words(attribute: str, draw: random.Random) -> tuple[str, bool]:
    """A wording of one attribute, and whether it follows "with"."""
    if attribute in ATTRIBUTES:
        words = draw.choice(ATTRIBUTES[attribute])
        return words[2:], words[0] == "H"
    match = re.fullmatch(r"(?:(wavy|straight) )?(black|brown|blond|gray) hair", attribute)
    if not match:
        return attribute, True
    colour = draw.choice(COLOURS[match.group(2)])
    shape = draw.choice(SHAPES[match.group(1) or ""]) if draw.random() < 0.7 else ""
    return f"{shape} {colour} hair".strip(), True


def person(facts: Facts, draw: random.Random) -> str:
    """The noun phrase with its age words, without an article."""
    stage = facts.stage if facts.sex else ""
    noun = draw.choice(NOUNS.get((facts.sex, stage), NOUNS["", ""]))
    plain = {"male": "man", "female": "woman"}.get(facts.sex, "person")
    if facts.age < 0 or draw.random() < 0.35:
        return noun
    tens = TENS.get(facts.age // 10)
    forms = [f"{facts.age}-year-old {plain}", f"{facts.age} year old {plain}", f"{plain} aged {facts.age}"]
    if tens and facts.sex:
        forms.append(f"{plain} in {'his' if facts.sex == 'male' else 'her'} {tens}")
    return draw.choice(forms)


def article(words: str) -> str:
    return ("an " if words[:1] in "aeio8" or words[:2] in ("11", "18") else "a ") + words


def describe(facts: Facts, draw: random.Random, keep: float = 0.85) -> str:
    """One wording of the facts; each attribute is told with probability keep, the turn and the
    background with a half."""
    return worded(facts, draw, keep)[0]


def worded(facts: Facts, draw: random.Random, keep: float = 0.85, about: str = "") -> tuple[str, list[str]]:
    """What describe returns, and which attributes it tells, a minus before those that it tells to be absent. A share
    says one of them by a word of the lexicon; with about, all do, and it is this attribute."""
    named: list[str] = []
    if facts.anime:
        text = draw.choice(ANIME)
    else:
        noun, told = person(facts, draw), []
        known = [*facts.attributes, *facts.absent]
        about = about or (draw.choice(known) if known and draw.random() < OTHER_WORDS else "")
        other = lexicon.wording(about, draw) if about else None
        if other:
            (mark, words), named = other[0].split(" ", 1), list(other[1])
            keep = keep / 3
            if mark == "N":
                noun = words
            else:
                told.append((words, mark == "H"))
        said = {n.removeprefix("-") for n in named}
        for a in facts.attributes:
            if a not in said and draw.random() < keep:
                named.append(a)
                told.append(attribute_words(a, draw))
        draw.shuffle(told)
        having = [w for w, after_with in told if after_with]
        alone = [w for w, after_with in told if not after_with]
        lead = ""
        if alone and draw.random() < 0.3 and " " not in alone[0]:
            lead = alone.pop(0) + " "
        text = draw.choice(OPENINGS).format(article(lead + noun))
        if having:
            joined = ", ".join(having) if draw.random() < 0.6 else " and ".join(having)
            text += draw.choice((" with ", " with ", ", ", " who has ")) + joined
        for words in alone:
            text += ", " + words
        if facts.grey and draw.random() < 0.8:
            text = draw.choice((f"{text}, black and white", f"a black and white photo, {text}"))
    if facts.turn and draw.random() < (0.3 if facts.turn == "front" else 0.6):
        text += ", " + draw.choice(TURNS[facts.turn])
    if facts.ground and draw.random() < 0.5:
        text += ", " + draw.choice(GROUNDS).format(facts.ground, a=article(facts.ground))
    return text, named
