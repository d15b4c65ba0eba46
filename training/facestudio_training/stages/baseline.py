"""DreamBooth and Textual Inversion on this U-Net, tuned for each person, beside no tuning at all.

Both are given what ours is given, a development person's photos, and are measured alike. What takes
the place of the prompt's rare word is the face embedding: DreamBooth gives it a fixed random vector
and tunes U-Net and Linear (half of a batch are training pictures with their own conditions, its prior
preservation); Textual Inversion tunes the vector and nothing else. Tuned weights are thrown away.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import shutil
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures
from ..device import autocast, generator, pick
from ..diffusion import STEPS, alphas, noised
from ..evaluation import measures
from ..evaluation.bench import Bench, Outcome, Trial
from ..evaluation.table import READ, Table, columns, span, summary
from ..evaluation.torch_mesh import TorchMesh
from ..files import write_text
from . import unet, vae
from .eval import prepare
from .few import few

KEPT = 1000  # people, for DreamBooth's prior preservation


@dataclasses.dataclass
class Photos:
    """What a person's photos give: latents [K,c,h,w] and e_h [K,D], mirror images included."""

    latents: Tensor
    style: Tensor


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training baseline")
    parser.add_argument("--people", type=int, default=11, help="development people that are tuned for")
    parser.add_argument("--photos", type=int, default=1, help="photos of each that are given")
    parser.add_argument("--pictures", type=int, default=8, help="results of each, in other people's pictures")
    parser.add_argument("--dreambooth-steps", type=int, default=300, help="the paper: 1,000")
    parser.add_argument("--inversion-steps", type=int, default=600, help="the paper: 3,000")
    return parser


def run(cfg: Config, minutes: float | None = None, threads: int = 1, people: int = 11, photos: int = 1, pictures: int = 8,
        dreambooth_steps: int = 300, inversion_steps: int = 600) -> None:
    """Writes <state>/baseline/table.md. With minutes, no person is begun after them."""
    torch.set_num_threads(threads)
    device = pick(cfg.device)
    bench = prepare(cfg, cfg.path("bundle"), threads, TorchMesh)
    bench.corrections = 0  # a tuned vector is nothing that the face encoder says
    plain = nn.ModuleDict(dict(zip(("unet", "guidance"), unet.load(cfg)))).to(device)
    kept = Kept(cfg, device)
    methods: dict[str, Callable] = {
        "ours, not tuned": lambda shown, e_f: (plain, e_f),
        f"DreamBooth, {dreambooth_steps} steps": lambda shown, e_f: dreambooth(plain, shown, kept, dreambooth_steps),
        f"Textual Inversion, {inversion_steps} steps": lambda shown, e_f: inversion(plain, shown, inversion_steps),
    }
    outcomes: dict[str, list[Outcome]] = {name: [] for name in methods}
    spent: dict[str, list[float]] = {name: [] for name in methods}
    started = time.monotonic()
    for first in bench.pairs(people, photos, seed=20):
        if minutes is not None and time.monotonic() - started > 60 * minutes:
            print(f"baseline: {minutes:g} minutes are over after {len(spent['ours, not tuned'])} people", flush=True)
            break
        shown = look(cfg, bench, first.given, device)
        e_f = torch.from_numpy(bench.subject(first.given)).to(device)
        trials = in_pictures(bench, first, pictures)
        for name, tune in methods.items():
            began = time.monotonic()
            modules, vector = tune(shown, e_f)
            spent[name].append((time.monotonic() - began) / 60)
            outcomes[name] += paint(bench, modules, vector, trials, name)
    rows = [[name, *summary(bench, outcomes[name]),
             span(measures.interval(np.array(spent[name]), np.arange(len(spent[name]))), 2)] for name in methods]
    table = Table(f"Tuned for a person, {photos} photo{'s' if photos > 1 else ''}",
                  [*columns(bench, "method"), f"minutes a person, {device.type}"], rows, READ)
    write_text(cfg.state("baseline") / "table.md", table.markdown())
    print(table.markdown(), flush=True)


