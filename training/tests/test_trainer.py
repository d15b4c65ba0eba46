"""Checkpoints: exact resumption, refusals in words, nothing half-written."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from PIL import Image

from facestudio_training import files, trainer
from facestudio_training.config import ROOT, Train
from facestudio_training.prefetch import ahead
from facestudio_training.trainer import Trainer, load_weights, setup


def start(folder, steps: int, width: int = 4, stop_at: int = -1, fresh: bool = False) -> tuple[Trainer, list[float]]:
    """A tiny training whose draws come from the stage's generator and from PyTorch's."""
    random = setup(1, 3)
    net = torch.nn.Linear(width, 1)
    t = Trainer(folder, "net", {"net": net}, Train(minutes=1e9, steps=steps, warmup=1, seed=3), fresh=fresh, random=random)
    losses = []
    for step in t:
        loss = (net(torch.randn(8, width, generator=random)) - torch.rand(8, 1)).square().mean()
        t.step(loss, images=8)
        losses.append(float(loss))
        if step + 1 == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
    return t, losses


def test_an_interrupted_run_goes_on_exactly(tmp_path):
    whole, want = start(tmp_path / "a", 12)
    with pytest.raises(SystemExit) as err:
        start(tmp_path / "b", 12, stop_at=5)
    assert err.value.code == 128 + signal.SIGTERM
    rest, got = start(tmp_path / "b", 12)
    assert got == want[5:] and rest.at == 12
    assert all(torch.equal(a, b) for a, b in zip(whole.ema.values(), rest.ema.values(), strict=True))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_curves_are_drawn_of_what_was_logged(tmp_path, monkeypatch):
    start(tmp_path / "short", 2)
    assert not (tmp_path / "short" / "net-curves.png").exists(), "one line is no curve"
    monkeypatch.setattr(trainer, "PROGRESS_SECONDS", -1.0)
    start(tmp_path / "long", 4)
    with Image.open(tmp_path / "long" / "net-curves.png") as picture:
        assert picture.format == "PNG" and picture.height > 400, "a panel for the loss, one for the norm"
    assert not list(tmp_path.rglob("*.part"))


def test_another_configurations_checkpoint_is_refused_by_weight(tmp_path):
    start(tmp_path, 2)
    with pytest.raises(SystemExit, match=r"another configuration: net.weight is \[1, 4\] there and \[1, 6\] here.*--fresh"):
        start(tmp_path, 2, width=6)
    (tmp_path / "net.resume.pt").unlink()
    with pytest.raises(SystemExit, match="another configuration"):
        start(tmp_path, 2, width=6)
    assert start(tmp_path, 2, width=6, fresh=True)[0].at == 2
    with pytest.raises(SystemExit, match="it has no bias"):
        load_weights(torch.nn.Linear(6, 1), tmp_path / "net.safetensors")


def test_a_damaged_checkpoint_says_how_to_go_on(tmp_path):
    start(tmp_path, 2)
    path = tmp_path / "net.resume.pt"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SystemExit, match="is damaged .*remove it to go on from net.safetensors"):
        start(tmp_path, 2)


FULL = """
import resource, signal, sys, torch
sys.path.insert(0, {root!r})
from pathlib import Path
from facestudio_training.trainer import save
from facestudio_training import files
import numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
path = Path({path!r})
what = {what!r}
if what == "weights":
    save(path, {{"w": torch.zeros(100_000)}}, {{}})
elif what == "arrays":
    files.write_arrays(path, array=np.zeros(100_000))
else:
    with files.replacing(path) as beside:
        torch.save({{"w": torch.zeros(100_000)}}, beside)
"""


@pytest.mark.parametrize("what", ["weights", "arrays", "resume"])
def test_a_full_disk_leaves_what_was_there(tmp_path, what):
    """A limit on file sizes stands in for the full disk: the same failing write."""
    path = tmp_path / {"weights": "a.safetensors", "arrays": "a.npy", "resume": "a.pt"}[what]
    path.write_text("before")
    done = subprocess.run([sys.executable, "-c", FULL.format(root=str(ROOT), path=str(path), what=what)], capture_output=True, text=True)
    assert done.returncode == 1 and "the disk is full" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_failing_write_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="boom"), files.replacing(tmp_path / "x") as beside:
        beside.write_text("half")
        raise ValueError("boom")
    assert not list(tmp_path.iterdir())


def test_batches_come_in_order_whoever_makes_them():
    for workers in (0, 3):
        batches = ahead(lambda k: k * k, 5, workers)
        assert [next(batches) for _ in range(20)] == [k * k for k in range(5, 25)]
        batches.close()


def test_a_batch_that_fails_is_told_where_it_is_used():
    def make(k: int) -> int:
        if k == 3:
            raise ValueError("no such picture")
        return k

    batches = ahead(make, 0, 2)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="no such picture"):
        next(batches)
