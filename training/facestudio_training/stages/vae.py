"""Trains the picture encoder and decoder; the stage `decoder` refines the decoder after it."""

from __future__ import annotations

import time

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures
from ..device import autocast, compiled, of, pick
from ..files import write_arrays
from ..models.vae import Decoder, Encoder, reconstruction_loss
from ..optim import mixed
from ..trainer import Trainer, save, setup

OUTSIDE = ("encoder.enter", "encoder.leave", "decoder.enter", "decoder.leave")


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/vae/vae.safetensors."""
    random = setup(threads, cfg.vae.train.seed, pick(cfg.device))
    held = pictures.load(cfg)
    train_both(cfg, held, minutes, random)
    report(cfg, held)


def refine(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Trains the decoder alone, the encoder frozen; writes <state>/vae/decoder.safetensors."""
    random = setup(threads, cfg.vae.train.seed + 1, pick(cfg.device))
    held = pictures.load(cfg)
    train_decoder(cfg, held, minutes, random)
    report(cfg, held)


def report(cfg: Config, held: pictures.Pictures) -> None:
    """Prints PSNR and draws the contact sheet."""
    encoder, dec = (m.to(pick(cfg.device)) for m in load(cfg))
    for split in ("dev", "example"):
        psnr = measure(encoder, dec, held, held.where(split))
        print(f"vae: {split}: PSNR {psnr:.2f} dB", flush=True)
    sheet(cfg, encoder, dec, held)


def train_both(cfg: Config, held: pictures.Pictures, minutes, random) -> None:
    """Encoder and decoder on crops: four times the pictures for the same arithmetic.

    A quarter of the steps decode the latent averaged down by two and ask for the picture
    averaged down by two: latents that shrink as pictures do are smoother and easier to diffuse.
    """
    v, device = cfg.vae, random.device
    encoder, dec = (m(v).to(device, memory_format=torch.channels_last) for m in (Encoder, Decoder))
    encode, decode = compiled(encoder, device), compiled(dec, device)
    modules = torch.nn.ModuleDict({"encoder": encoder, "decoder": dec})
    t = Trainer(cfg.state("vae"), "vae", modules, v.train, minutes, cfg.fresh,
                optimizers=mixed(modules, v.train, OUTSIDE), random=random)
    draw = batches(held, v.train.batch, v.crop, random)
    for _ in t:
        pixels = next(draw)
        with autocast(device):
            latent = encode(pixels)
        noisy = latent + v.noise * torch.randn_like(latent)
        wanted = pixels
        if torch.rand(()) < v.shrunk:
            noisy, wanted = F.avg_pool2d(noisy, 2), F.avg_pool2d(pixels, 2)
        with autocast(device):
            made = decode(noisy).float()
        t.step(reconstruction_loss(made, wanted, v.gradient), images=len(pixels))
    t.load_ema()
    normalise(encoder, held)
    save(t.path, modules.state_dict(), t.meta)


def train_decoder(cfg: Config, held: pictures.Pictures, minutes, random) -> None:
    """The decoder on whole pictures and on latents as far off as the U-Net's are."""
    v, device = cfg.vae, random.device
    encoder, dec = (m.to(device) for m in load(cfg))
    encode, decode = compiled(encoder, device), compiled(dec, device)
    encoder.requires_grad_(False)
    modules = torch.nn.ModuleDict({"decoder": dec})
    t = Trainer(cfg.state("vae"), "decoder", modules, v.refine, minutes, cfg.fresh,
                optimizers=mixed(modules, v.refine, OUTSIDE), random=random)
    draw = batches(held, v.refine.batch, cfg.data.size, random)
    for _ in t:
        pixels = next(draw)
        with torch.no_grad(), autocast(device):
            latent = encode(pixels)
        latent = latent + v.refine_noise * torch.rand(len(pixels), 1, 1, 1, device=device) * torch.randn_like(latent)
        with autocast(device):
            made = decode(latent).float()
        t.step(reconstruction_loss(made, pixels, v.gradient), images=len(pixels))


