"""A bundle of a Stable-Diffusion folder: its U-Net and VAE, a trained Linear, the rest of another bundle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..config import Guidance
from ..models.guidance import GuidanceProjection
from . import check, graph
from .manifest import File, per_role
from .roles import Role, Value
from .stable_diffusion import MaskedUNet, Parts, PictureDecoder, PictureEncoder, Unfit, halved

OWN = ("guidance", "unet", "vae_encoder", "vae_decoder")  # what the folder and the Linear give
HW = ("height", "width")


def linear(path: Path, image: int, face: int, width: int) -> GuidanceProjection:
    """The trained Linear: `linear.weight` [T*C, image + face] and `linear.bias` in safetensors."""
    weights = load_file(str(path))
    if set(weights) != {"linear.weight", "linear.bias"}:
        raise Unfit(f"{path}: want linear.weight and linear.bias, it has {', '.join(sorted(weights))}")
    rows, columns = weights["linear.weight"].shape
    if columns != image + face:
        raise Unfit(f"{path}: takes {columns} numbers, the bundle's embeddings are {image} + {face}")
    if rows % width:
        raise Unfit(f"{path}: gives {rows} numbers, no multiple of the U-Net's cross_attention_dim {width}")
    module = GuidanceProjection(Guidance(image, face, rows // width, width))
    module.load_state_dict(weights)
    return module.eval()


def graphs(parts: Parts, guidance: GuidanceProjection, threads: int) -> tuple[list[File], list[check.Report]]:
    """The folder's own graphs, weights in fp16, checked against PyTorch."""
    files, reports = [], []
    modules = {"guidance": guidance, "unet": MaskedUNet(parts.unet), "vae_encoder": PictureEncoder(parts.vae),
               "vae_decoder": PictureDecoder(parts.vae)}
    halved(parts.vae)  # both halves of it hold the same module
    halved(parts.unet)
    halved(guidance)
    for role in roles(parts, guidance.cfg):
        made = graph.export(modules[role.role].eval(), role)
        reports.append(check.check(modules[role.role], role, made, made, "fp16", threads))
        print(f"stable diffusion: {reports[-1].line()}", flush=True)
        files.append(File(f"{role.key}.onnx", role.role, made.SerializeToString(deterministic=True)))
    return files, reports


def roles(parts: Parts, guidance: Guidance) -> list[Role]:
    """The contract of OWN at this folder's sizes."""
    channels, factor = parts.latent["channels"], parts.latent["factor"]
    side, more = parts.size // factor, parts.multiple // factor
    latent = {"batch": (2, 3), "height": (side, side), "width": (side + more, side)}
    picture = {"batch": (2, 3), "height": (parts.size,) * 2, "width": (parts.size + parts.multiple, parts.size)}
    return [
        Role("guidance", (Value("image_embed", ("batch", guidance.image_dim)), Value("face_embed", ("batch", guidance.face_dim))),
             (Value("tokens", ("batch", guidance.tokens, guidance.channels)),), {"batch": (2, 3)}),
        Role("unet", (Value("latent", ("batch", channels, *HW)), Value("timestep", ("batch",)),
                      Value("context", ("batch", "people", guidance.tokens, guidance.channels)), Value("mask", ("batch", "people", *HW))),
             (Value("prediction", ("batch", channels, *HW)),), latent | {"people": (3, 2)}),
        Role("vae_encoder", (Value("pixels", ("batch", 3, *HW)),), (Value("latent", ("batch", channels, "h", "w")),), picture),
        Role("vae_decoder", (Value("latent", ("batch", channels, *HW)),), (Value("pixels", ("batch", 3, "H", "W")),), latent),
    ]


def assemble(parts: Parts, weights: Path, base: Path, name: str, version: str, licence: str,
             threads: int) -> tuple[dict, list[File]]:
    """The manifest and the files of the new bundle. base: the bundle whose encoders, prior, segmenter
    and detector the Linear was trained with; licence: of the folder, as SPDX or "research-only"."""
    held = json.loads((base / "bundle.json").read_text())
    guidance = linear(weights, held["embeddings"]["image"], held["embeddings"]["face"], parts.width)
    sides = guidance.cfg.tokens
    files, reports = graphs(parts, guidance, threads)
    kept = []
    for entry in held["files"]:
        if entry["role"] in OWN or entry["role"] == "card":
            continue
        if "fetch" in entry:
            third = {k: v for k, v in entry.items() if k not in ("path", "role", "name")}
            kept.append(File(entry["path"], entry["role"], third=third))
            continue
        data = (base / entry["path"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise Unfit(f"{base / entry['path']}: not the bytes that its manifest lists; fetch the bundle again")
        kept.append(File(entry["path"], entry["role"], data, entry.get("name", "")))
    files += [*kept, File("MODEL_CARD.md", "card", card(name, version, held, licence).encode())]
    invariant = {r: v for r, v in held["batch_invariant"].items() if r not in OWN}
    single = [r for r in held["batch_one_differs"] if r not in OWN]
    free = licence != "research-only" and held["commercial_use"]
    return held | {
        "name": name, "version": version, "licence": licence if free else "research-only", "commercial_use": free,
        "provenance": held["provenance"] | {
            "summary": f"A Stable Diffusion U-Net and VAE with a Linear trained on the embeddings of {held['name']} {held['version']}.",
            "code": "training/, stage stable_diffusion", "config_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()},
        "canvas": {"default": parts.size, "min": max(parts.multiple, parts.size // 2), "max": 2 * parts.size,
                   "multiple_of": max(parts.multiple, 16)},
        "latent": parts.latent, "schedule": parts.schedule, "guidance": {"tokens": sides, "width": parts.width},
        "text_tokens": 0, "unconditional": "zero_embeddings",
        "batch_invariant": invariant | per_role(reports),
        "batch_one_differs": sorted(single + [r.key for r in reports if r.one_differs]),
        "files": [f.entry() for f in files],
    }, files


def card(name: str, version: str, base: dict, licence: str) -> str:
    return (f"# {name} {version}\n\nA Stable Diffusion U-Net and VAE (their licence: {licence}), guided by a Linear over the "
            f"embeddings of {base['name']} {base['version']} (licence: {base['licence']}). Faces, text and masks are read by "
            "that bundle's models. Use only as both licences allow; of pictures of people only with their consent. Every "
            "picture made with it is synthetic and must be called so.\n")


@torch.no_grad()
def untrained_linear(path: Path, image: int, face: int, tokens: int, width: int, seed: int = 0) -> None:
    """Writes a Linear with random weights, for tests and as a start."""
    from ..trainer import save

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save(path, GuidanceProjection(Guidance(image, face, tokens, width)).state_dict())
