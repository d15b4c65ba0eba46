"""What the stage `likeness` asks for: who, where in which picture, and what of it is empty."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from facestudio_training import config
from facestudio_training.data import align
from facestudio_training.language import marks
from facestudio_training.stages import asked
from facestudio_training.stages.mix import Mix

ROWS, SIDE, D, F, C, E = 6, 16, 4, 3, 2, 5


class Portraits:
    """What Requests reads of unet.Draw: everybody has one photo, e_f of row i is [i,i,i]."""

    def __init__(self):
        self.random = torch.Generator().manual_seed(1)
        self.latents = torch.zeros(ROWS, 2, C, SIDE, SIDE)
        self.style = torch.ones(ROWS, 2, D)
        self.face = torch.arange(ROWS)[:, None].repeat(1, F).float()
        self.photos = self.first = torch.arange(ROWS)
        self.count = torch.ones(ROWS)

    def marking(self, rows):
        """The first attribute of everybody, told by 100 in every place of e_h."""
        named = torch.zeros(len(rows), len(marks.NAMES))
        named[:, 0] = 1
        return torch.full((len(rows), D), 100.0), named


@pytest.fixture
def requests(tmp_path, monkeypatch):
    cfg = config.Config()
    cfg.paths.state, cfg.data.size = str(tmp_path), 8 * SIDE
    cfg.unet.scenes.wide, cfg.unet.scenes.stylised = 0.1, 0.1
    points = np.tile(align.FFHQ_128, (8, 3, 1, 1)).astype(np.float32)
    points[:, 1, :, 0] += 8 * SIDE
    rows = np.tile(np.array([0, 1, -1], np.int32), (8, 1))
    masks = np.zeros((8, 3, SIDE, 2 * SIDE), np.float16)
    masks[:, 0, :, :8], masks[:, 1, :, 24:] = 1, 1
    np.savez(cfg.state("scenes") / "wide.npz", latents=np.ones((8, C, SIDE, 2 * SIDE), np.float16),
             style=np.ones((8, D), np.float16), masks=masks, points=points, rows=rows)
    np.savez(cfg.state("scenes") / "stylised.npz", latents=np.full((8, C, SIDE, SIDE), 7, np.float16),
             style=np.full((8, D), 7, np.float16), masks=np.ones((8, 1, SIDE, SIDE), np.float16), points=points[:, :1], rows=rows[:, :1])
    held = SimpleNamespace(where=lambda split: np.arange(ROWS), found=np.ones(ROWS, bool), points=np.tile(align.FFHQ_128, (ROWS, 1, 1)),
                           split=np.full(ROWS, "train"), identity=np.arange(ROWS),
                           faces=np.broadcast_to(np.arange(ROWS, dtype=np.uint8)[:, None, None, None], (ROWS, 112, 112, 3)))
    monkeypatch.setattr(asked.face, "teacher_embeddings", lambda cfg, held: np.eye(ROWS, E + 1, dtype=np.float32))
    return lambda: asked.Requests(cfg, Sized(held), Mix(cfg, Portraits())), cfg.likeness


class Sized:
    def __init__(self, held):
        self.__dict__.update(vars(held))

    def __len__(self):
        return ROWS


def test_single_people_are_asked_for_by_their_own_embedding(requests):
    make, c = requests
    c.groups, c.elsewhere, c.own, c.style_drop = 0.0, 0.0, 0.0, 0.0
    got = make()(32)
    who = got.faces[:, 0, 0].long()
    assert torch.equal(got.wanted, torch.eye(ROWS, E + 1)[who]) and torch.equal(got.picture, torch.arange(32))
    assert torch.allclose(got.tone, who[:, None] / 255)
    assert (got.style == 101).all() and (got.named[:, 0] == 1).all(), "marks are added to e_h, and told"
    assert got.latent.shape == (32, C, SIDE, SIDE) and torch.equal(got.mask, torch.ones(32, 1, SIDE, SIDE))


def test_other_styles_take_their_share_with_their_own_latents(requests):
    make, c = requests
    c.groups, c.elsewhere, c.style_drop = 0.0, 1.0, 0.0
    got = make()(64)
    stylised = got.style[:, 0] == 7
    assert 10 < stylised.sum() < 54  # the other half is kept for `moved`, which is not there
    assert torch.equal(got.latent[:, 0, 0, 0] == 7, stylised)
    assert torch.equal(got.named[:, 0] == 0, stylised), "whose colours may be others than the marks say"


def test_without_a_style_nothing_is_named(requests):
    make, c = requests
    c.groups, c.elsewhere, c.style_drop = 0.0, 0.0, 1.0
    got = make()(8)
    assert not got.style.any() and not got.named.any()


def test_in_groups_everybody_has_a_place_and_a_mask_and_nobody_has_none(requests):
    make, c = requests
    c.groups, c.own = 1.0, 0.0
    got = make()(16)
    assert got.latent.shape == (8, C, SIDE, 2 * SIDE) and got.faces.shape == (8, 3, F)
    assert torch.equal(got.picture, torch.arange(8).repeat_interleave(2))
    assert torch.equal(got.mask.sum(1), torch.ones(8, SIDE, 2 * SIDE)) and not got.mask[:, 2].any()
    assert not got.faces[:, 2].any() and not got.named.any()
    who = got.faces[:, :2, 0].long().flatten()
    assert torch.equal(got.wanted, torch.eye(ROWS, E + 1)[who])
    left, right = got.place[0::2, 0, 2], got.place[1::2, 0, 2]
    assert (left < 0).all() and torch.allclose(right, left + 1, atol=1e-5)  # one portrait is half of the canvas's -1..1


def test_the_own_face_is_asked_for_where_it_is_to_be(requests):
    make, c = requests
    c.groups, c.own = 1.0, 1.0
    assert torch.equal(make()(4).faces[:, :2, 0], torch.tensor([[0.0, 1.0]]).repeat(2, 1))


def test_a_persons_tone_is_the_mean_of_all_photos():
    faces = np.zeros((4, 112, 112, 3), np.uint8)
    for i, colour in enumerate(((200, 100, 50), (100, 100, 50), (10, 20, 30), (0, 0, 0))):
        faces[i] = 255  # hair and background are not skin
        faces[i, 40:100, 30:82] = colour
    held = SimpleNamespace(faces=faces, identity=np.array(["ada", "ada", "bob", "cyn"]))
    got = asked.tones(held, np.array([2, 0, 1]))
    assert np.allclose(got, np.array([[10, 20, 30], [150, 100, 50], [150, 100, 50]]) / 255)
