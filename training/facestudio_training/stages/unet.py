"""Trains the U-Net and the guidance Linear on latents and embeddings computed once."""

from __future__ import annotations

import time

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from ..config import Config
from ..data import pictures
from ..device import autocast, compiled, generator, of, pick
from ..diffusion import STEPS, alphas, euler_ancestral, noised, weights
from ..models.guidance import GuidanceProjection
from ..models.unet import UNet
from ..optim import mixed
from ..trainer import Trainer, setup
from . import marks, vae
from .mix import Batch, Mix

OUTSIDE = ("guidance.", "enter", "leave", "place", ".time.", "steer", "table")
SHEET_SECONDS = 600.0
V = "v_prediction"
PREDICTIONS = (V, "epsilon")


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/unet/unet.safetensors (unet.*, guidance.*) and sheets of samples."""
    if cfg.unet.prediction != V:
        raise SystemExit(f"config: unet.prediction is {cfg.unet.prediction!r}; what comes after this stage takes {V}, others are for the stage compare")
    held = pictures.load(cfg)
    t = fit(cfg, held, minutes, threads, sheets=True)
    sheet(cfg, held, t)


def fit(cfg: Config, held: pictures.Pictures, minutes: float | None, threads: int, sheets: bool = False) -> Trainer:
    """Writes <state>/unet/unet.safetensors, trained on these pictures; with sheets draws samples on the way."""
    if cfg.unet.prediction not in PREDICTIONS:
        raise SystemExit(f"config: unet.prediction is {cfg.unet.prediction!r}; it is one of {', '.join(PREDICTIONS)}")
    device = pick(cfg.device)
    random = setup(threads, cfg.unet.train.seed, device)
    draw = Mix(cfg, Draw(cfg, held, random))
    unet, guidance = build(cfg)
    modules = torch.nn.ModuleDict({"unet": unet, "guidance": guidance}).to(device)
    t = Trainer(cfg.state("unet"), "unet", modules, cfg.unet.train, minutes, cfg.fresh,
                optimizers=mixed(modules, cfg.unet.train, OUTSIDE, cfg.unet.hidden_lr) if cfg.unet.muon else None, random=random)
    forward = compiled(unet, device, cfg.unet.compile)
    alpha, shown = alphas().to(device), time.monotonic()
    for _ in t:
        drawn = draw(cfg.unet.train.batch)
        loss, v = reconstruct(forward, guidance, drawn, alpha, cfg.unet.weight_floor, cfg.unet.prediction)
        t.step(loss, images=len(drawn.latent), v=v)
        if sheets and time.monotonic() - shown > SHEET_SECONDS:
            sheet(cfg, held, t)
            shown = time.monotonic()
    return t


def reconstruct(forward, guidance, drawn: Batch, alpha: torch.Tensor, floor: float, prediction: str = V) -> tuple[torch.Tensor, torch.Tensor]:
    """The paper's loss (eq. 3), on v and weighted or as it is on the noise, and the plain error."""
    device, count = drawn.latent.device, len(drawn.latent)
    # One timestep from each of `count` equal stretches: less noise in the loss than free draws.
    at = ((torch.arange(count, device=device) + torch.rand(count, device=device)) * (STEPS / count)).long().clamp(max=STEPS - 1)
    noise = torch.randn_like(drawn.latent)
    noisy, v = noised(drawn.latent, noise, alpha[at])
    with autocast(device):
        made = forward(noisy.contiguous(memory_format=torch.channels_last), at.float(), drawn.context(guidance), drawn.mask)
    error = (made.float() - (v if prediction == V else noise)).square().mean((1, 2, 3))
    return (error * weights(alpha[at], floor) if prediction == V else error).mean(), error.detach().mean()


def build(cfg: Config) -> tuple[UNet, GuidanceProjection]:
    unet = UNet(cfg.unet, cfg.guidance.channels).to(memory_format=torch.channels_last)
    return unet, GuidanceProjection(cfg.guidance)


def load(cfg: Config) -> tuple[UNet, GuidanceProjection]:
    """The best averaged weights there are, in evaluation mode: where `likeness` ran on these, the mean with its own."""
    path, further = (cfg.state("unet") / f"{name}.safetensors" for name in ("unet", "likeness"))
    if not path.exists():
        raise SystemExit(f"{path} is missing: run the unet stage first")
    if not 0 <= cfg.likeness.share <= 1:
        raise SystemExit(f"config: likeness.share is {cfg.likeness.share}; it is 0 (what was before the stage alone) to 1 (what it came to)")
    modules = torch.nn.ModuleDict(dict(zip(("unet", "guidance"), build(cfg))))
    held = load_file(str(path))
    if further.exists() and further.stat().st_mtime > path.stat().st_mtime:
        trained = load_file(str(further))
        held = {k: torch.lerp(v, trained[k], cfg.likeness.share) if v.is_floating_point() else trained[k] for k, v in held.items()}
    modules.load_state_dict(held)
    modules.eval()
    return modules["unet"], modules["guidance"]


