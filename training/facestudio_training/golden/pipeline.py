"""Golden pictures of the tiny bundle: its own graphs, diffusers' samplers, Philox noise."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import onnxruntime as ort
import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler

from . import REPOSITORY, numbers, philox, write
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


def generate(graphs: Graphs, image: np.ndarray, face: np.ndarray, masks: np.ndarray, seed: int, picture: int,
             steps: int, scale: float) -> np.ndarray:
    """image [D], face [N,F], masks [N,h,w] -> the final latent [c,h,w]."""
    m, schedule = graphs.manifest, graphs.manifest["schedule"]
    people, shape = len(face), (m["latent"]["channels"], *masks.shape[1:])
    scheduler = EulerAncestralDiscreteScheduler(
        num_train_timesteps=schedule["train_steps"], beta_schedule=schedule["beta_schedule"],
        beta_start=schedule["beta_start"], beta_end=schedule["beta_end"], prediction_type=schedule["prediction"],
        timestep_spacing=schedule["timestep_spacing"], steps_offset=schedule["steps_offset"])
    scheduler.set_timesteps(steps)
    given = graphs("guidance", image_embed=np.tile(image, (people, 1)), face_embed=face)
    empty = graphs("guidance", image_embed=np.zeros((1, len(image))), face_embed=np.zeros((1, face.shape[1])))
    context = np.stack([np.repeat(empty, people, 0), given])  # [2,N,T,C]: unconditional, conditional
    draw = [torch.from_numpy(philox.normals(seed, int(np.prod(shape)), step, picture).reshape(1, *shape))
            for step in range(steps)]
    x = draw[0] * scheduler.init_noise_sigma
    for k, t in enumerate(scheduler.timesteps, 1):
        scaled = scheduler.scale_model_input(x, t).numpy()
        both = graphs("unet", latent=np.repeat(scaled, 2, 0), timestep=np.full(2, float(t)), context=context,
                      mask=np.stack([masks, masks]))
        guided = torch.from_numpy(both[:1] + scale * (both[1:] - both[:1]))
        noise = draw[k] if k < steps else torch.zeros_like(x)  # after the last step none is added
        with mock.patch(RANDN, lambda *_, **__: noise):
            x = scheduler.step(guided, t, x).prev_sample
    return x[0].numpy()


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
        guided = torch.from_numpy(both[:1] + scale * (both[1:] - both[:1]))
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
    cases = []
    for name, people, masks, seed, picture, steps, scale in (
        ("one person", 1, np.ones((1, side, side), np.float32), 7, 0, 4, 3.0),
        ("second picture", 1, np.ones((1, side, side), np.float32), 7, 1, 4, 3.0),
        ("one step", 1, np.ones((1, side, side), np.float32), 1, 0, 1, 1.0),
        ("two people", 2, left, 1 << 40, 2, 6, 5.0),
    ):
        latent = generate(graphs, image, faces[:people], masks, seed, picture, steps, scale)
        pixels = graphs("vae_decoder", latent=latent[None])[0]
        cases.append({
            "name": name, "seed": str(seed), "picture": picture, "steps": steps, "guidance_scale": scale,
            "masks_shape": list(masks.shape), "masks": numbers(masks.reshape(-1)), "face_embeds": numbers(faces[:people]),
            "latent_shape": list(latent.shape), "latent": numbers(latent.reshape(-1)),
            "pixels_shape": list(pixels.shape), "first_row_of_red": numbers(pixels[0, 0]),
        })
    text = philox.normals(300, widths["text"])
    imagined = {"text_embed": numbers(text), "seed": "7", "picture": 0, "x0": numbers(imagine(graphs, text, 7, 0))}
    origin = ("The graphs of models/tiny in ONNX Runtime, diffusers' {}, Philox noise (services/diffusion/testdata/"
              "noise.json), steps and schedule from the manifest. Tolerance is relative to max(1, |value|).")
    return [
        write(root / "denoiser-svc" / "testdata", "tiny.json", origin.format("EulerAncestralDiscreteScheduler")
              + " Every person has the same image_embed; the latent is the one after the last step; pixels are the "
              "decoder's, not clipped.", 5e-3, {"image_embed": numbers(image), "cases": cases}),
        write(root / "prior-svc" / "testdata", "tiny.json", origin.format("DDIMScheduler (x0, eta 0)")
              + " The start is stream 1 of the noise; no text is a zero embedding.", 1e-3, imagined),
    ]
