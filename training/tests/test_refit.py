"""How the face encoder goes on: its goals, its teacher, and how it grows."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from facestudio_training import config
from facestudio_training.models.face import FaceConfig, FaceEncoder
from facestudio_training.models.teachers import MobileFaceNet
from facestudio_training.stages import goals
from facestudio_training.stages.goals import Goals
from facestudio_training.stages.refit import Draw, Hints, begin, translate
from facestudio_training.trainer import save

TEACHER, WIDTH = 16, 32


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def drawn(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a teacher says of photos, and their colours."""
    rng = np.random.default_rng(seed)
    return (torch.from_numpy(unit(rng.normal(size=(count, TEACHER))).astype(np.float32)),
            torch.from_numpy(rng.normal(size=(count, 3)).astype(np.float32)))


def test_goals_are_of_unit_length_and_as_far_apart_as_the_teacher_says():
    told, colours = drawn(200, 1)
    got = Goals(TEACHER, WIDTH, torch.device("cpu"))(told, colours)
    assert torch.allclose(got.norm(dim=1), torch.ones(200), atol=1e-5)
    apart = ~torch.eye(200, dtype=torch.bool)
    both = torch.stack([(got @ got.T)[apart], (told @ told.T)[apart]])
    assert float(torch.corrcoef(both)[0, 1]) > 0.97


def test_goals_tell_the_colours():
    told, colours = drawn(400, 2)
    got = Goals(TEACHER, WIDTH, torch.device("cpu"))(told, colours)
    fit = torch.linalg.lstsq(got[:300], colours[:300]).solution
    left = (got[300:] @ fit - colours[300:]).square().sum() / colours[300:].square().sum()
    assert float(left) < 0.1


def test_goals_are_always_the_same():
    told, colours = drawn(5, 3)
    assert torch.equal(*(Goals(TEACHER, WIDTH, torch.device("cpu"))(told, colours) for _ in range(2)))


def test_colours_are_in_deviations_of_the_pictures():
    shades = np.random.default_rng(4).integers(60, 200, (50, 1, 1, 3), np.uint8)
    held = SimpleNamespace(faces=np.broadcast_to(shades, (50, 112, 112, 3)))
    got = goals.colours(held, np.arange(50))
    assert got.shape == (50, 3) and np.abs(got.mean(0)).max() < 0.05 and np.abs(got.std(0) - 1).max() < 0.1
    assert np.corrcoef(got[:, 0], shades[:, 0, 0].mean(1))[0, 1] > 0.5


def test_faces_of_two_people_lie_between_them():
    draw = object.__new__(Draw)
    draw.cfg, draw.random = SimpleNamespace(blended=0.5), torch.Generator().manual_seed(5)
    levels = torch.tensor([-0.8, 0.8])
    draw.crops = type("Flat", (), {"__len__": lambda _: 2, "__call__": lambda _, at: levels[at][:, None, None, None].repeat(1, 3, 112, 112)})()
    draw.colours = torch.tensor([[0.0, 0, 0], [1, 1, 1]])
    faces, shown, colours = draw(64)
    assert faces.shape == shown.shape and shown.abs().max() <= 1
    alone, two = faces[:32], faces[32:]
    assert bool((alone.abs() == 0.8).all())
    between = (two.abs() < 0.79).float().mean((1, 2, 3))
    assert float((between > 0.99).float().mean()) > 0.05  # the same everywhere
    assert float(((between > 0.02) & (between < 0.5)).float().mean()) > 0.05  # on two sides of a line
    torch.testing.assert_close(colours, (faces.mean((1, 2, 3)) / 1.6 + 0.5)[:, None].repeat(1, 3), atol=1e-3, rtol=0)


@pytest.fixture
def speaking(tmp_path):
    """A config with a U-Net's guidance, embeddings as they were said, and as they are said now."""
    cfg = config.Config()
    cfg.paths.state, cfg.guidance.image_dim = str(tmp_path), 3
    rng = np.random.default_rng(6)
    before = unit(rng.normal(size=(500, 8))).astype(np.float32)
    after = before @ np.linalg.qr(rng.normal(size=(8, 8)))[0].astype(np.float32)
    weight = torch.randn(4, 11, generator=torch.Generator().manual_seed(7))
    for name in ("unet", "likeness"):
        save(cfg.state("unet") / f"{name}.safetensors", {"guidance.linear.weight": weight, "unet.x": torch.ones(2)}, {"images": 3})
    return cfg, before, after, weight


def test_the_guidance_understands_the_new_embeddings(speaking):
    cfg, before, after, weight = speaking
    translate(cfg, before, after)
    for name in ("unet", "likeness"):
        held = load_file(str(cfg.state("unet") / f"{name}.safetensors"))
        got = held["guidance.linear.weight"]
        assert torch.equal(got[:, :3], weight[:, :3]) and torch.equal(held["unet.x"], torch.ones(2))
        said = torch.from_numpy(after) @ got[:, 3:].T
        assert float((said - torch.from_numpy(before) @ weight[:, 3:].T).abs().max()) < 0.05
        assert (cfg.state("unet") / f"{name}.json").exists()


def test_what_the_guidance_understands_is_left_alone(speaking):
    cfg, before, _, weight = speaking
    translate(cfg, before, unit(before + 0.1))
    assert torch.equal(load_file(str(cfg.state("unet") / "unet.safetensors"))["guidance.linear.weight"], weight)


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
