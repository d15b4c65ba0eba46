"""Golden pictures of the tiny bundle: its own graphs, diffusers' samplers, Philox noise."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import onnxruntime as ort
import torch
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler,
                       UniPCMultistepScheduler)
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from . import REPOSITORY, numbers, philox, write
from .samplers import begun
from .sampling import RANDN

BUNDLE = REPOSITORY / "models" / "tiny"


class Graphs:
    """The bundle's graphs by role, each opened when it is first used."""

    def __init__(self, folder: Path):
        self.folder, self.open = folder, {}
        self.manifest = json.loads((folder / "bundle.json").read_text())

    def __call__(self, role: str, **inputs: np.ndarray) -> np.ndarray:
        if role not in self.open:
            options = ort.SessionOptions()
            options.intra_op_num_threads, options.log_severity_level = 1, 3
            self.open[role] = ort.InferenceSession(str(self.folder / f"{role}.onnx"), options,
                                                   providers=["CPUExecutionProvider"])
        return self.open[role].run(None, {k: np.ascontiguousarray(v, np.float32) for k, v in inputs.items()})[0]


def sampler(method: str, karras: bool, schedule: dict):
    common = {
        "num_train_timesteps": schedule["train_steps"], "beta_schedule": schedule["beta_schedule"],
        "beta_start": schedule["beta_start"], "beta_end": schedule["beta_end"], "prediction_type": schedule["prediction"],
        "timestep_spacing": schedule["timestep_spacing"], "steps_offset": schedule["steps_offset"]}
    if method == "euler_ancestral":
        return EulerAncestralDiscreteScheduler(**common)
    if method == "euler":
        return EulerDiscreteScheduler(**common, use_karras_sigmas=karras)
    if method == "ddim":
        return DDIMScheduler(**common, clip_sample=False, set_alpha_to_one=True)
    make = DPMSolverMultistepScheduler if method == "dpmpp_2m" else UniPCMultistepScheduler
    return make(**common, use_karras_sigmas=karras)


