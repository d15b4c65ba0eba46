"""Files that are whole or not there: written beside, then put in place."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside to write to; it takes path's place when the block ends well, and is gone when
    not. A full disk ends the program with words that say so; path is then as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        yield beside
        os.replace(beside, path)
    except BaseException as err:
        beside.unlink(missing_ok=True)
        if full(err):
            raise SystemExit(f"{path}: could not be written, the disk is full or over quota; free some space and run "
                             "again: what was there before is unchanged") from err
        raise


def full(err: BaseException) -> bool:
    """Whether an error is that of a full disk; libraries in other languages only say it in words."""
    if isinstance(err, OSError) and err.errno in FULL:
        return True
    words = ("No space left on device", "File too large", "quota exceeded", "unexpected pos", "PytorchStreamWriter failed",
             " requested and ")  # numpy's short write
    return isinstance(err, Exception) and any(w in str(err) for w in words)


@contextmanager
def array_of(path: Path, shape: tuple[int, ...], dtype=np.uint8) -> Iterator[np.ndarray]:
    """A new .npy on disk to fill in place, under the promises of replacing. Its room is taken at once:
    a disk that fills up under a mapped file would kill the program without words."""
    with replacing(path) as beside:
        held = np.lib.format.open_memmap(beside, "w+", dtype, shape)
        with open(beside, "r+b") as out:
            if hasattr(os, "posix_fallocate") and held.size:
                os.posix_fallocate(out.fileno(), 0, os.fstat(out.fileno()).st_size)
        yield held
        held.flush()


def write_text(path: Path, text: str) -> None:
    with replacing(path) as beside:
        beside.write_text(text)


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1))


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """An .npz of named arrays, or of `array` alone an .npy, by path's suffix."""
    with replacing(path) as beside, open(beside, "wb") as out:
        if path.suffix == ".npy":
            np.save(out, arrays["array"])
        else:
            np.savez(out, **arrays)
