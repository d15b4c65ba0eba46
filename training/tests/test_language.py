"""Captions, facts and word pieces."""

import random

import numpy as np
import pytest

from facestudio_training.golden import tokens
from facestudio_training.language import captions, facts, grounds
from facestudio_training.language.tokenizer import END, PAD, START, UNKNOWN, build


@pytest.fixture
def tokenizer():
    return build(["a photo of a 35-year-old woman, smiling"], ["background", "sunrise"], 1000, 16)


def test_caption_parts_become_facts():
    found = captions.parse("a photo of a young woman with straight black hair, earrings, smiling", "female", -1)
    assert (found.sex, found.stage, found.age) == ("female", "young", -1)
    assert found.attributes == ["straight black hair", "earrings", "smiling"]
    assert captions.parse("a photo of a 71-year-old man from Togo", "", -1).stage == "old"


def test_wordings_differ_and_tell_the_facts(monkeypatch):
    monkeypatch.setattr(captions, "OTHER_WORDS", 0.0)
    told = captions.Facts(sex="male", age=40, stage="middle", attributes=["wavy brown hair"], turn="left")
    dice = random.Random(1)
    texts = {captions.describe(told, dice, keep=1.0) for _ in range(50)}
    assert len(texts) > 40
    assert all("hair" in t for t in texts)


def test_mirrored_facts_turn_the_other_way():
    assert captions.Facts(turn="left").mirrored().turn == "right"


@pytest.mark.parametrize(("rgb", "name"), [((250, 250, 250), "white"), ((5, 5, 5), "black"),
                                           ((40, 60, 200), "blue"), ((60, 120, 50), "green")])
def test_ground_names_plain_colours(rgb, name):
    assert grounds.ground(np.full((64, 64, 3), rgb, np.uint8)) == name


def test_turn_is_below_zero_to_the_left_of_the_picture():
    assert facts.turn(np.array([[40.0, 50], [80, 50], [50, 70], [60, 90]])) == pytest.approx(-0.25)


def test_ids_are_framed_and_padded(tokenizer):
    ids = tokenizer.encode("Woman smiling")
    assert len(ids) == 16 and ids[0] == START and ids[3] == END and ids[4:] == [PAD] * 12


def test_no_latin_word_is_unknown(tokenizer):
    assert UNKNOWN not in tokenizer.encode("zebra émigré x-ray 1234")
    assert UNKNOWN in tokenizer.encode("漢")


def test_long_prompts_keep_their_end_mark(tokenizer):
    assert tokenizer.encode("zzzz " * 40)[-1] == END


def test_pieces_equal_the_tokenizers_package(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    import json
    spec = json.loads((tmp_path / "tokenizer.json").read_text())
    other = tokens.build(spec)
    for prompt in tokens.PROMPTS:
        ids = tokens.encode(other, spec, prompt, 16)
        assert tokenizer.encode(prompt) == ids + [PAD] * (16 - len(ids))
