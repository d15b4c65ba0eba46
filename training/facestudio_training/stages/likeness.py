"""Trains the U-Net on to make the person who was asked for, by what a recogniser says of its pictures.

The paper's loss gives a picture back that the person was in (eq. 3), so nothing in it ever asks for a
person in somebody else's picture, which is all that the U-Net is used for. Here (ours) it starts from noise,
with the style of one picture and the faces of other people; one of its predictions on the way is decoded,
and MobileFaceNet is asked who is in it, the annotator whether marked attributes are. Two discriminators, which learn beside it, say whether the picture and the
faces look real. The paper's loss goes on too, so that every timestep stays a denoiser's.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import Config
from ..data import pictures, skin
from ..data.crops import cut
from ..device import autocast, compiled, pick
from ..diffusion import alphas, ancestral, timesteps
from ..models.annotator import shrunk
from ..models.critic import Critic, FaceCritic
from ..optim import mixed
from ..trainer import Trainer, setup
from . import marks, unet, vae
from .asked import Asked, Requests, recogniser
from .mix import Mix
from .sharpen import still

CLIP = 50.0  # of the gradient's norm, nearly all of which is the critics'


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/unet/likeness.safetensors, which then replaces the weights of `unet`."""
    c, device = cfg.likeness, pick(cfg.device)
    random = setup(threads, c.train.seed + 3, device)
    held = pictures.load(cfg)
    mix = Mix(cfg, unet.Draw(cfg, held, random))
    net, guidance = unet.load(cfg)
    modules = torch.nn.ModuleDict({"unet": net, "guidance": guidance}).to(device)
    critics = torch.nn.ModuleDict({"picture": Critic(c.critic), "face": FaceCritic()}).to(device, memory_format=torch.channels_last)
    t = Trainer(cfg.state("unet"), "likeness", {**modules, "critics": critics}, c.train, minutes, cfg.fresh,
                optimizers=[*mixed(modules, c.train, unet.OUTSIDE, c.hidden_lr),
                            torch.optim.AdamW(critics.parameters(), lr=c.critic_lr, betas=(0.5, 0.9), weight_decay=0.0)],
                clip=CLIP, random=random)
    forward, requests, verdict = compiled(net, device), Requests(cfg, held, mix), Verdict(cfg, critics, random)
    walk, alpha, shown = Walk(cfg, random), alphas().to(device), time.monotonic()
    for _ in t:
        drawn = mix(c.train.batch)
        loss, v = unet.reconstruct(forward, guidance, drawn, alpha, cfg.unet.weight_floor)
        asked = requests(c.people)
        alike, tone, named, fooled, judged = verdict(walk(forward, guidance, asked), asked)
        warm = min(1.0, t.at / max(1, c.critic_warmup))  # the critics learn to see first
        t.step(loss + c.weight * (1 - alike) + c.tone * tone + c.named * named + warm * c.adversarial * fooled + judged,
               images=len(drawn.latent) + len(asked.latent), v=v, alike=alike, tone=tone, named=named, fooled=fooled, judged=judged)
        if time.monotonic() - shown > unet.SHEET_SECONDS:
            unet.sheet(cfg, held, t)
            shown = time.monotonic()
    unet.sheet(cfg, held, t)