def batches(held: pictures.Pictures, batch: int, crop: int, random):
    """Random crops [B,3,crop,crop] in [-1,1] of training pictures, half of them mirrored, without end."""
    at = held.where("train", "anime")
    pixels = torch.from_numpy(np.ascontiguousarray(held.pixels[at])).to(random.device)
    side = pixels.shape[1]
    while True:
        i = torch.randint(0, len(at), (batch,), generator=random, device=random.device)
        y, x = torch.randint(0, side - crop + 1, (2,)).tolist()  # of the processor, which need not wait for the GPU
        out = pixels[i, y:y + crop, x:x + crop].permute(0, 3, 1, 2)
        if torch.rand(()) < 0.5:
            out = out.flip(3)
        yield out.float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def normalise(encoder: Encoder, held: pictures.Pictures, count: int = 2000) -> None:
    """Sets the latent's mean and deviation to those of the trained encoder on whole pictures."""
    at = held.where("train")[:: max(1, len(held.where("train")) // count)]
    encoder.eval()
    encoder.norm.running_mean.zero_()
    encoder.norm.running_var.fill_(1 - encoder.norm.eps)
    out = []
    for i in range(0, len(at), 64):
        with autocast(of(encoder)):
            out.append(encoder(augment.to_tensor(held.pixels[at[i:i + 64]], of(encoder))).float())
    raw = torch.cat(out).transpose(0, 1).flatten(1)
    encoder.norm.running_mean.copy_(raw.mean(1))
    encoder.norm.running_var.copy_(raw.var(1))


def load(cfg: Config) -> tuple[Encoder, Decoder]:
    """The trained encoder and the best decoder there is, in evaluation mode."""
    encoder, dec = Encoder(cfg.vae), Decoder(cfg.vae)
    path = cfg.state("vae") / "vae.safetensors"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run the vae stage first")
    weights = load_file(str(path))
    encoder.load_state_dict({k[8:]: w for k, w in weights.items() if k.startswith("encoder.")})
    refined = cfg.state("vae") / "decoder.safetensors"
    if refined.exists():
        weights = load_file(str(refined))
    dec.load_state_dict({k[8:]: w for k, w in weights.items() if k.startswith("decoder.")})
    return (encoder.to(memory_format=torch.channels_last).eval(), dec.to(memory_format=torch.channels_last).eval())


def latents(cfg: Config, held: pictures.Pictures) -> torch.Tensor:
    """Latents float16 [N,2,c,h,w] of every training picture and its mirror image, kept on disk."""
    path, source = cfg.state("unet") / "latents.npy", cfg.state("vae") / "vae.safetensors"
    if path.exists() and path.stat().st_mtime > source.stat().st_mtime:
        return torch.from_numpy(np.load(path))
    device = pick(cfg.device)
    encoder, side = load(cfg)[0].to(device), cfg.data.size // 8
    out = np.zeros((len(held), 2, cfg.vae.latent_channels, side, side), np.float16)
    rows = held.where("train", "anime")
    shown = started = time.monotonic()
    for i in range(0, len(rows), 64):
        pixels = held.pixels[rows[i:i + 64]]
        for flip, seen in enumerate((pixels, pixels[:, :, ::-1])):
            with torch.no_grad(), autocast(device):
                out[rows[i:i + 64], flip] = encoder(augment.to_tensor(seen, device)).half().cpu().numpy()
        if time.monotonic() - shown > 15:
            shown = time.monotonic()
            left = (shown - started) / (i + 64) * (len(rows) - i - 64) / 60
            print(f"vae: latents of {i + 64}/{len(rows)} pictures, {left:.1f} min left", flush=True)
    write_arrays(path, array=out)
    return torch.from_numpy(out)


@torch.no_grad()
def reconstruct(encoder: Encoder, dec: Decoder, pixels: torch.Tensor) -> torch.Tensor:
    with autocast(pixels.device):
        return dec(encoder(pixels)).float().clamp(-1, 1)


def measure(encoder: Encoder, dec: Decoder, held: pictures.Pictures, at: np.ndarray) -> float:
    """Mean PSNR in dB of the reconstructions of these pictures, of 255."""
    out = []
    for i in range(0, len(at), 32):
        pixels = augment.to_tensor(held.pixels[at[i:i + 32]], of(encoder))
        mse = (reconstruct(encoder, dec, pixels) - pixels).square().mean((1, 2, 3))
        out.append(10 * torch.log10(4 / mse))
    return torch.cat(out).mean().item()


def sheet(cfg: Config, encoder: Encoder, dec: Decoder, held: pictures.Pictures) -> None:
    """<state>/vae/sheet.png: pictures above, their reconstructions below."""
    from PIL import Image

    at = np.concatenate([held.where("example")[:12], held.where("dev")[:200:18]])[:24]
    at = at[:len(at) // 12 * 12]
    pixels = augment.to_tensor(held.pixels[at], of(encoder))
    both = torch.stack([pixels, reconstruct(encoder, dec, pixels)]).unflatten(1, (-1, 12))
    grid = both.permute(1, 0, 4, 2, 5, 3).flatten(0, 2).flatten(1, 2)
    Image.fromarray(((grid + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()).save(cfg.state("vae") / "sheet.png")
