"""The one place that knows on what the arithmetic runs: a processor or a GPU."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import torch

CPU = torch.device("cpu")


def pick(name: str = "") -> torch.device:
    """The device of that name, or with "" the GPU where PyTorch sees one, else the processor."""
    if not name:
        return torch.device("cuda") if torch.cuda.is_available() else CPU
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"device {name!r}: PyTorch sees no GPU; leave `device` out of the config, or say cpu")
    return device


@cache
def cpu_computes_bf16() -> bool:
    flags = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def autocast(device: torch.device = CPU):
    """bf16 on a GPU and where the processor computes in it, else plain float32."""
    if device.type == "cpu" and not cpu_computes_bf16():
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def generator(device: torch.device, seed: int) -> torch.Generator:
    """A generator whose draws lie on the device."""
    return torch.Generator(device).manual_seed(seed)


def of(module: torch.nn.Module) -> torch.device:
    """Where a module's weights are."""
    return next(module.parameters()).device