class Walk:
    """The sampler's way from noise, as the mesh goes it."""

    def __init__(self, cfg: Config, random: torch.Generator) -> None:
        self.cfg, self.random, self.device = cfg.likeness, random, random.device
        self.alpha = alphas().to(self.device)

    def __call__(self, net, guidance, asked: Asked) -> Tensor:
        """The clean latent [B,c,h,w] that is predicted somewhere on Euler ancestral's way from noise; only
        this prediction has a gradient."""
        c, shape = self.cfg, asked.latent.shape
        with autocast(asked.latent.device):
            context = asked.context(guidance)
        times = timesteps(self.integer(c.fewest, c.most))
        fit = [i for i, at in enumerate(times) if c.first <= at <= c.last]
        stop = fit[self.integer(0, len(fit) - 1)]
        x = self.normal(*shape)
        for i, at in enumerate(times[:stop + 1]):
            here = self.alpha[at]
            with torch.set_grad_enabled(i == stop), autocast(x.device):
                v = net(x.contiguous(memory_format=torch.channels_last), x.new_full((len(x),), float(at)), context, asked.mask)
            clean = here.sqrt() * x - (1 - here).sqrt() * v.float()
            if i < stop:
                x = ancestral(x, clean, here, self.alpha[times[i + 1]], self.normal(*shape))
        return clean

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random, device=self.device)

    def integer(self, least: int, most: int) -> int:
        """One of least..most."""
        at = float(torch.rand(1, generator=self.random, device=self.device))
        return min(most, least + int(at * (most - least + 1)))


class Verdict:
    """What the recogniser and the critics say of predictions."""

    def __init__(self, cfg: Config, critics: torch.nn.ModuleDict, random: torch.Generator) -> None:
        self.cfg, self.critics, self.random, device = cfg.likeness, critics, random, random.device
        self.decoder = vae.load(cfg)[1].to(device).requires_grad_(False)
        self.recogniser, self.mean, self.std = recogniser(cfg, device)
        self.annotator = marks.load(cfg).to(device).requires_grad_(False)

    def __call__(self, clean: Tensor, asked: Asked) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Of latents [B,c,h,w]: the mean cosine of their faces to those who were asked for; how far their skin's colour
        is from those people's, of which a recogniser tells nothing; the annotator's cross-entropy on what was marked; how
        far the critics took them for fakes; the critics' own loss (hinge), whose gradient is theirs alone. What is real is what the decoder makes of the pictures that lent
        their style: a critic of photos would see the decoder first."""
        with autocast(clean.device):
            made = self.decode(clean)
            with torch.no_grad():
                real = self.decode(asked.latent)
            place = self.wobbled(asked.place)
            logits = self.annotator(shrunk(made)).float()
            shown = self.faces(made, asked.picture, place)
            seen, fake = self.recogniser.maps(shown)
            with torch.no_grad():
                _, true = self.recogniser.maps(self.faces(real, asked.picture, place))
            picture, face = self.critics["picture"], self.critics["face"]
            fooled = -still(picture, made).float().mean() - still(face, fake).mean()
            judged = hinge(picture(real), picture(made.detach())) + hinge(face(true), face([x.detach() for x in fake]))
        tone = skin.of(shown.float() * self.std + self.mean).mean((2, 3))
        return (seen.float() * asked.wanted).sum(1).mean(), ((tone - asked.tone) ** 2).mean(), missed(logits, asked.named), fooled, judged

    def decode(self, latent: Tensor) -> Tensor:
        return self.decoder(latent.contiguous(memory_format=torch.channels_last)).float().clamp(-1, 1)

    def wobbled(self, place: Tensor) -> Tensor:
        """Crops a little off each time, so that no single pixel decides."""
        shift, scale = (2 * self.cfg.jitter * (torch.rand(len(place), n, 1, generator=self.random, device=place.device) - 0.5)
                        for n in (2, 1))
        return torch.cat([place[:, :, :2] * (1 + scale), place[:, :, 2:] + shift * place[:, :, :2].abs().sum(2, keepdim=True)], 2)

    def faces(self, made: Tensor, picture: Tensor, place: Tensor) -> Tensor:
        """The recogniser's crops [M,3,112,112] out of pictures [B,3,H,W], with some noise on them."""
        crop = cut(made[picture], place)
        crop = crop + self.cfg.grain * torch.randn(crop.shape, generator=self.random, device=crop.device)
        return ((crop * 0.5 + 0.5 - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


def missed(logits: Tensor, named: Tensor) -> Tensor:
    """Cross-entropy of logits [B,K] on what was named [B,K], 1 there or -1 not; the rest, 0, does not count."""
    return (F.softplus(-named * logits) * named.abs()).sum() / named.abs().sum().clamp(min=1)


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()
