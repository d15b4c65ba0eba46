"""Philox4x32-10 and the normals drawn from it, written with numpy for the golden files only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import numbers, write

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
BUMPS = (0x9E3779B9, 0xBB67AE85)
MASK = 0xFFFFFFFF

# Random123's published kat_vectors for "philox4x32 10": counter, key, result.
KNOWN = (
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
)

STREAMS = {"latents": 0, "prior": 1, "background": 2, "source": 3}

LAYOUT = (
    "key = (lo32(seed), hi32(seed)); counter = (block, step, picture index, stream); block b gives words "
    "w0..w3 and the normals 4b..4b+3 of the flattened tensor: u1 = (w0+1)*2^-32, u2 = w1*2^-32, "
    "r = sqrt(-2 ln u1), z0 = r cos(2 pi u2), z1 = r sin(2 pi u2); z2, z3 from (w2,w3) likewise; all in float64, "
    "then rounded to float32. Stream 0: latents (step 0 initial, step k after the k-th sampler step); "
    "1: the prior's start; 2: the random background identity, floor(w0*N/2^32); 3: noise of a source picture."
)


def philox(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Ten rounds on four 32-bit words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(MULTIPLIERS[0] * c0, 1 << 32)
        high1, low1 = divmod(MULTIPLIERS[1] * c2, 1 << 32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + BUMPS[0]) & MASK, (k1 + BUMPS[1]) & MASK
    return c0, c1, c2, c3


def words(seed: int, block: int, step: int, picture: int, stream: int) -> tuple[int, ...]:
    seed &= (1 << 64) - 1
    return philox((block, step, picture, stream), (seed & MASK, seed >> 32))


def normals(seed: int, count: int, step: int = 0, picture: int = 0, stream: int = 0) -> np.ndarray:
    """The first `count` standard normals of a draw, float32 [count]."""
    blocks = range(-(-count // 4))
    w = np.array([words(seed, b, step, picture, stream) for b in blocks], dtype=np.float64).reshape(-1, 2)
    radius = np.sqrt(-2.0 * np.log((w[:, 0] + 1.0) * 2.0**-32))
    angle = 2.0 * np.pi * (w[:, 1] * 2.0**-32)
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return pairs.reshape(-1)[:count].astype(np.float32)


def write_all(root: Path) -> list[Path]:
    folder = root / "services" / "diffusion" / "testdata"
    known = []
    for counter, key, result in KNOWN:
        got = philox(*(tuple(int(w, 16) for w in text.split()) for text in (counter, key)))
        if " ".join(f"{w:08x}" for w in got) != result:
            raise AssertionError(f"philox {counter} / {key}: got {got}")
        known.append({"counter": counter.split(), "key": key.split(), "result": result.split()})
    draws = []
    for seed, step, picture, stream, count in (
        (0, 0, 0, 0, 8), (1, 0, 0, 0, 10), (1, 1, 0, 0, 4), (1, 0, 1, 0, 4), (1, 0, 0, 1, 4),
        (42, 25, 3, 3, 7), ((1 << 64) - 1, 2, 7, 0, 5), (0x0123456789ABCDEF, 12, 2, 0, 16),
    ):
        draws.append({
            "seed": str(seed), "step": step, "picture": picture, "stream": stream,
            "words": [f"{w:08x}" for w in words(seed, 0, step, picture, stream)],
            "normals": numbers(normals(seed, count, step, picture, stream)),
        })
    many = normals(7, 4096).astype(np.float64)
    moments = {"seed": "7", "count": 4096, "sum": float(many.sum()), "sum_of_squares": float((many**2).sum())}
    identities = [
        {"seed": str(s), "picture": i, "people": n,
         "identity": words(s, 0, 0, i, STREAMS["background"])[0] * n >> 32}
        for s, i, n in ((1, 0, 2), (1, 1, 2), (2, 0, 2), (3, 0, 3), (3, 1, 3), (4, 5, 4))
    ]
    return [
        write(folder, "philox.json", "Random123 kat_vectors, philox4x32 with 10 rounds; words in hexadecimal.", 0,
              {"cases": known}),
        write(folder, "noise.json", "facestudio_training/golden/philox.py (numpy). " + LAYOUT
              + " `words` are those of block 0. `moments`: sums over 4096 normals in float64, tolerance 1e-3.", 1e-6,
              {"version": "philox4x32-10/1", "draws": draws, "moments": moments, "identities": identities}),
    ]
