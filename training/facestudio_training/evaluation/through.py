"""The same pictures through `bin/facestudio`, to know that this package measures the real mesh."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from . import measures
from .bench import Bench
from .table import Table

ADDRESS = "127.0.0.1:17433"


def compare(bench: Bench, bundle: Path, repository: Path, log: Path, count: int) -> Table:
    """PSNR and the largest difference between this process's pictures and the mesh's."""
    trials = bench.pairs(count)
    mine = [o.picture for o in bench.run(trials, "through the mesh")]
    apart, psnr, seconds, g = [], [], [], bench.gallery
    with tempfile.TemporaryDirectory() as temporary, running(repository, bundle, Path(temporary), log) as command:
        for trial, own in zip(trials, mine, strict=True):
            face, style, result = (Path(temporary) / f"{name}.png" for name in ("face", "style", "result"))
            Image.fromarray(np.asarray(g.data.pixels[g.rows[trial.given[0]]])).save(face)
            Image.fromarray(np.asarray(g.data.pixels[g.rows[trial.style]])).save(style)
            started = time.monotonic()
            subprocess.run([command, "generate", "--server", ADDRESS, "--face", face, "--style", style, "--seed",
                            str(trial.seed), "-o", result, "--json"], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.monotonic() - started)
            made = np.array(Image.open(result).convert("RGB"))
            apart.append(int(np.abs(made.astype(int) - own).max()))
            psnr.append(measures.psnr(made, own))
    return Table("Through the mesh", ["pictures", "PSNR to this process's, mean (least), dB", "largest difference, median",
                                      "seconds a picture"],
                 [[str(count), f"{np.mean(psnr):.1f} ({min(psnr):.1f})", f"{np.median(apart):.0f}", f"{np.mean(seconds):.1f}"]],
                 "JPEG and resampling code differ between the two, so faces and style inputs differ by a level or two.")


@contextlib.contextmanager
def running(repository: Path, bundle: Path, folder: Path, log: Path) -> Iterator[Path]:
    """Runs the whole mesh on ADDRESS with its data in a folder; gives the command that speaks to it."""
    command = repository / "bin" / "facestudio"
    if not command.exists():
        raise SystemExit("eval: bin/facestudio is missing: run `make build` first")
    with open(log / "mesh.log", "w") as output:
        mesh = subprocess.Popen([command, "up", "--listen", ADDRESS, "--data-dir", folder / "mesh", "--bundle", bundle],
                                stdout=output, stderr=output)
        try:
            wait(command, mesh)
            yield command
        finally:
            mesh.terminate()
            mesh.wait(60)


def wait(command: Path, mesh: subprocess.Popen) -> None:
    for _ in range(240):
        if mesh.poll() is not None:
            raise SystemExit("eval: the mesh stopped at start: see eval/mesh.log in the state folder")
        if subprocess.run([command, "generations", "list", "--server", ADDRESS], capture_output=True).returncode == 0:
            return
        time.sleep(0.5)
    raise SystemExit("eval: the mesh did not become ready within two minutes")
