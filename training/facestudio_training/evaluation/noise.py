"""The mesh's noise: Philox4x32-10 and Box-Muller, for whole tensors at once.

The layout is that of golden/philox.py, which works one block at a time."""

from __future__ import annotations

import numpy as np

LATENTS, PRIOR, BACKGROUND = 0, 1, 2
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
BUMPS = (0x9E3779B9, 0xBB67AE85)
LOW, WORD = np.uint64(0xFFFFFFFF), np.uint64(32)


def words(seed: int, blocks: int, step: int = 0, picture: int = 0, stream: int = LATENTS) -> np.ndarray:
    """The words uint64 [blocks,4] (each below 2^32) of counters (block, step, picture, stream)."""
    seed &= (1 << 64) - 1
    c0, c1 = np.arange(blocks, dtype=np.uint64), np.full(blocks, step, np.uint64)
    c2, c3 = np.full(blocks, picture, np.uint64), np.full(blocks, stream, np.uint64)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        a, b = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (b >> WORD) ^ c1 ^ np.uint64(k0), b & LOW, (a >> WORD) ^ c3 ^ np.uint64(k1), a & LOW
        k0, k1 = (k0 + BUMPS[0]) & 0xFFFFFFFF, (k1 + BUMPS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], 1)


def normals(seed: int, shape: tuple[int, ...], step: int = 0, picture: int = 0, stream: int = LATENTS) -> np.ndarray:
    """Standard normals float32 of that shape."""
    count = int(np.prod(shape))
    w = words(seed, -(-count // 4), step, picture, stream).astype(np.float64).reshape(-1, 2)
    radius = np.sqrt(-2.0 * np.log((w[:, 0] + 1.0) * 2.0**-32))
    angle = 2.0 * np.pi * (w[:, 1] * 2.0**-32)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:count].astype(np.float32).reshape(shape)


def identity(seed: int, people: int, picture: int = 0) -> int:
    """Who the background follows under RANDOM_IDENTITY."""
    return int(words(seed, 1, 0, picture, BACKGROUND)[0, 0]) * people >> 32
