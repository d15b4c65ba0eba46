"""Scenes beyond the portraits: deterministic, complete, and true to the masks."""

import cv2
import numpy as np
import pytest

from facestudio_training.data import groups, nobody, scenes, styles

SIDE = 64


@pytest.fixture(scope="module")
def source() -> scenes.Source:
    """Five people: a disc of one colour each before a grey wall."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    mask = ((np.hypot(x - 32, y - 26) < 16) | ((y > 40) & (abs(x - 32) < 20))).astype(np.float32)
    pixels = np.full((5, SIDE, SIDE, 3), 128, np.uint8)
    for i in range(5):
        pixels[i][mask > 0] = (40 * i + 30, 255 - 40 * i, 90)
    box = np.tile([22.0, 16, 20, 22], (5, 1))
    points = np.tile([[26.0, 22], [38, 22], [32, 28], [32, 34]], (5, 1, 1))
    return scenes.Source(pixels, box, points, np.arange(5), dict.fromkeys(range(5), mask),
                         np.stack([styles.palette_of(nobody.stock_picture("coffee"))]))


@pytest.mark.parametrize("kind", scenes.CANVAS)
def test_scenes_are_whole_and_repeatable(source, kind):
    for seed in range(8):
        made, again = (scenes.draw(kind, source, np.random.default_rng(seed)) for _ in range(2))
        height, width = (SIDE * k for k in scenes.CANVAS[kind])
        assert made.picture.shape == (height, width, 3) and made.picture.dtype == np.uint8
        assert made.masks.shape == (len(made.rows), height, width)
        assert made.masks.min() >= 0 and made.masks.sum(0).max() <= 1 + 1e-5
        assert np.array_equal(made.picture, again.picture) and np.array_equal(made.rows, again.rows)
        assert (made.rows[0] == -1) == (kind == "nobody")


def test_groups_keep_every_face_in_view_and_in_its_mask(source):
    seen = []
    for seed in range(20):
        made = scenes.draw("wide", source, np.random.default_rng(seed))
        for mask, box in zip(made.masks, made.boxes, strict=True):
            seen.append(groups.shown(mask, box))
    assert np.mean(np.array(seen) > 0.7) > 0.95


def test_the_face_stays_in_the_frame_when_moved(source):
    for seed in range(30):
        made = scenes.draw("moved", source, np.random.default_rng(seed))
        x, y, w, h = made.boxes[0]
        assert x + w > 0.5 * w and y + h > 0.5 * h and x < SIDE - 0.5 * w and y < SIDE


@pytest.mark.parametrize("kind", ["moved", "stylised", "wide"])
def test_points_stay_where_they_are_in_the_face(source, kind):
    for seed in range(12):
        made = scenes.draw(kind, source, np.random.default_rng(seed))
        right, left = made.points[:, 0], made.points[:, 1]
        assert (left[:, 0] > right[:, 0]).all()  # the person's right eye is left, in mirror images too
        for (x, y, w, h), points in zip(made.boxes, made.points, strict=True):
            place = (points - [x, y]) / [w, h]
            np.testing.assert_allclose(place[:, 1], [6 / 22, 6 / 22, 12 / 22, 18 / 22], atol=0.01)
            np.testing.assert_allclose(place[:2, 0].mean(), 0.5, atol=0.06)


@pytest.mark.parametrize("kind", styles.KINDS)
def test_styles_change_a_picture_and_keep_its_layout(kind):
    picture = nobody.stock_picture("coffee")[:256, :256]
    made = styles.stylise(picture, kind, np.random.default_rng(0), styles.palette_of(nobody.stock_picture("rocket")))
    assert made.shape == picture.shape and made.dtype == np.uint8 and not np.array_equal(made, picture)
    tones = [cv2.GaussianBlur(p.astype(np.float32).mean(2), (0, 0), 3) for p in (picture, made)]
    edges = [cv2.GaussianBlur(np.abs(cv2.Laplacian(t, -1)), (0, 0), 4) for t in tones]
    assert max(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in (tones, edges)) > 0.4


def test_an_unknown_style_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown kind 'cubist'; known: cartoon"):
        styles.stylise(np.zeros((8, 8, 3), np.uint8), "cubist", np.random.default_rng(0))


def test_masks_fill_the_latent_canvas_once_the_background_is_shared():
    masks = np.zeros((2, 16, 32), np.float32)
    masks[0, 4:, :12], masks[1, 4:, 20:] = 1, 0.5
    small = scenes.latent_masks(masks, 8)
    assert small.shape == (2, 2, 4) and np.isclose(small[0, 1, 0], 1) and np.isclose(small.mean(), masks.mean())
    whole = scenes.share_background(small, 1)
    assert np.allclose(whole.sum(0), 1) and np.array_equal(whole[0], small[0])
