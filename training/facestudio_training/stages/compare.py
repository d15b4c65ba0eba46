"""Compares choices of the U-Net's training, and widths of its latents, by what each reaches in equal time.

Every variant gets the same: the trained picture encoder and decoder, whose latent is narrowed to its principal components (all of them:
turned), trained on for `--vae-minutes`, once a width, as PSNR alone would always choose the widest latent and a narrower one is
easier to make from noise; then a U-Net that begins from nothing and is trained for `--unet-minutes` on portraits of `--people` training
people. Pictures of the development people are compared by the bundle's own face encoder. With `--shrink 2` all is done with pictures of
half the side, which a processor makes several times as many of in the same time; they are enlarged before they are looked at.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import shutil
import time

import cv2
import numpy as np
import torch

from ..config import Config, Unet
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


# The paper's choices where ours differ (3.3), one at a time.
VARIANTS = ("latent_channels=16", "latent_channels=8", "latent_channels=4", "prediction=epsilon", "weight_floor=0", "other_photo=0",
            "style_drop=0.54 face_drop=0 both_drop=0.1", "muon=false", "batch=256")
BATCH = "batch"


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training compare")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS),
                        help="each some settings of [unet], and batch, as name=value with spaces between; the first is what the others differ from")
    parser.add_argument("--vae-minutes", type=float, default=5)
    parser.add_argument("--unet-minutes", type=float, default=15)
    parser.add_argument("--people", type=int, default=3000, help="training people")
    parser.add_argument("--results", type=int, default=120, help="pictures of the development people that are compared")
    parser.add_argument("--vae-batch", type=int, default=32)
    parser.add_argument("--crop", type=int, default=64, help="side of the pictures' parts that encoder and decoder learn from")
    parser.add_argument("--shrink", type=int, default=1, help="pictures of so small a part of the side, for a processor")
    parser.add_argument("--batch", type=int, default=64, help="of the U-Net")
    parser.add_argument("--conv-channels", type=int, default=96, help="of the U-Net")
    parser.add_argument("--width", type=int, default=256, help="of the U-Net")
    parser.add_argument("--layers", type=int, default=3, help="of the U-Net")
    return parser


def settings(variant: str, unet: Unet) -> dict[str, object]:
    """The settings that a variant names, as what [unet] holds there."""
    known = {f.name: getattr(unet, f.name) for f in dataclasses.fields(unet) if isinstance(getattr(unet, f.name), bool | int | float | str)}
    known[BATCH] = unet.train.batch
    out = {}
    for part in variant.split():
        name, _, value = part.partition("=")
        if name not in known:
            raise SystemExit(f"compare: variant {variant!r}: no setting {name!r}; known: {', '.join(known)}")
        try:
            out[name] = {"true": True, "false": False}[value] if isinstance(known[name], bool) else type(known[name])(value)
        except (KeyError, ValueError):
            raise SystemExit(f"compare: variant {variant!r}: {name} is like {known[name]}, not {value!r}") from None
    return out


@dataclasses.dataclass
class Given:
    """What every width gets; vae and unet are minutes."""

    held: pictures.Pictures
    bench: Bench
    vae: float
    unet: float
    results: int


def run(cfg: Config, minutes: float | None = None, threads: int = 1, variants: list[str] | tuple[str, ...] = VARIANTS, vae_minutes: float = 5,
        unet_minutes: float = 15, people: int = 3000, results: int = 120, vae_batch: int = 32, crop: int = 64, shrink: int = 1,
        batch: int = 64, conv_channels: int = 96, width: int = 256, layers: int = 3) -> None:
    """Writes <state>/compare/table.md and a sheet a variant. With minutes, no variant is begun after them."""
    torch.set_num_threads(threads)
    chosen = [settings(v, cfg.unet) for v in variants]
    held, bench = pictures.load(cfg), prepare(cfg, cfg.path("bundle"), threads, TorchMesh)
    bench.corrections = 0  # the U-Nets are compared, not what may be done after them
    bench.mesh.shrink = checked(shrink, bench.mesh.side, bench.mesh.manifest["latent"]["factor"])
    given = Given(shrunk(held, shrink), bench, vae_minutes, unet_minutes, results)
    if cfg.fresh:
        shutil.rmtree(cfg.state("compare"))
    side = given.held.pixels.shape[1]
    rows, started = [], time.monotonic()
    for variant, changes in zip(variants, chosen, strict=True):
        if minutes is not None and time.monotonic() - started > 60 * minutes:
            print(f"compare: {minutes:g} minutes are over; left out: {variant} and what follows", flush=True)
            break
        one, few_held = few(cfg, given.held, people, f"compare/{side}/{variant.replace(' ', ',')}")
        one.data.size, one.fresh = side, False  # the encoder begins from a checkpoint, which is there
        one.vae.train.batch, one.vae.crop, one.unet.train.batch = vae_batch, min(crop, side), batch
        one.unet.conv_channels, one.unet.width, one.unet.layers = conv_channels, width, layers
        for name, value in changes.items():
            setattr(one.unet.train if name == BATCH else one.unet, name, value)
        one.vae.latent_channels = one.unet.latent_channels
        rows.append([variant, *compare(cfg, one, few_held, given, threads)])
        table = Table(f"Choices, {vae_minutes:g} and {unet_minutes:g} minutes, {side} pixels, {pick(cfg.device).type}",
                      COLUMNS, rows, NOTE)
        write_text(cfg.state("compare") / "table.md", table.markdown())
        print(table.markdown(), flush=True)


COLUMNS = ["variant", "PSNR on the dev people, dB", "U-Net's pictures seen", "face found",
           "to given, own encoder", "to not given, own encoder", "KID x 1,000 of aligned faces, own encoder", "of whole pictures, vision trio"]
NOTE = "Similarity is normalised: 0 two different people, 1 two photos of one person. One run each: small differences are chance."


def compare(cfg: Config, one: Config, held: pictures.Pictures, given: Given, threads: int) -> list[str]:
    """One row of the table, without its first cell."""
    device = pick(cfg.device)
    psnr = encoders(cfg, one, given, threads)
    t = unet.fit(one, held, given.unet, threads)
    decoder = vae.load(one)[1].to(device)
    net, guidance = (m.to(device) for m in unet.load(one))
    outcomes = paint(given, one, torch.nn.ModuleDict({"unet": net, "guidance": guidance, "vae_decoder": decoder}))
    whole_lines = len(outcomes) // sheets.ACROSS * sheets.ACROSS
    sheets.lines(given.bench.gallery, outcomes[:whole_lines], cfg.state("compare") / f"sheet-{one.path('state').name}.png")
    return [f"{psnr:.1f}", str(t.images), *judged(given.bench, outcomes)]


def encoders(cfg: Config, one: Config, given: Given, threads: int) -> float:
    """Puts encoder and decoder of one's width in the place of its checkpoint, and returns their PSNR; they are trained the first time."""
    wide = copy.deepcopy(one)
    wide.paths.state = str(one.path("state").parent / f"vae-{one.vae.latent_channels}")
    path = wide.state("vae") / "vae.safetensors"
    if not path.exists():
        begin(cfg, wide, given.held)
    vae.train_both(wide, given.held, given.vae, setup(threads, wide.vae.train.seed, pick(cfg.device)))
    shutil.copyfile(path, one.state("vae") / path.name)
    return vae.measure(*(m.to(pick(cfg.device)) for m in vae.load(wide)), given.held, given.held.where("dev"))


