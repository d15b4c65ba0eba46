"""Shared by the tests: the tiny config. Run with `python -m pytest tests` in training/."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from facestudio_training import config  # noqa: E402
from facestudio_training.data import align, pictures  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> config.Config:
    return config.load(ROOT / "configs" / "tiny.toml")


def tiny_mesh(kind):
    """A mesh of that kind of the committed tiny bundle."""
    bundle = ROOT.parent / "models" / "tiny"
    digest = next(f["sha256"] for f in json.loads((bundle / "bundle.json").read_text())["files"] if f["role"] == "face_detector")
    return kind(bundle, ROOT.parent / ".cache" / "models" / f"{digest}.onnx")


def synthetic(mesh) -> pictures.Pictures:
    """People who do not exist, two as one person, as development people; each picture is there twice."""
    files = 2 * sorted((ROOT.parent / "examples" / "faces").glob("*.jpg"))[:12]
    pixels = np.stack([cv2.resize(cv2.cvtColor(cv2.imread(str(f)), cv2.COLOR_BGR2RGB), (128, 128), interpolation=cv2.INTER_AREA)
                       for f in files])
    found = [mesh.detect(p)[0] for p in pixels]
    n = len(files)
    texts = np.array([""] * n)
    return pictures.Pictures(
        pixels, np.stack([align.face(p, f.points) for p, f in zip(pixels, found)]), np.zeros((n, 64, 64, 3), np.uint8),
        np.ones(n, bool), np.ones(n, np.float32), np.stack([f.box for f in found]), np.stack([f.points for f in found]),
        np.array([f.name for f in files]), np.array(["dev"] * n), np.arange(n) % 6, texts, np.ones(n, bool),
        np.full(n, -1), texts, texts)
