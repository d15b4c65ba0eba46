"""The one place that knows on what the arithmetic runs: a processor or a GPU."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import numpy as np
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


def fast(device: torch.device) -> torch.dtype:
    """bf16 on a GPU and where the processor computes in it, else float32."""
    return torch.bfloat16 if device.type != "cpu" or cpu_computes_bf16() else torch.float32


def autocast(device: torch.device = CPU):
    """Arithmetic in the device's fast type."""
    return nullcontext() if fast(device) == torch.float32 else torch.autocast(device.type, dtype=torch.bfloat16)


def generator(device: torch.device, seed: int) -> torch.Generator:
    """A generator whose draws lie on the device."""
    return torch.Generator(device).manual_seed(seed)


def compiled(module: torch.nn.Module, device: torch.device, wanted: bool = False):
    """The module compiled, on a GPU always (where there is a C compiler to do it), else if wanted."""
    if not (wanted or device.type == "cuda"):
        return module
    if not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")):
        print("device: no C compiler, so nothing is compiled: steps take longer", flush=True)
        return module
    return torch.compile(module, dynamic=False)  # a graph for each of the few sizes


def upload(values: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array as a tensor on the device: through pinned memory to a GPU, so that it need not be waited for."""
    x = torch.from_numpy(np.ascontiguousarray(values))
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x


def workers(device: torch.device) -> int:
    """Threads that prepare batches ahead: none where the processor is what computes."""
    return min(8, max(1, (os.cpu_count() or 2) - 1)) if device.type == "cuda" else 0


def of(module: torch.nn.Module) -> torch.device:
    """Where a module's weights are."""
    return next(module.parameters()).device
