"""How the face encoder goes on: its goals, its teacher, and how it grows."""

import numpy as np
import pytest
import torch

from facestudio_training import config
from facestudio_training.models.face import FaceConfig, FaceEncoder
from facestudio_training.models.teachers import MobileFaceNet
from facestudio_training.stages.refit import Goals, Hints, begin, goals_of, ridge
from facestudio_training.trainer import save

PHOTOS, TEACHER, WIDTH = 400, 16, 32


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def drawn(seed: int) -> tuple[np.ndarray, ...]:
    """What a teacher says; an encoder's embeddings that hold it, colours and noise; the same without the noise; the colours."""
    rng = np.random.default_rng(seed)
    told = unit(rng.normal(size=(PHOTOS, TEACHER))).astype(np.float32)
    colours = rng.normal(size=(PHOTOS, 3))
    into = np.linalg.qr(rng.normal(size=(WIDTH, TEACHER + 3)))[0].T
    clean = told @ into[:TEACHER] + 0.2 * colours @ into[TEACHER:]
    noisy = unit(clean + 0.7 * rng.normal(size=clean.shape) / WIDTH**0.5)
    return told, noisy.astype(np.float32), clean, 50 + 10 * colours


def of_all(goals: Goals, told: np.ndarray) -> np.ndarray:
    return goals(torch.from_numpy(told), goals.kept).numpy()


def test_goals_are_in_the_encoders_space_without_its_noise(tmp_path):
    told, noisy, clean, colours = drawn(1)
    np.save(tmp_path / "e_f.npy", noisy)
    goals = of_all(goals_of(tmp_path, told, np.arange(300), colours[:300], fresh=True), told)
    assert np.allclose(np.linalg.norm(goals, axis=1), 1, atol=1e-5)
    held = slice(300, None)  # photos that the map was not fitted to
    clean = unit(clean)
    assert (goals[held] * clean[held]).sum(1).mean() > (noisy[held] * clean[held]).sum(1).mean() + 0.05


def test_goals_tell_the_colours_that_the_embeddings_told(tmp_path):
    told, noisy, _, colours = drawn(4)
    np.save(tmp_path / "e_f.npy", noisy)
    goals = of_all(goals_of(tmp_path, told, np.arange(300), colours[:300], fresh=True), told)
    w, b = ridge(goals[:300], colours[:300])
    left = ((goals[300:] @ w + b - colours[300:]) ** 2).sum() / ((colours[300:] - colours[300:].mean(0)) ** 2).sum()
    assert left < 0.5


def test_goals_stay_when_the_embeddings_change(tmp_path):
    told, noisy, _, colours = drawn(2)
    np.save(tmp_path / "e_f.npy", noisy)
    first = of_all(goals_of(tmp_path, told, np.arange(PHOTOS), colours, fresh=True), told)
    np.save(tmp_path / "e_f.npy", -noisy)
    assert np.array_equal(of_all(goals_of(tmp_path, told, np.arange(PHOTOS), colours, fresh=False), told), first)


@torch.no_grad()
def test_hints_are_least_where_the_features_tell_the_teachers():
    torch.manual_seed(0)
    taught = [torch.randn(6, width, side, side) for width, side in zip(MobileFaceNet.WIDTHS, (4, 2, 2), strict=True)]
    hints = Hints([8, *MobileFaceNet.WIDTHS])
    for read in hints.read:  # features that are the teacher's own, seen as they are
        torch.nn.init.dirac_(read.weight)
        torch.nn.init.zeros_(read.bias)
    alike = [torch.nn.functional.batch_norm(t, None, None, training=True) for t in taught]
    assert float(hints(alike, taught)) < 1e-6
    assert float(hints([torch.zeros_like(t) for t in taught], [3 + 2 * t for t in taught])) == pytest.approx(1, abs=1e-3)


def small(blocks: list[int], widths: tuple[int, ...] = (4, 6, 8, 10)) -> FaceConfig:
    return FaceConfig(embed=12, widths=list(widths), blocks=blocks, readout=2)


def told_by(encoder: FaceEncoder) -> torch.Tensor:
    with torch.no_grad():
        return encoder.eval()(torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1)


@pytest.fixture
def checkpoint(tmp_path):
    """A config whose state holds an encoder with one residual unit of each size, and that encoder."""
    torch.manual_seed(3)
    cfg = config.Config()
    cfg.paths.state, cfg.face.model = str(tmp_path), small([1, 1, 1])
    encoder = FaceEncoder(cfg.face.model)
    encoder.train()(torch.rand(8, 3, 112, 112) * 2 - 1)  # statistics of its norms
    save(cfg.state("face") / "face.safetensors", encoder.state_dict())
    return cfg, encoder


def test_an_encoder_that_grows_says_what_it_said(checkpoint):
    cfg, before = checkpoint
    cfg.face.model = small([2, 3, 1])
    after = begin(cfg)
    assert sum(p.numel() for p in after.parameters()) > sum(p.numel() for p in before.parameters())
    assert torch.allclose(told_by(after), told_by(before), atol=1e-6)
    after.train()(torch.rand(4, 3, 112, 112))[:, 0].sum().backward()
    assert after.trunk[2].second.norm.weight.grad is not None


@pytest.mark.parametrize("model", [small([1, 0, 1]), small([1, 1, 1], (4, 6, 8, 11))])
def test_an_encoder_of_another_size_is_refused(checkpoint, model):
    cfg, _ = checkpoint
    cfg.face.model = model
    with pytest.raises(SystemExit, match="face.model"):
        begin(cfg)
