"""Writes the small ONNX models of the tests of services/ort.

Run it with the Python of training/: .venv/bin/python services/ort/testdata/make.py
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
F, I = TensorProto.FLOAT, TensorProto.INT64


def value(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, list(shape))


def save(name, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=[numpy_helper.from_array(a, n) for n, a in weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, HERE / f"{name}.onnx")
    return model


# y = 2x and total = sum of ids, [B].
save(
    "double",
    [
        helper.make_node("Mul", ["x", "two"], ["y"]),
        helper.make_node("ReduceSum", ["ids", "one"], ["total_ids"], keepdims=0),
        helper.make_node("Cast", ["total_ids"], ["total"], to=F),
    ],
    [value("x", F, "B", 3), value("ids", I, "B", 4)],
    [value("y", F, "B", 3), value("total", F, "B")],
    [("two", np.float32([2])), ("one", np.int64([1]))],
)

# Multiplies x [N,N] by itself `count` times: as slow as the test wants.
body = helper.make_graph(
    [helper.make_node("MatMul", ["state", "x"], ["next"]), helper.make_node("Identity", ["go"], ["go_on"])],
    "body",
    [value("i", I), value("go", TensorProto.BOOL), value("state", F, "N", "N")],
    [value("go_on", TensorProto.BOOL), value("next", F, "N", "N")],
)
save(
    "slow",
    [
        helper.make_node("Squeeze", ["count"], ["turns"]),
        helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body),
    ],
    [value("x", F, "N", "N"), value("count", I, 1)],
    [value("y", F, "N", "N")],
)

# A weight in another file.
model = save("external", [helper.make_node("Add", ["x", "w"], ["y"])], [value("x", F, "B", 3)], [value("y", F, "B", 3)], [("w", np.float32([1, 2, 3]))])
weight = model.graph.initializer[0]
weight.ClearField("raw_data")
weight.data_location = TensorProto.EXTERNAL
entry = weight.external_data.add()
entry.key, entry.value = "location", "../../../../etc/passwd"
(HERE / "external.onnx").write_bytes(model.SerializeToString())
