"""The mesh with PyTorch modules in the place of graphs, for what is not exported."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import torch
from torch import nn

from ..device import autocast
from .mesh import Mesh, Order


class TorchMesh(Mesh):
    """A mesh some of whose graphs are PyTorch modules, by their keys, on whatever device they are. Where shrink is above 1,
    pictures are made at so small a part of the bundle's side, which must be a multiple of it, and enlarged to be looked at."""

    modules: nn.ModuleDict = nn.ModuleDict()
    shrink: int = 1

    def graph(self, key: str, **inputs: np.ndarray) -> np.ndarray:
        if key not in self.modules:
            return super().graph(key, **inputs)
        device = next(self.modules.parameters()).device
        given = [torch.from_numpy(np.ascontiguousarray(v, np.float32)).to(device) for v in inputs.values()]
        with torch.no_grad(), autocast(device):
            return self.modules[key](*given).float().cpu().numpy()

    def latents(self, orders: list[Order]) -> np.ndarray:
        height, width = (side or self.side for side in orders[0].size)
        return super().latents([dataclasses.replace(o, size=(height // self.shrink, width // self.shrink)) for o in orders])

    def decode(self, latents: np.ndarray) -> np.ndarray:
        made = super().decode(latents)
        return made if self.shrink == 1 else np.stack([enlarged(p, self.shrink) for p in made])


def enlarged(pixels: np.ndarray, times: int) -> np.ndarray:
    """Pixels f32 [3,H,W] of as many times the side."""
    return cv2.resize(pixels.transpose(1, 2, 0), None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC).transpose(2, 0, 1)
