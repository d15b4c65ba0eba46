"""A real mesh with the tiny bundle, for all tests here."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def mesh(tmp_path_factory):
    """The address of a mesh, host:port. It must end well."""
    folder = tmp_path_factory.mktemp("mesh")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                ROOT / "bin/facestudio", "up", "--json", "--listen", "127.0.0.1:0", "--threads", "1",
                "--data-dir", folder / "data", "--bundle", ROOT / "models/tiny",
            ],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=log,
        )
    said = b""
    for line in process.stdout:
        said += line
        if line.rstrip() == b"}":
            break
    assert said, (folder / "log").read_text()
    yield json.loads(said)["listen"]
    process.send_signal(signal.SIGTERM)
    process.stdout.read()
    assert process.wait() == 0, (folder / "log").read_text()
