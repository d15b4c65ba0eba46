"""Marks: directions in the space of e_h that say what a prompt names and a masked picture cannot show.

The style picture's face is greyed out before it is embedded (paper 3.3), so e_h tells nothing of a smile, glasses or
a beard, and a prior that learns to imagine e_h alone has nowhere to put them. Every attribute therefore has a direction (ours):

    e_T = e_h + GAIN * sum_k s_k a_k D_k,   a_k = 1 named, -1 named as absent, 0 not said

The U-Net learns from pictures with some of their attributes marked, the prior from captions with those marked that the
caption names, STRENGTH times as strong: a face mostly agrees with its marks in training, so that alone they do little against
one that does not. A picture given as style has no marks, so nothing is said of its face.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .captions import ATTRIBUTES
from .lexicon import HAIR

NAMES = (*ATTRIBUTES, *HAIR)
GAIN = 6.0  # e_h itself deviates by about 0.6 along such a direction
SEED = 20_240
# s_k, by the annotator on example people in each other's pictures: about where it sees the attribute in most.
STRENGTH = np.array([{
    "smiling": 2.5, "a beard": 3.5, "a goatee": 3.5, "bangs": 5, "a hat": 5, "a bald head": 5, "black": 2.5, "brown": 3, "wavy": 3,
    "straight": 3}.get(name, 4) for name in NAMES], np.float32)


@cache
def directions(width: int) -> np.ndarray:
    """float32 [K,width]: one direction for each of NAMES, at right angles to each other."""
    drawn = np.random.default_rng(SEED).standard_normal((width, len(NAMES)))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


def named(attributes: list[str]) -> np.ndarray:
    """float32 [K] of attributes as captions have them: 1 for what is named, -1 for what has a minus before it; a named
    colour or shape of hair says that it is no other."""
    out = np.zeros(len(NAMES), np.float32)
    for words in attributes:
        bare = words.removeprefix("-")
        if bare in ATTRIBUTES:
            out[NAMES.index(bare)] = 1 if bare == words else -1
        elif words.endswith(" hair"):
            told = words.split()[:-1]
            for group in (HAIR[:4], HAIR[4:]):
                if set(group) & set(told):
                    for name in group:
                        out[NAMES.index(name)] = 1 if name in told else -1
    return out
