"""Compares latents of a few and of many channels by what a U-Net reaches on them in equal time.

PSNR alone would always choose the widest latent; a narrower one is easier to make from noise. Every width gets
the same: the trained picture encoder and decoder, whose latent is narrowed to its principal components (all of them: turned), trained
on for `--vae-minutes`; then a U-Net of one size that begins from nothing and is trained for `--unet-minutes` on
portraits of `--people` training people. Pictures of the development people are compared by the bundle's own face encoder.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
import torch

from ..config import Config
from ..data import augment, pictures
from ..device import pick
from ..evaluation import measures, sheets
from ..evaluation.bench import NAMES, Bench, Outcome
from ..evaluation.table import Table, percent, span
from ..evaluation.torch_mesh import TorchMesh
from ..files import write_text
from ..trainer import save, setup
from . import unet, vae
from .eval import prepare
from .few import few

SEEN = 256  # pictures that principal components are taken over


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training channels")
    parser.add_argument("--channels", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--vae-minutes", type=float, default=5)
    parser.add_argument("--unet-minutes", type=float, default=15)
    parser.add_argument("--people", type=int, default=3000, help="training people")
    parser.add_argument("--results", type=int, default=120, help="pictures of the development people that are compared")
    parser.add_argument("--vae-batch", type=int, default=32)
    parser.add_argument("--crop", type=int, default=64, help="side of the pictures' parts that encoder and decoder learn from")
    parser.add_argument("--batch", type=int, default=64, help="of the U-Net")
    parser.add_argument("--conv-channels", type=int, default=96, help="of the U-Net")
    parser.add_argument("--width", type=int, default=256, help="of the U-Net")
    parser.add_argument("--layers", type=int, default=3, help="of the U-Net")
    return parser


@dataclasses.dataclass
class Given:
    """What every width gets; vae and unet are minutes."""

    held: pictures.Pictures
    bench: Bench
    vae: float
    unet: float
    results: int


def run(cfg: Config, minutes: float | None = None, threads: int = 1, channels: tuple[int, ...] = (4, 8, 16), vae_minutes: float = 5,
        unet_minutes: float = 15, people: int = 3000, results: int = 120, vae_batch: int = 32, crop: int = 64, batch: int = 64,
        conv_channels: int = 96, width: int = 256, layers: int = 3) -> None:
    """Writes <state>/channels/table.md and a sheet a width. With minutes, no width is begun after them."""
    torch.set_num_threads(threads)
    given = Given(pictures.load(cfg), prepare(cfg, cfg.path("bundle"), threads, TorchMesh), vae_minutes, unet_minutes, results)
    rows, started = [], time.monotonic()
    for count in channels:
        if minutes is not None and time.monotonic() - started > 60 * minutes:
            print(f"channels: {minutes:g} minutes are over; left out: {count} channels and what follows", flush=True)
            break
        one, few_held = few(cfg, given.held, people, f"channels/{count}")
        one.vae.latent_channels = one.unet.latent_channels = count
        one.vae.train.batch, one.vae.crop, one.unet.train.batch = vae_batch, crop, batch
        one.unet.conv_channels, one.unet.width, one.unet.layers = conv_channels, width, layers
        rows.append([str(count), *compare(cfg, one, few_held, given, threads)])
        table = Table(f"Channels of the latent, {vae_minutes:g} and {unet_minutes:g} minutes, {pick(cfg.device).type}", COLUMNS, rows, NOTE)
        write_text(cfg.state("channels") / "table.md", table.markdown())
        print(table.markdown(), flush=True)


COLUMNS = ["channels", "PSNR on the dev people, dB", "U-Net's pictures seen", "error of v", "face found", "to given, own encoder",
           "to not given, own encoder", "KID x 1,000 of aligned faces, own encoder", "of whole pictures, vision trio"]
NOTE = ("Similarity is normalised: 0 two different people, 1 two photos of one person. The error of v is of latents of that "
        "width, so it does not compare them.")


def compare(cfg: Config, one: Config, held: pictures.Pictures, given: Given, threads: int) -> list[str]:
    """One row of the table, without its first cell."""
    device = pick(cfg.device)
    begin(cfg, one, given.held)
    vae.train_both(one, given.held, given.vae, setup(threads, one.vae.train.seed, device))
    encoder, decoder = (m.to(device) for m in vae.load(one))
    psnr = vae.measure(encoder, decoder, given.held, given.held.where("dev"))
    t = unet.fit(one, held, given.unet, threads)
    net, guidance = (m.to(device) for m in unet.load(one))
    outcomes = paint(given, one, torch.nn.ModuleDict({"unet": net, "guidance": guidance, "vae_decoder": decoder}))
    whole_lines = len(outcomes) // sheets.ACROSS * sheets.ACROSS
    sheets.lines(given.bench.gallery, outcomes[:whole_lines], cfg.state("channels") / f"sheet-{one.vae.latent_channels}.png")
    return [f"{psnr:.1f}", str(t.images), f"{t.log[-1]['v']:.2f}" if t.log else "-", *judged(given.bench, outcomes)]


def paint(given: Given, one: Config, modules: torch.nn.ModuleDict) -> list[Outcome]:
    """Every development person in turn in another's picture, by these modules in the bundle's mesh."""
    mesh, width = given.bench.mesh, one.vae.latent_channels
    kept, mesh.modules = mesh.manifest["latent"], modules
    mesh.manifest["latent"] = {**kept, "channels": width, "scale": 1.0, "shift": 0.0}
    try:
        return given.bench.run(given.bench.pairs(given.results, seed=30), f"{width} channels")
    finally:
        mesh.manifest["latent"] = kept


def judged(bench: Bench, outcomes: list[Outcome]) -> list[str]:
    """The cells of a row from "face found" on."""
    g, own, found = bench.gallery, NAMES[1], [o for o in outcomes if o.found]
    people = np.array([o.trial.person for o in found])
    given = np.array([g.to(own, o.vectors[own], o.trial.given) for o in found])
    other = np.array([g.to(own, o.vectors[own], np.setdiff1d(g.photos(o.trial.person), o.trial.given)) for o in found])
    faces = np.stack([o.vectors[own] for o in found]) if found else np.zeros((0, 1))
    real, made = (np.stack([bench.mesh.style(np.asarray(p), boxes=[]).embed for p in seen])
                  for seen in ([g.data.pixels[r] for r in g.rows], [o.picture for o in outcomes]))
    return [percent(measures.rate(np.array([o.found for o in outcomes]))), span(measures.interval(given, people)),
            span(measures.interval(other, people)), span(measures.kernel_distance(g.spaces[own].embeds, faces), 1),
            span(measures.kernel_distance(real, made), 1)]


@torch.no_grad()
def begin(cfg: Config, one: Config, held: pictures.Pictures) -> None:
    """Puts the trained picture encoder and decoder, their latent narrowed to its principal components, in the place of one's
    checkpoint: with components P and their variances l, z' = P z / sqrt(l) on the way in and z = P' sqrt(l) z' on the way out."""
    wide, narrow = vae.load(cfg), (vae.Encoder(one.vae), vae.Decoder(one.vae))
    kept = one.vae.latent_channels
    rows = held.where("train")
    z = wide[0](augment.to_tensor(np.asarray(held.pixels[rows[:: max(1, len(rows) // SEEN)]]))).transpose(0, 1).flatten(1)
    if kept > len(z):
        raise SystemExit(f"channels: {kept} channels are more than the {len(z)} of the trained latent")
    variance, vectors = torch.linalg.eigh(z.cov())
    into = vectors.T.flip(0)[:kept]
    scale = variance.flip(0)[:kept].sqrt()
    for old, new, between in zip(wide, narrow, (("leave.", "norm."), ("enter.weight",)), strict=True):
        new.load_state_dict({k: v if k.startswith(between) else old.state_dict()[k] for k, v in new.state_dict().items()})
    norm, leave = wide[0].norm, wide[0].leave
    deviation = (norm.running_var + norm.eps).sqrt()
    narrow[0].leave.weight.copy_(torch.einsum("kc,coyx->koyx", into / deviation, leave.weight))
    narrow[0].leave.bias.copy_(into @ ((leave.bias - norm.running_mean) / deviation))
    narrow[0].norm.running_mean.copy_(into @ z.mean(1))
    narrow[0].norm.running_var.copy_(scale**2)
    narrow[1].enter.weight.copy_(torch.einsum("ocyx,kc->okyx", wide[1].enter.weight, into * scale[:, None]))
    save(one.state("vae") / "vae.safetensors", torch.nn.ModuleDict({"encoder": narrow[0], "decoder": narrow[1]}).state_dict(), {})
