"""The Python example before a real mesh."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FACES = ROOT / "examples/faces"


def run(mesh, *args):
    return subprocess.run(
        [sys.executable, ROOT / "examples/python/make_picture.py", "--server", mesh, *args],
        capture_output=True, text=True, check=False,
    )


def test_it_enrols_a_person_and_makes_a_picture(mesh, tmp_path):
    out = tmp_path / "out.png"
    ran = run(mesh, "--face", FACES / "amara.jpg", "--style", FACES / "erik.jpg", "-o", out)
    assert ran.returncode == 0, ran.stderr
    assert "photos[0] used" in ran.stdout
    assert "denoise" in ran.stdout
    assert "subjects/" in ran.stdout
    assert out.read_bytes().startswith(b"\x89PNG")


def test_it_says_what_is_wrong(mesh, tmp_path):
    no_picture = tmp_path / "note.jpg"
    no_picture.write_text("this is a text")
    ran = run(mesh, "--face", no_picture, "--style", FACES / "erik.jpg", "-o", tmp_path / "out.png")
    assert ran.returncode == 1
    assert ran.stderr.startswith("photos[0]: ")
    assert "(UNSUPPORTED_IMAGE)" in ran.stderr
