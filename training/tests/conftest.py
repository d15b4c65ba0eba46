"""Shared by the tests: the tiny config. Run with `python -m pytest tests` in training/."""

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from facestudio_training import config  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> config.Config:
    return config.load(ROOT / "configs" / "tiny.toml")
