"""Aligned faces cut by torch are those that the services cut."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from facestudio_training.data import align, crops


def picture(seed: int) -> np.ndarray:
    return cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 256, (128, 128, 3), np.uint8), (0, 0), 3)


def points(seed: int) -> np.ndarray:
    return align.FFHQ_128 + np.array([3.0, -4.0]) + np.random.default_rng(seed).normal(0, 2, (4, 2))


def test_crops_are_those_of_the_face_encoder():
    theta = torch.from_numpy(crops.places(points(0)[None], 128, 128))
    got = crops.cut(torch.from_numpy(picture(0)).float().permute(2, 0, 1)[None], theta)
    want = align.face(picture(0), points(0)).astype(np.float32)
    inside = (F.affine_grid(theta, [1, 3, 112, 112], align_corners=False).abs() < 0.98).all(-1)[0].numpy()
    assert inside.mean() > 0.5
    np.testing.assert_allclose(got[0].permute(1, 2, 0).numpy()[inside], want[inside], atol=3)


@pytest.fixture
def still(monkeypatch):
    """Crops of two pictures whose alignment is not disturbed."""
    for name in ("SHIFT", "SCALE", "TURN"):
        monkeypatch.setattr(crops, name, 0.0)
    return crops.Crops(np.stack([picture(0), picture(1)]), np.stack([points(0), points(1)]), torch.Generator().manual_seed(0))


def test_undisturbed_crops_are_the_face_or_its_mirror_image(still):
    at, sides = torch.tensor([0, 1] * 8), set()
    for i, got in zip(at.tolist(), still(at), strict=True):
        want = align.face(picture(i), points(i)).astype(np.float32) / 127.5 - 1
        off = [np.abs(got.permute(1, 2, 0).numpy() - w).mean() for w in (want, want[:, ::-1])]
        assert min(off) < 0.01 < max(off)
        sides.add(int(np.argmin(off)))
    assert sides == {0, 1}


def test_disturbed_crops_stay_near(still, monkeypatch):
    straight = still(torch.zeros(32, dtype=torch.long))
    monkeypatch.undo()
    moved = still(torch.zeros(32, dtype=torch.long))
    off = (moved[:, None] - straight[None]).abs().mean((2, 3, 4)).amin(1)
    assert 0.001 < float(off.mean()) < 0.2


def test_other_light_keeps_the_range_and_some_faces_are_soft():
    faces = torch.rand(40, 3, 112, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1
    got = crops.disturbed(faces, torch.Generator().manual_seed(2))
    assert got.shape == faces.shape and float(got.abs().max()) <= 1
    rough = got.diff(dim=3).abs().mean((1, 2, 3))
    soft = int(40 * crops.SOFT)
    assert float(rough[:soft].max()) < float(rough[soft:].median()) / 2
    grey = (got - got.mean(1, keepdim=True)).abs().amax((1, 2, 3)) < 0.2
    assert float(grey.float().mean()) < 0.5