class Draw:
    """Random batches: latent [B,c,h,w], style embedding [B,Dh], face embedding [B,Df], with the
    dropping of the conditions done, and which row of the pictures each is."""

    def __init__(self, cfg: Config, held: pictures.Pictures, random: torch.Generator):
        self.cfg, self.random = cfg.unet, random
        device = random.device
        self.style, self.face = (x.to(device) for x in embeddings(cfg, held))
        self.latents = vae.latents(cfg, held).to(device)
        self.people, self.others = (torch.from_numpy(held.where(s)).to(device) for s in ("train", "anime"))
        self.photos, self.first, self.count = (x.to(device) for x in photos(held))
        self.marking = marks.Marking(cfg, random)

    def __call__(self, batch: int):
        def uniform(n=batch):
            return torch.rand(n, generator=self.random, device=self.random.device)

        pick = (uniform() * len(self.people)).long()
        row = self.people[pick]
        if len(self.others):
            other = self.others[(uniform() * len(self.others)).long()]
            row = torch.where(uniform() < self.cfg.anime, other, row)
        side = (uniform() < 0.5).long()
        source = self.photos[self.first[row] + (uniform() * self.count[row]).long()]
        source = torch.where(uniform() < self.cfg.other_photo, source, row)
        style, face = self.style[row, side].float(), self.face[source].clone()
        style = style + self.marking(row)[0]
        chance, c = uniform(), self.cfg
        style[chance < c.both_drop + c.style_drop] = 0
        face[(chance < c.both_drop) | ((chance >= 1 - c.face_drop))] = 0
        return self.latents[row, side].float(), style, face, row


def photos(held: pictures.Pictures):
    """For every row, where in `order` the photos of the same person lie: order, first, count."""
    usable = np.isin(held.split, ("train", "low")) & held.found
    key = np.where(usable, held.identity, -2 - np.arange(len(held)))
    order = np.argsort(key, kind="stable")
    _, first, inverse, count = np.unique(key[order], return_index=True, return_inverse=True, return_counts=True)
    of_row = np.empty(len(held), int)
    of_row[order] = inverse
    return (torch.from_numpy(order), torch.from_numpy(first[of_row]), torch.from_numpy(count[of_row]))


def embeddings(cfg: Config, held: pictures.Pictures) -> tuple[torch.Tensor, torch.Tensor]:
    """e_h [N,2,Dh] (picture, mirror image) and e_f [N,Df], as the clip and face stages wrote them."""
    style, face = cfg.state("clip") / "e_h.npy", cfg.state("face") / "e_f.npy"
    for path in (style, face):
        if not path.exists():
            raise SystemExit(f"{path} is missing: run the {path.parent.name} stage first")
    face = torch.from_numpy(np.load(face)).float()
    face[torch.from_numpy(held.identity < 0)] = 0  # no person, no identity
    return torch.from_numpy(np.load(style)), face


@torch.no_grad()
def sample(unet, guidance, style: torch.Tensor, face: torch.Tensor, shape: tuple[int, ...], scale: float = 4.0,
           steps: int = 25, seed: int = 0) -> torch.Tensor:
    """Latents [B,c,h,w] for these conditions, guided against both conditions zeroed."""
    random = generator(style.device, seed)
    both = torch.cat([guidance(style, face), guidance(torch.zeros_like(style), torch.zeros_like(face))])[:, None]
    mask = style.new_ones(2 * len(style), 1, *shape[1:])

    def predict(x, t):
        with autocast(x.device):
            v = unet(torch.cat([x, x]), t.expand(2 * len(x)), both, mask).float()
        given, empty = v.chunk(2)
        return empty + scale * (given - empty)

    return euler_ancestral(predict, torch.randn(len(style), *shape, generator=random, device=style.device), steps, random)


def sheet(cfg: Config, held: pictures.Pictures, t: Trainer) -> None:
    """<state>/unet/<stage>-<step>.png of held-out people, by the averaged weights. Rows: the person;
    made with the person's own picture as style; the next person's picture as style, above what
    it gave; the face alone."""
    t.save()  # load() reads the file
    device = of(t.modules)
    unet, guidance = (m.to(device) for m in load(cfg))
    decoder = vae.load(cfg)[1].to(device)
    style, face = embeddings(cfg, held)
    at = held.where("example")[:12]
    other = np.roll(at, -1)
    e_f = face[at].repeat(3, 1).to(device)
    e_h = torch.cat([style[at, 0], style[other, 0], torch.zeros_like(style[at, 0])]).float().to(device)
    side = cfg.data.size // 8
    z = sample(unet, guidance, e_h, e_f, (cfg.vae.latent_channels, side, side), cfg.bundle.guidance_scale, cfg.bundle.steps)
    with torch.no_grad(), autocast(device):
        made = ((decoder(z).float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    own, styled, alone = made.reshape(3, len(at), *made.shape[1:])
    rows = [held.pixels[at], own, held.pixels[other], styled, alone]
    grid = np.concatenate([np.concatenate(list(r), 1) for r in rows])
    Image.fromarray(grid).save(cfg.state("unet") / f"{t.name}-{t.at:06d}.png")
    print(f"{t.name}: {t.name}-{t.at:06d}.png", flush=True)
