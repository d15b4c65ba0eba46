"""Writes a bundle's folder: whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .manifest import File, encode


def write(folder: Path, manifest: dict, files: list[File]) -> None:
    """Writes everything to a folder beside, then puts it in the place of the old one."""
    beside, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
    for leftover in (beside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    beside.mkdir(parents=True)
    for file in files:
        if not file.third:
            (beside / file.path).write_bytes(file.data)
    (beside / "bundle.json").write_bytes(encode(manifest))
    if folder.exists():
        os.replace(folder, old)
    os.replace(beside, folder)
    shutil.rmtree(old, ignore_errors=True)
