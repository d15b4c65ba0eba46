"""The mesh with PyTorch modules in the place of graphs, for what is not exported."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..device import autocast
from .mesh import Mesh


class TorchMesh(Mesh):
    """A mesh some of whose graphs are PyTorch modules, by their keys, on whatever device they are."""

    modules: nn.ModuleDict = nn.ModuleDict()

    def graph(self, key: str, **inputs: np.ndarray) -> np.ndarray:
        if key not in self.modules:
            return super().graph(key, **inputs)
        device = next(self.modules.parameters()).device
        given = [torch.from_numpy(np.ascontiguousarray(v, np.float32)).to(device) for v in inputs.values()]
        with torch.no_grad(), autocast(device):
            return self.modules[key](*given).float().cpu().numpy()
