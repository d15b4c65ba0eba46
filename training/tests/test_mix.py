"""The U-Net's batches: unchanged without scenes, complete with them."""

import numpy as np
import pytest
import torch

from facestudio_training import config
from facestudio_training.stages.mix import INSIDE, WHOLE, Mix

D, F, C, SIDE, PHOTOS = 6, 5, 4, 4, 9


class Portraits:
    """A draw of portraits with the fields that scenes need, as stages/unet.py has them."""

    def __init__(self, seed: int = 0):
        rng = torch.Generator().manual_seed(1)
        self.random = torch.Generator().manual_seed(seed)
        self.latents = torch.randn(PHOTOS, 2, C, SIDE, SIDE, generator=rng)
        self.face = torch.nn.functional.normalize(torch.randn(PHOTOS, F, generator=rng), dim=1)
        self.photos, self.first, self.count = torch.arange(PHOTOS), torch.arange(PHOTOS), torch.ones(PHOTOS).long()

    def marking(self, rows):
        return torch.zeros(len(rows), D), None

    def __call__(self, batch: int):
        row = (torch.rand(batch, generator=self.random) * PHOTOS).long()
        return self.latents[row, 0], torch.full((batch, D), 7.0), self.face[row].clone(), row


@pytest.fixture
def cfg(tmp_path):
    cfg = config.Config()
    cfg.paths.state = str(tmp_path)
    cfg.unet.both_drop = cfg.unet.style_drop = cfg.unet.face_drop = 0.0
    rng = np.random.default_rng(0)
    for kind in (*INSIDE, *WHOLE):
        h, w = {"wide": (SIDE, 2 * SIDE), "square": (2 * SIDE, 2 * SIDE)}.get(kind, (SIDE, SIDE))
        n = 3 if kind in WHOLE else 1
        rows = np.full((8, n), -1)
        if kind != "nobody":
            rows[:, 0] = rng.integers(0, PHOTOS, 8)
        if kind in WHOLE:
            rows[:4, 1] = rng.integers(0, PHOTOS, 4)
        masks = np.zeros((8, n, h, w), np.float16)
        masks[:, 0, :, : w // 4] = 1
        masks[rows[:, -1] >= 0, -1, :, w // 2:] = 0.5
        np.savez(cfg.state("scenes") / f"{kind}.npz", latents=rng.normal(size=(8, C, h, w)).astype(np.float16),
                 style=np.full((8, D), 3, np.float16), masks=masks, points=np.zeros((8, n, 4, 2), np.float32),
                 rows=rows.astype(np.int32))
    return cfg


def test_without_shares_the_draw_is_untouched(cfg):
    plain, mixed = Portraits(5), Mix(cfg, Portraits(5))
    for _ in range(3):
        latent, style, face, row = plain(8)
        batch = mixed(8)
        assert torch.equal(batch.latent, latent) and torch.equal(batch.style, style)
        assert torch.equal(batch.faces[:, 0], face) and torch.equal(batch.rows, row) and torch.equal(batch.mask, torch.ones(8, 1, SIDE, SIDE))


def test_portrait_sized_scenes_take_their_share_of_a_batch(cfg):
    cfg.unet.scenes.stylised, cfg.unet.scenes.nobody = 0.3, 0.2
    mixed, seen, zero = Mix(cfg, Portraits()), [], []
    for _ in range(40):
        batch = mixed(32)
        seen.append((batch.style[:, 0] == 3).float().mean())
        zero.append((batch.faces[:, 0].abs().sum(1) == 0).float().mean())
    assert abs(torch.stack(seen).mean() - 0.5) < 0.05 and abs(torch.stack(zero).mean() - 0.2) < 0.04


@pytest.mark.parametrize(("kind", "batch", "shape"), [("wide", 16, (SIDE, 2 * SIDE)), ("square", 8, (2 * SIDE, 2 * SIDE))])
def test_groups_cover_the_canvas_and_pad_with_nobody(cfg, kind, batch, shape):
    setattr(cfg.unet.scenes, kind, 1.0)
    made = Mix(cfg, Portraits())(32)
    assert made.latent.shape == (batch, C, *shape) and made.mask.shape == (batch, 3, *shape)
    torch.testing.assert_close(made.mask.sum(1), torch.ones(batch, *shape))
    empty = made.faces.abs().sum(2) == 0
    assert empty[:, 2].all() and not empty[:, 0].any()
    assert made.mask[:, 2].max() == 0
    context = made.context(lambda style, face: torch.cat([style, face], 1)[:, None])
    assert context.shape == (batch, 3, 1, D + F)


def test_impossible_shares_are_refused(cfg):
    cfg.unet.scenes.wide, cfg.unet.scenes.square = 0.7, 0.7
    with pytest.raises(SystemExit, match="shares must be 0..1"):
        Mix(cfg, Portraits())


def test_a_share_of_what_was_not_made_names_the_stage(cfg):
    cfg.unet.scenes.moved = 0.1
    (cfg.state("scenes") / "moved.npz").unlink()
    with pytest.raises(SystemExit, match="run the scenes stage first"):
        Mix(cfg, Portraits())
