"""Marks of attributes: what captions name, and what pictures are trained with."""

import random

import numpy as np
import pytest
import torch

from facestudio_training import config
from facestudio_training.language import captions, lexicon, marks
from facestudio_training.stages import text
from facestudio_training.stages.marks import Marking


def test_directions_are_at_right_angles():
    along = marks.directions(768)
    assert along.shape == (len(marks.NAMES), 768)
    assert np.allclose(along @ along.T, np.eye(len(marks.NAMES)), atol=1e-5)


def test_a_colour_of_hair_says_that_it_is_no_other():
    named = dict(zip(marks.NAMES, marks.named(["wavy blond hair", "-eyeglasses"]), strict=True))
    assert {k for k, v in named.items() if v == 1} == {"blond", "wavy"}
    assert {k for k, v in named.items() if v == -1} == {"black", "brown", "gray", "straight", "eyeglasses"}


def test_the_lexicon_names_known_attributes_only():
    for names, wordings in lexicon.LEXICON.items():
        assert np.abs(marks.named([lexicon.attribute(n) for n in names])).sum() >= len(names)
        assert all(w[:2] in ("N ", "H ", "V ") for w in wordings)


def test_other_words_tell_what_they_name(monkeypatch):
    monkeypatch.setattr(captions, "OTHER_WORDS", 1.0)
    facts, dice = captions.Facts(sex="male", attributes=["a beard"], absent=["-smiling"]), random.Random(0)
    for _ in range(100):
        told, named = captions.worded(facts, dice, keep=0.0)
        assert set(named) & {"a beard", "-smiling"}
        assert any(w[2:] in told for n, ws in lexicon.LEXICON.items() if set(n) & set(named) for w in ws), told


def test_a_caption_about_an_attribute_says_it_by_another_word():
    facts, dice = captions.Facts(sex="male", attributes=["a hat", "wavy black hair"]), random.Random(0)
    for name in ("a hat", "black hair", "wavy hair"):
        assert all(name in captions.worded(facts, dice, keep=0.0, about=name)[1] for _ in range(20))


def test_rare_attributes_are_drawn_as_often_as_common_ones():
    facts = {i: captions.Facts(attributes=["smiling"]) for i in range(98)}
    facts |= {98: captions.Facts(attributes=["a hat", "wavy black hair"], absent=["-smiling"]), 99: captions.Facts()}
    having = text.holders(facts)
    assert having == {"smiling": list(range(98)), "a hat": [98], "wavy hair": [98], "black hair": [98], "-smiling": [98]}
    chosen, about = text.choose(np.arange(100), having, 400, random.Random(0))
    assert about.count("") == 200 and about.count("a hat") > 20
    assert all(i in having[name] for i, name in zip(chosen, about, strict=True) if name)
    assert text.choose(np.arange(100), {}, 4, random.Random(0))[1] == [""] * 4


@pytest.fixture
def marking(tmp_path):
    cfg = config.Config()
    cfg.paths.state = str(tmp_path)
    known = np.zeros((4, len(marks.NAMES)), np.int8)
    known[1], known[2] = 1, -1
    np.save(cfg.state("marks") / "marks.npy", known)
    return lambda share: (setattr(cfg.unet, "marked", share), Marking(cfg, torch.Generator().manual_seed(0)))[1]


def test_marks_lie_along_their_directions(marking):
    added, named = marking(1.0)(torch.tensor([0, 1, 2, -1] * 50))
    along = torch.from_numpy(marks.directions(768))
    assert torch.allclose(added @ along.T, marks.GAIN * named, atol=1e-4)
    assert not named[0::4].any() and not named[3::4].any(), "nothing is known of these"
    assert named[1::4].min() == 0 and named[1::4].max() == 1 and named[2::4].min() == -1
    assert 0.3 < named[1::4].mean() < 0.7


def test_without_a_share_nothing_is_marked(marking):
    assert not marking(0.0)(torch.tensor([1, 2]))[1].any()


def test_without_marks_the_stage_is_named(tmp_path):
    cfg = config.Config()
    cfg.paths.state = str(tmp_path)
    with pytest.raises(SystemExit, match="run the marks stage first"):
        Marking(cfg, torch.Generator())
