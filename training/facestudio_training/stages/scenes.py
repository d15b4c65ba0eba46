"""Makes the U-Net's further training pictures: latents, style embeddings, masks, who is who."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from ..config import Config
from ..data import augment, mask, pictures, scenes, styles
from ..device import autocast, pick
from ..files import write_arrays
from . import clip, segmenter, vae

FACTOR, CHUNK, STYLE = 8, 128, 64
KINDS = tuple(scenes.CANVAS)


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training scenes")
    parser.add_argument("--sheets", type=Path, help="only draw a sheet <kind>.png of every kind into this folder, from "
                        "the held-out synthetic examples, which may be shown")
    return parser


def run(cfg: Config, minutes: float | None = None, threads: int = 1, sheets: Path | None = None) -> None:
    """Writes <state>/scenes/<kind>.npz and <kind>.png of every kind that [unet.scenes] asks for."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)  # the pool below has the threads
    if sheets:
        draw_sheets(cfg, sheets)
        return
    wanted = [k for k in KINDS if getattr(cfg.unet.scenes, k) > 0]
    if not wanted:
        print("scenes: none asked for in [unet.scenes]", flush=True)
        return
    data = pictures.load(cfg)
    source, device = gather(cfg, data, "train"), pick(cfg.device)
    encoder, trio = vae.load(cfg)[0].to(device), clip.load(cfg)[0].to(device)
    for kind in wanted:
        make(cfg, kind, source, encoder, trio, threads)


def draw_sheets(cfg: Config, folder: Path) -> None:
    """A sheet of every kind, of people who do not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    source = gather(cfg, pictures.load(cfg), "example")
    for kind in KINDS:
        drawn = [scenes.draw(kind, source, np.random.default_rng([cfg.scenes.seed, k])) for k in range(24)]
        sheet(drawn, folder / f"{kind}.png", columns=6)
        print(f"scenes: {folder / kind}.png", flush=True)


def gather(cfg: Config, data: pictures.Pictures, split: str) -> scenes.Source:
    """The people of a split, some of them segmented, and palettes of the style pictures."""
    people = data.where(split)
    people = people[data.found[people]]
    rng = np.random.default_rng(cfg.scenes.seed)
    cut = np.sort(rng.permutation(people)[:cfg.scenes.segmented])
    colourful = data.where("anime")[:cfg.scenes.palettes]
    palettes = np.array([styles.palette_of(np.asarray(data.pixels[i])) for i in colourful])
    return scenes.Source(data.pixels, data.box, data.points, people, person_masks(cfg, data, cut), palettes)


@torch.no_grad()
def person_masks(cfg: Config, data: pictures.Pictures, rows: np.ndarray) -> dict[int, np.ndarray]:
    """The trained segmenter's masks float32 [S,S], their haze cut off."""
    device = pick(cfg.device)
    net, side, out = segmenter.load(cfg).to(device), data.pixels.shape[1], {}
    for at in range(0, len(rows), 64):
        part = rows[at:at + 64]
        cue = np.zeros((len(part), 1, side, side), np.float32)
        for plane, box in zip(cue, data.box[part], strict=True):
            x0, y0, x1, y1 = mask.enlarged(box, 1.0, side, side)
            plane[0, y0:y1, x0:x1] = 1
        x = torch.cat([augment.to_tensor(data.pixels[part]), torch.from_numpy(cue)], 1).to(device)
        with autocast(device):
            found = net(x).float()[:, 0].cpu().numpy()
        out |= {int(i): np.clip(1.4 * m - 0.2, 0, 1) for i, m in zip(part, found, strict=True)}
    return out


def make(cfg: Config, kind: str, source: scenes.Source, encoder, trio, threads: int) -> None:
    """Draws, encodes and writes one kind: latents f16 [n,c,h,w], style f16 [n,D], masks f16
    [n,N,h,w], points f32 [n,N,4,2] and rows int32 [n,N], -1 where nobody is."""
    count, device = getattr(cfg.scenes, kind), pick(cfg.device)
    held: dict[str, list] = {"latents": [], "style": [], "masks": [], "points": [], "rows": []}
    started = shown = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, count, CHUNK):
            numbers = range(first, min(count, first + CHUNK))
            drawn = list(pool.map(lambda k: scenes.draw(kind, source, np.random.default_rng(
                [cfg.scenes.seed, KINDS.index(kind), k])), numbers))
            if first == 0:
                sheet(drawn, cfg.state("scenes") / f"{kind}.png")
            seen = np.stack([mask.style_input(s.picture, s.boxes, cfg.data.mask_scale, cfg.data.mask_fill, STYLE)
                             for s in drawn])
            with torch.no_grad(), autocast(device):
                latents = encoder(augment.to_tensor(np.stack([s.picture for s in drawn]), device))
                style = trio(augment.to_tensor(seen, device))
            held["latents"].append(latents.half().cpu().numpy())
            held["style"].append(style.half().cpu().numpy())
            for name, values in zip(("masks", "points", "rows"), zip(*[padded(s, kind) for s in drawn], strict=True), strict=True):
                held[name].append(np.stack(values))
            if time.monotonic() - shown > 15:
                shown = time.monotonic()
                left = (shown - started) / (first + len(drawn)) * (count - first - len(drawn)) / 60
                print(f"scenes: {kind} {first + len(drawn)}/{count}, {left:.1f} min left", flush=True)
    path = cfg.state("scenes") / f"{kind}.npz"
    write_arrays(path, **{k: np.concatenate(v) for k, v in held.items()})
    print(f"scenes: {path.name} of {count} pictures written", flush=True)


def padded(scene: scenes.Scene, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """masks f16 [N,h,w] at the latent's size, points f32 [N,4,2] and rows int32 [N]; N is the same for all of a kind."""
    people = scenes.PEOPLE if kind in ("wide", "square") else 1
    small = scenes.latent_masks(scene.masks, FACTOR)
    masks = np.zeros((people, *small.shape[1:]), np.float16)
    points, rows = np.zeros((people, 4, 2), np.float32), np.full(people, -1, np.int32)
    masks[:len(small)], points[:len(small)], rows[:len(small)] = small, scene.points, scene.rows
    return masks, points, rows


def sheet(drawn: list[scenes.Scene], path: Path, columns: int = 8, lines: int = 6) -> None:
    """The first pictures of a kind side by side; those of several people above their masks."""
    tiles = []
    for s in drawn[:columns * lines]:
        shown = s.picture
        if len(s.masks) > 1 or s.picture.shape[0] != s.picture.shape[1]:
            colours = np.zeros_like(s.picture)
            for n, m in enumerate(s.masks):
                colours[..., n] = np.rint(255 * m)
            shown = np.concatenate([s.picture, colours])
        tiles.append(shown)
    high = max(t.shape[0] for t in tiles)
    tiles = [np.pad(t, ((0, high - t.shape[0]), (0, 0), (0, 0))) for t in tiles]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    grid = np.concatenate([np.concatenate(tiles[k:k + columns], 1) for k in range(0, len(tiles), columns)])
    Image.fromarray(grid).save(path)