def generate(graphs: Graphs, image: np.ndarray, face: np.ndarray, masks: np.ndarray, seed: int, picture: int,
             steps: int, scale: float, method: str = "euler_ancestral", karras: bool = False, strength: float = 0) -> np.ndarray:
    """image [D], face [N,F], masks [N,h,w] -> the final latent [c,h,w]."""
    m, schedule = graphs.manifest, graphs.manifest["schedule"]
    people, shape = len(face), (m["latent"]["channels"], *masks.shape[1:])
    scheduler = sampler(method, karras, schedule)
    first = steps - begun(scheduler, steps, strength) if strength else 0
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps[first:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    given = graphs("guidance", image_embed=np.tile(image, (people, 1)), face_embed=face)
    empty = graphs("guidance", image_embed=np.zeros((1, len(image))), face_embed=np.zeros((1, face.shape[1])))
    context = np.stack([np.repeat(empty, people, 0), given])  # [2,N,T,C]: unconditional, conditional
    draw = [torch.from_numpy(philox.normals(seed, int(np.prod(shape)), step, picture).reshape(1, *shape))
            for step in range(steps)]
    x = draw[0] * scheduler.init_noise_sigma
    if strength:
        x = scheduler.add_noise(torch.from_numpy(encode(graphs, gradient(m["canvas"]["default"]))), draw[0], timesteps[:1])
    for k, t in enumerate(timesteps, 1):
        scaled = scheduler.scale_model_input(x, t).numpy()
        both = graphs("unet", latent=np.repeat(scaled, 2, 0), timestep=np.full(2, float(t)), context=context,
                      mask=np.stack([masks, masks]))
        guided = torch.from_numpy(both[:1] + scale * (both[1:] - both[:1]))
        noise = draw[k] if k < len(timesteps) else torch.zeros_like(x)  # after the last step none is added
        with mock.patch(RANDN, lambda *_, **__: noise):
            x = scheduler.step(guided, t, x).prev_sample
    return x[0].numpy()


def gradient(side: int) -> np.ndarray:
    """The style picture of the cases with strength, uint8 [side,side,3]: red 8x, green 8y, blue 90."""
    y, x = np.mgrid[0:side, 0:side]
    return np.stack([8 * x, 8 * y, np.full_like(x, 90)], -1).astype(np.uint8)


def encode(graphs: Graphs, picture: np.ndarray) -> np.ndarray:
    """A picture's latents [1,c,h,w] as the U-Net takes them."""
    pixels, latent = graphs.manifest["pixels"], graphs.manifest["latent"]
    planes = (picture.astype(np.float32) / 255 - np.float32(pixels["mean"])) / np.float32(pixels["std"])
    z = graphs("vae_encoder", pixels=planes.transpose(2, 0, 1)[None])
    return ((z - latent["shift"]) * latent["scale"]).astype(np.float32)


def imagine(graphs: Graphs, text: np.ndarray, seed: int, picture: int) -> np.ndarray:
    """text [Dt] -> e_T [D] by the prior, with the manifest's steps and guidance scale."""
    prior = graphs.manifest["prior"]
    schedule, width, scale = prior["schedule"], graphs.manifest["embeddings"]["image"], prior["guidance_scale"]
    scheduler = DDIMScheduler(
        num_train_timesteps=schedule["train_steps"], beta_schedule=schedule["beta_schedule"],
        beta_start=schedule["beta_start"], beta_end=schedule["beta_end"], prediction_type="sample",
        timestep_spacing=schedule["timestep_spacing"], clip_sample=False, set_alpha_to_one=True)
    scheduler.set_timesteps(prior["steps"])
    x = torch.from_numpy(philox.normals(seed, width, 0, picture, philox.STREAMS["prior"]))[None]
    words = np.stack([np.zeros_like(text), text])
    for t in scheduler.timesteps:
        both = graphs("prior", x=np.repeat(x.numpy(), 2, 0), timestep=np.full(2, float(t)), text=words)
        plain, told = (torch.from_numpy(x) for x in (both[:1], both[1:]))
        guided = rescale_noise_cfg(plain + scale * (told - plain), told, prior.get("guidance_rescale", 0.0))
        x = scheduler.step(guided, t, x, eta=0.0).prev_sample
    return x[0].numpy()


def write_all(root: Path) -> list[Path]:
    graphs = Graphs(BUNDLE)
    widths = graphs.manifest["embeddings"]
    side = graphs.manifest["canvas"]["default"] // graphs.manifest["latent"]["factor"]
    image = philox.normals(100, widths["image"])
    faces = np.stack([philox.normals(200 + n, widths["face"]) for n in range(2)])
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    left = np.zeros((2, side, side), np.float32)
    left[0, :, : side // 2], left[1, :, side // 2:] = 1, 1
    left[:, 0, 0] = 0.5, 0.25  # a soft place
    everywhere = np.ones((1, side, side), np.float32)
    cases = []
    for name, people, masks, seed, picture, steps, scale, *how in (
        ("one person", 1, everywhere, 7, 0, 4, 3.0),
        ("second picture", 1, everywhere, 7, 1, 4, 3.0),
        ("one step", 1, everywhere, 1, 0, 1, 1.0),
        ("two people", 2, left, 1 << 40, 2, 6, 5.0),
        *((f"{method}{' karras' if karras else ''}{f' at {strength}' if strength else ''}", 1, everywhere, 11, 0, 8, 2.0,
           method, karras, strength)
          for method in ("euler_ancestral", "euler", "ddim", "dpmpp_2m", "unipc") for karras in (False, True)
          for strength in (0, 0.5) if not karras or method in ("euler", "dpmpp_2m", "unipc")),
    ):
        latent = generate(graphs, image, faces[:people], masks, seed, picture, steps, scale, *how)
        pixels = graphs("vae_decoder", latent=latent[None])[0]
        method, karras, strength = how or ("", False, 0)
        cases.append({
            "name": name, "sampler": method, "karras": karras, "strength": strength, "seed": str(seed), "picture": picture, "steps": steps, "guidance_scale": scale,
            "masks_shape": list(masks.shape), "masks": numbers(masks.reshape(-1)), "face_embeds": numbers(faces[:people]),
            "latent_shape": list(latent.shape), "latent": numbers(latent.reshape(-1)),
            "pixels_shape": list(pixels.shape), "first_row_of_red": numbers(pixels[0, 0]),
        })
    text = philox.normals(300, widths["text"])
    imagined = {"text_embed": numbers(text), "seed": "7", "picture": 0, "x0": numbers(imagine(graphs, text, 7, 0))}
    origin = ("The graphs of models/tiny in ONNX Runtime, diffusers' {}, Philox noise (services/diffusion/testdata/"
              "noise.json), steps and schedule from the manifest. Tolerance is relative to max(1, |value|).")
    return [
        write(root / "denoiser-svc" / "testdata", "tiny.json", origin.format("EulerAncestralDiscreteScheduler "
              "or that of the sampler named") + " With strength the start is the style picture's latents, noised; the style "
              "picture is red 8x, green 8y, blue 90. Every person has the same image_embed; the latent is the one after the last step; pixels are the "
              "decoder's, not clipped.", 5e-3, {"image_embed": numbers(image), "cases": cases}),
        write(root / "prior-svc" / "testdata", "tiny.json", origin.format("DDIMScheduler (x0, eta 0)")
              + " The start is stream 1 of the noise; no text is a zero embedding.", 1e-3, imagined),
    ]
