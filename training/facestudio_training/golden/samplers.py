"""Golden values of the deterministic samplers and of picture-to-picture, computed with diffusers."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, UniPCMultistepScheduler

from . import numbers, write
from .sampling import A, B, BY, C, SD, SIZE, model

SOLVERS = {"solver_order": 2, "lower_order_final": True, "final_sigmas_type": "zero"}
MAKE = {
    "euler": lambda karras, **o: EulerDiscreteScheduler(**SD, use_karras_sigmas=karras, **o),
    "ddim": lambda karras, **o: DDIMScheduler(**SD, clip_sample=False, set_alpha_to_one=True, **o),
    # DDIM is DPM-Solver++ of first order (Lu et al. 2022, section 4). diffusers' own DDIM steps down by
    # floor(1000/steps), which is not the next timestep where that leaves a rest.
    "ddim as dpm": lambda karras, **o: DPMSolverMultistepScheduler(
        **SD, **SOLVERS | {"solver_order": 1}, algorithm_type="dpmsolver++", **o),
    "dpmpp_2m": lambda karras, **o: DPMSolverMultistepScheduler(
        **SD, **SOLVERS, algorithm_type="dpmsolver++", solver_type="midpoint", use_karras_sigmas=karras, **o),
    "unipc": lambda karras, **o: UniPCMultistepScheduler(
        **SD, **SOLVERS, solver_type="bh2", predict_x0=True, use_karras_sigmas=karras, **o),
}
KARRAS = ("euler", "dpmpp_2m", "unipc")
STRENGTHS = (1.0, 0.99, 0.9, 0.8, 0.75, 0.7, 0.6, 0.5, 0.3, 0.29, 0.25, 0.1, 0.05, 0.04, 0.01)


def case(name: str, prediction: str, spacing: str, steps: int, karras: bool = False, strength: float = 1.0) -> dict:
    """One run. Below strength 1 it starts from a picture, as StableDiffusionImg2ImgPipeline does."""
    scheduler = MAKE[name](karras, prediction_type=prediction, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    first = steps - begun(scheduler, steps, strength)
    rng = np.random.default_rng([steps, len(name), len(prediction), len(spacing), karras, first])
    noise, source = (torch.from_numpy(rng.standard_normal((1, SIZE)).astype(np.float32)) for _ in range(2))
    timesteps = scheduler.timesteps[first:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    if first:
        x = scheduler.add_noise(source, noise, timesteps[:1])
    else:
        x = noise * scheduler.init_noise_sigma
    method = name.split()[0]
    out = {
        "name": "/".join([name.replace(" ", "-"), prediction, spacing, str(steps)] + ["karras"] * karras
                         + [f"from-{first}"] * (first > 0)),
        "method": method, "prediction": prediction, "spacing": spacing, "steps": steps, "karras": karras, "first": first,
        "timesteps": numbers(timesteps.numpy().astype(np.float32)), "noise": numbers(noise[0].numpy()),
        "source": numbers(source[0].numpy()), "start": numbers(x[0].numpy()),
    }
    if method != "ddim":
        out["sigmas"] = numbers(scheduler.sigmas[first:].numpy())
    at, latents = [], []
    for k, t in enumerate(timesteps, 1):
        x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x).prev_sample
        if k in (1, 2, 3) or len(timesteps) - k < 3 or k % 20 == 0:
            at.append(k)
            latents.append(numbers(x[0].numpy()))
    return out | {"at": at, "latents": latents}


@cache
def get_timesteps():
    """StableDiffusionImg2ImgPipeline.get_timesteps, whose module cannot be imported without transformers."""
    source = Path(diffusers.__file__).parent / "pipelines" / "stable_diffusion" / "pipeline_stable_diffusion_img2img.py"
    method = next(n for n in ast.walk(ast.parse(source.read_text()))
                  if isinstance(n, ast.FunctionDef) and n.name == "get_timesteps")
    names = {}
    exec(compile(ast.Module([method], []), str(source), "exec"), names)  # diffusers' own code
    return names["get_timesteps"]


def begun(scheduler, steps: int, strength: float) -> int:
    """How many steps diffusers makes at a strength; requests carry it as float32."""
    scheduler.set_timesteps(steps)
    return get_timesteps()(SimpleNamespace(scheduler=scheduler), steps, np.float32(strength), None)[1]


def cases() -> list[dict]:
    rows = []
    for name in ("euler", "ddim", "dpmpp_2m", "unipc"):
        for prediction in ("epsilon", "v_prediction", "sample"):
            counts = (1, 2, 4, 25, 100) if prediction != "sample" else (4,)
            rows += [case(name, prediction, "trailing", n, k) for n in counts for k in (False, True)[: 1 + (name in KARRAS)]]
        rows += [case(name, "epsilon", "leading", 10)]
        if name != "ddim":  # its linspace leaves a rest too
            rows += [case(name, "epsilon", "linspace", 10)]
        rows += [case(name, "v_prediction", "trailing", 10, strength=0.6)]
        rows += [case(name, "v_prediction", "trailing", 10, True, strength=0.6)] * (name in KARRAS)
    for name in ("euler", "dpmpp_2m", "unipc"):
        rows += [case(name, "v_prediction", "trailing", 7, k) for k in (False, True)]
    return rows + [case("ddim as dpm", p, "trailing", n) for p in ("epsilon", "v_prediction") for n in (7, 30)]


def strengths() -> list[dict]:
    scheduler = EulerDiscreteScheduler(**SD)
    return [{"steps": n, "strength": s, "made": int(begun(scheduler, n, s))} for n in (1, 4, 10, 25, 50, 100) for s in STRENGTHS]


def write_all(root: Path) -> list[Path]:
    folder = root / "services" / "diffusion" / "testdata"
    return [
        write(folder, "samplers.json", f"{BY}: EulerDiscreteScheduler; DDIMScheduler (eta 0, no clipping, "
              "set_alpha_to_one), or for ddim-as-dpm DPMSolverMultistepScheduler of first order, which is DDIM; "
              "DPMSolverMultistepScheduler (dpmsolver++, order 2, midpoint); UniPCMultistepScheduler (order 2, bh2). "
              "1000 steps, scaled_linear 0.00085 to 0.012, float32, final sigma 0. Model: prediction = a*input + "
              "b*timestep/1000 + c. `latents` has the rows after the steps `at`, counted from 1 after `first` steps "
              "were left out; then start = source noised. All but euler keep latents as sqrt(abar) x0 + sqrt(1-abar) "
              "noise, 1/sqrt(abar) of ours. Tolerance is relative to max(1, |value|).",
              1e-4, {"model": {"a": A, "b": B, "c": C}, "cases": cases()}),
        write(folder, "strength.json", f"{BY} StableDiffusionImg2ImgPipeline.get_timesteps with the strength as float32: "
              "how many of the last steps are made.", 0, {"cases": strengths()}),
    ]