def paint(given: Given, one: Config, modules: torch.nn.ModuleDict) -> list[Outcome]:
    """Every development person in turn in another's picture, by these modules in the bundle's mesh."""
    mesh = given.bench.mesh
    before = mesh.manifest, mesh.modules
    latent = {**mesh.manifest["latent"], "channels": one.vae.latent_channels, "scale": 1.0, "shift": 0.0}
    mesh.manifest = {**mesh.manifest, "latent": latent, "schedule": {**mesh.manifest["schedule"], "prediction": one.unet.prediction}}
    mesh.modules = modules
    try:
        return given.bench.run(given.bench.pairs(given.results, seed=30), one.path("state").name)
    finally:
        mesh.manifest, mesh.modules = before


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


def checked(shrink: int, side: int, factor: int) -> int:
    if shrink < 1 or side % (2 * shrink * factor):
        raise SystemExit(f"compare: --shrink {shrink}: of pictures of {side} pixels a side, a part is left that latents of a {factor}th do not fit")
    return shrink


def shrunk(held: pictures.Pictures, times: int) -> pictures.Pictures:
    """The pictures at a part of their side, all else as it was."""
    if times == 1:
        return held
    side = held.pixels.shape[1] // times
    return dataclasses.replace(held, pixels=np.stack([cv2.resize(np.asarray(p), (side, side), interpolation=cv2.INTER_AREA) for p in held.pixels]))


@torch.no_grad()
def begin(cfg: Config, one: Config, held: pictures.Pictures) -> None:
    """Puts the trained picture encoder and decoder, their latent narrowed to its principal components, in the place of one's
    checkpoint: with components P and their variances l, z' = P z / sqrt(l) on the way in and z = P' sqrt(l) z' on the way out."""
    wide, narrow = vae.load(cfg), (vae.Encoder(one.vae), vae.Decoder(one.vae))
    kept = one.vae.latent_channels
    rows = held.where("train")
    z = wide[0](augment.to_tensor(np.asarray(held.pixels[rows[:: max(1, len(rows) // SEEN)]]))).transpose(0, 1).flatten(1)
    if kept > len(z):
        raise SystemExit(f"compare: {kept} channels are more than the {len(z)} of the trained latent")
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
