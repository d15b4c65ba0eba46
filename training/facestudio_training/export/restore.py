"""An exported graph's weights -> the PyTorch module that it was exported from.

The exporter transposes some weights and gives them numbers for names, so names alone do not tell
which is which. Here the module is exported once more with weights that are all different: where
each of them went is then seen from the values, and the bundle's weights go the same way back.
"""

from __future__ import annotations

import copy

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from . import graph
from .roles import Role

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Unrestorable(ValueError):
    """A graph that does not fit the module; the text names the role and the weight."""


@torch.no_grad()
def restore(module: nn.Module, role: Role, model: onnx.ModelProto) -> None:
    """Fills module with the weights of model, which `export` and `store` made of such a module.

    Batch norms that were folded come back as what is left of them: a shift alone. Weights carry the
    rounding that they were stored with."""
    marked = distinct(module)
    places = positions(marked, graph.export(marked, role))
    held = initializers(model)
    passive(module)
    whole = unfolded(module, held)
    for name, tensor in learnt(module).items():
        if owner(module, name) in whole:
            continue
        if name not in places:
            if name.endswith("weight") and isinstance(owner(module, name), NORMS):
                continue  # its scale is part of the convolution's weights
            raise Unrestorable(f"{role.key}: the graph does not hold {name}")
        key, turned = places[name]
        if key not in held:
            raise Unrestorable(f"{role.key}: no {key} in the bundle's graph, where {name} should be: "
                               "it was exported with another config")
        value = torch.from_numpy(held[key].copy())
        value = value.T if turned else value
        if value.numel() != tensor.numel():
            raise Unrestorable(f"{role.key}: {name} has shape {list(tensor.shape)} in this config, {list(value.shape)} in the bundle")
        tensor.copy_(value.reshape(tensor.shape))


@torch.no_grad()
def settle(module: nn.Module, inputs: list[Tensor]) -> None:
    """Gives the module's batch norms, of most of which only a shift was restored, their statistics over
    these inputs, without changing what the module computes: training can go on from there."""
    seen: dict[nn.Module, list[Tensor]] = {m: [] for m in module.modules() if isinstance(m, NORMS)}
    hooks = [m.register_forward_hook(lambda m, args, _: seen[m].append(args[0].transpose(0, 1).flatten(1)))
             for m in seen]
    module.eval()
    for x in inputs:
        module(x)
    for hook in hooks:
        hook.remove()
    for norm, parts in seen.items():
        values = torch.cat(parts, 1)
        mean, var = values.mean(1), values.var(1)
        if norm.affine:
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            norm.weight.copy_(scale * (var + norm.eps).sqrt())
            norm.bias.add_(scale * (mean - norm.running_mean))
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)


@torch.no_grad()
def unfolded(module: nn.Module, held: dict[str, np.ndarray]) -> set[nn.Module]:
    """Fills the batch norms that follow no convolution, which the graph holds as they are, and returns them."""
    whole = set()
    for name, norm in module.named_modules():
        parts = norm.state_dict().keys() - {"num_batches_tracked"} if isinstance(norm, NORMS) else set()
        if parts and all(f"{name}.{part}" in held for part in parts):
            for part in parts:
                getattr(norm, part).copy_(torch.from_numpy(held[f"{name}.{part}"].copy()))
            whole.add(norm)
    return whole


def owner(module: nn.Module, name: str) -> nn.Module:
    return module.get_submodule(name.rpartition(".")[0])


def learnt(module: nn.Module) -> dict[str, Tensor]:
    return {k: p.data for k, p in module.named_parameters()}


@torch.no_grad()
def passive(module: nn.Module) -> None:
    """Makes every batch norm leave its input as it is."""
    for norm in module.modules():
        if isinstance(norm, NORMS):
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            if norm.affine:
                norm.weight.fill_(1)
                norm.bias.zero_()


@torch.no_grad()
def distinct(module: nn.Module) -> nn.Module:
    """A copy with batch norms that only shift and weights no two of which are equal."""
    module = copy.deepcopy(module).eval()
    passive(module)
    random = torch.Generator().manual_seed(1)
    for name, value in learnt(module).items():
        if not (name.endswith("weight") and isinstance(owner(module, name), NORMS)):
            value.copy_(torch.rand(value.shape, generator=random) * 0.2 + 0.01)
    return module


def positions(module: nn.Module, model: onnx.ModelProto) -> dict[str, tuple[str, bool]]:
    """For each parameter the initializer that holds it and whether that is transposed."""
    held = initializers(model)
    out = {}
    for name, value in learnt(module).items():
        wanted = value.numpy()
        for key, found in held.items():
            if found.size != wanted.size:
                continue
            if np.allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=0):
                out[name] = key, False
            elif found.ndim == 2 and found.T.shape == wanted.shape and np.allclose(found.T, wanted, rtol=1e-5, atol=0):
                out[name] = key, True
            else:
                continue
            break
    return out


def initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The graph's float weights by name, those stored small brought back to float32."""
    raw = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    out, numbered = {}, 0
    for name, value in raw.items():
        if name.startswith("val_"):
            # The numbers differ from one export to the next; the order does not.
            if value.ndim == 0 or value.dtype == np.int64 or name.endswith(".scale"):
                continue
            bare = name.split(".")[0]
            value = value.astype(np.float32) * (raw[bare + ".scale"] if name.endswith(".int8") else 1)
            out[f"numbered {numbered}"] = value
            numbered += 1
        elif name.endswith(".fp16"):
            out[name.removesuffix(".fp16")] = value.astype(np.float32)
        elif name.endswith(".int8"):
            bare = name.removesuffix(".int8")
            out[bare] = value.astype(np.float32) * raw[bare + ".scale"]
        elif value.dtype == np.float32 and not name.endswith(".scale"):
            out[name] = value
    return out