class Kept:
    """Training pictures with their own conditions, for DreamBooth's prior preservation."""

    def __init__(self, cfg: Config, device: torch.device):
        part, held = few(cfg, pictures.load(cfg), KEPT, "baseline/kept")
        for file in cfg.state("vae").glob("*.safetensors"):
            shutil.copy2(file, part.state("vae"))
        self.draw = unet.Draw(part, held, generator(device, 0))

    def __call__(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        return self.draw(count)[:3]


def look(cfg: Config, bench: Bench, given: list[int], device: torch.device) -> Photos:
    """Latents and style embeddings of the photos given and of their mirror images."""
    g, encoder = bench.gallery, vae.load(cfg)[0].to(device)
    seen = [np.asarray(g.data.pixels[g.rows[i]]) for i in given]
    seen = np.stack(seen + [np.ascontiguousarray(p[:, ::-1]) for p in seen])
    with torch.no_grad(), autocast(device):
        latents = encoder(augment.to_tensor(seen, device)).float()
    style = np.stack([bench.mesh.style(p).embed for p in seen])
    return Photos(latents, torch.from_numpy(style).to(device))


def loss_of(modules: nn.ModuleDict, latent: Tensor, style: Tensor, face: Tensor, random: torch.Generator) -> Tensor:
    """The U-Net's own loss on v, without weights, at a random step a picture."""
    device = latent.device
    step = torch.randint(0, STEPS, (len(latent),), generator=random, device=device)
    noisy, wanted = noised(latent, torch.randn(latent.shape, generator=random, device=device), alphas().to(device)[step])
    with autocast(device):
        context = modules["guidance"](style, face)[:, None]
        made = modules["unet"](noisy, step.float(), context, latent.new_ones(len(latent), 1, *latent.shape[2:]))
    return F.mse_loss(made.float(), wanted)


def dreambooth(plain: nn.ModuleDict, shown: Photos, kept: Callable, steps: int, rate: float = 1e-4) -> tuple[nn.ModuleDict, Tensor]:
    """A copy of the modules tuned to show the person where the face embedding is a fixed random vector."""
    device = shown.latents.device
    modules, random = copy.deepcopy(plain).train(), generator(device, 1)
    rare = F.normalize(torch.randn(plain["guidance"].cfg.face_dim, generator=random, device=device), dim=0)
    optimizer = torch.optim.AdamW(modules.parameters(), lr=rate, weight_decay=0.01)
    for _ in range(steps):
        at = torch.randint(0, len(shown.latents), (4,), generator=random, device=device)
        latent, style, face = kept(4)
        part = loss_of(modules, torch.cat([shown.latents[at], latent]), torch.cat([shown.style[at], style]),
                       torch.cat([rare.expand(4, -1), face]), random)
        part.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return modules.eval(), rare


def inversion(plain: nn.ModuleDict, shown: Photos, steps: int, rate: float = 1e-2) -> tuple[nn.ModuleDict, Tensor]:
    """The modules as they are and a face embedding tuned from nothing, brought to unit length."""
    device = shown.latents.device
    random = generator(device, 2)
    vector = (0.01 * torch.randn(plain["guidance"].cfg.face_dim, generator=random, device=device)).requires_grad_()
    optimizer = torch.optim.AdamW([vector], lr=rate, weight_decay=0.0)
    for _ in range(steps):
        at = torch.randint(0, len(shown.latents), (4,), generator=random, device=device)
        loss = loss_of(plain, shown.latents[at], shown.style[at], F.normalize(vector, dim=0).expand(4, -1), random)
        vector.grad, = torch.autograd.grad(loss, vector)
        optimizer.step()
    return plain, F.normalize(vector.detach(), dim=0)


def in_pictures(bench: Bench, first: Trial, count: int) -> list[Trial]:
    """The person in other people's pictures; every method gets the same ones."""
    g, out = bench.gallery, []
    for k in range(count):
        rng = np.random.default_rng([21, first.seed, k])
        other = (first.person + 1 + int(rng.integers(g.people - 1))) % g.people
        out.append(dataclasses.replace(first, style=int(rng.choice(g.photos(other))), seed=1000 * first.seed + k))
    return out


def paint(bench: Bench, modules: nn.ModuleDict, vector: Tensor, trials: list[Trial], name: str) -> list[Outcome]:
    """The trials with these modules and this face embedding."""
    bench.mesh.modules, subject = modules.eval(), bench.subject
    bench.subject = lambda given: vector.cpu().numpy()
    try:
        return bench.run(trials, name)
    finally:
        bench.subject = subject
