"""A PyTorch module -> an ONNX graph: exported, cleaned, its weights stored small."""

from __future__ import annotations

import copy
import logging
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from .roles import Role

OPSET = 18
# Smaller tensors keep float32: they are biases, norms and shapes, and save next to nothing.
SMALL = 256
FP16_LARGEST = 65504.0


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """A copy in eval mode whose ConvUnits carry their batch norm inside the convolution."""
    module = copy.deepcopy(module).eval()
    for unit in module.modules():
        if isinstance(getattr(unit, "conv", None), nn.Conv2d) and isinstance(getattr(unit, "norm", None), nn.BatchNorm2d):
            unit.conv = nn.utils.fusion.fuse_conv_bn_eval(unit.conv, unit.norm)
            unit.norm = nn.Identity()
    return module


def export(module: nn.Module, role: Role) -> onnx.ModelProto:
    """The role's graph, in float32 throughout.

    Axes that the role names stay dynamic; the file carries no stack traces, no machine
    paths and no shapes of inner values, so the same weights give the same bytes."""
    module = fold_batch_norms(module).float()
    shapes = {v.name: {i: torch.export.Dim.DYNAMIC for i, d in enumerate(v.shape) if isinstance(d, str)}
              for v in role.inputs}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, kwargs=role.example(), dynamic_shapes=shapes, opset_version=OPSET, dynamo=True, verbose=False,
            input_names=[v.name for v in role.inputs], output_names=[v.name for v in role.outputs])
    model = clean(program.model_proto, role)
    onnx.checker.check_model(model, full_check=True)
    return model


def clean(model: onnx.ModelProto, role: Role) -> onnx.ModelProto:
    """Renames the dynamic axes as the contract does and drops what only describes the export."""
    graph = model.graph
    for values, wanted in ((graph.input, role.inputs), (graph.output, role.outputs)):
        by_name = {v.name: v for v in values}
        for value in wanted:
            if value.name not in by_name:
                raise ValueError(f"{role.key}: the graph has no {value.name!r}, only {', '.join(by_name)}")
            dims = by_name[value.name].type.tensor_type.shape.dim
            for dim, size in zip(dims, value.shape, strict=True):
                if isinstance(size, str):
                    dim.Clear()
                    dim.dim_param = size
                elif dim.dim_value != size:
                    raise ValueError(f"{role.key}: {value.name} has shape {[d.dim_value or d.dim_param for d in dims]}, "
                                     f"the contract says {list(value.shape)}")
    del graph.value_info[:], model.metadata_props[:], model.functions[:], graph.metadata_props[:]
    graph.name, graph.doc_string, model.doc_string = role.key, "", ""
    model.producer_name, model.producer_version = "facestudio-training", ""
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
    return model


def store(model: onnx.ModelProto, kind: str) -> onnx.ModelProto:
    """A copy that keeps every large weight as "fp16", or as "int8" with a scale per channel.

    A Cast (and a Mul by the scale) follow each; the runtime folds them when it loads the
    file, so the arithmetic stays float32 and only the weights are rounded."""
    model = copy.deepcopy(model)
    restore: list[onnx.NodeProto] = []
    added: list[onnx.TensorProto] = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        name = tensor.name
        if kind == "int8" and values.ndim > 1:
            small, scale = quantise(values)
            tensor.CopyFrom(numpy_helper.from_array(small, name + ".int8"))
            added.append(numpy_helper.from_array(scale, name + ".scale"))
            restore += [helper.make_node("Cast", [name + ".int8"], [name + ".whole"], to=TensorProto.FLOAT),
                        helper.make_node("Mul", [name + ".whole", name + ".scale"], [name])]
            continue
        if np.abs(values).max() > FP16_LARGEST:
            raise ValueError(f"{model.graph.name}: {name} does not fit fp16")
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + ".fp16"))
        restore.append(helper.make_node("Cast", [name + ".fp16"], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(restore + nodes)
    model.graph.initializer.extend(added)
    onnx.checker.check_model(model, full_check=True)
    return model


def quantise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 values and the float32 scale that broadcasts over them; its axis, the first or the
    last, is the one that loses less."""
    best = None
    for axis in (0, values.ndim - 1):
        others = tuple(i for i in range(values.ndim) if i != axis)
        scale = np.maximum(np.abs(values).max(others, keepdims=True) / 127, 1e-12).astype(np.float32)
        small = np.rint(values / scale).astype(np.int8)
        loss = float(((small * scale - values) ** 2).sum())
        if best is None or loss < best[0]:
            best = loss, small, scale
    return best[1], best[2]
