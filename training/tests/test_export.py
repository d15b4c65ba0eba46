"""The tiny bundle: exported, checked, and a graph that is wrong is refused."""

import hashlib
import json

import numpy as np
import onnx
import pytest
import torch

from facestudio_training.export import check, graph, untrained
from facestudio_training.export.roles import Role, Value
from facestudio_training.stages import export


@pytest.fixture(scope="module")
def bundle(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    export.run(tiny, random=True, out=folder)
    return folder


def test_manifest_lists_every_file_with_its_digest(bundle):
    manifest = json.loads((bundle / "bundle.json").read_text())
    listed = {f["path"]: f for f in manifest["files"]}
    held = {p.name for p in bundle.iterdir()} - {"bundle.json"}
    assert held == {path for path, f in listed.items() if "fetch" not in f}
    for name in held:
        data = (bundle / name).read_bytes()
        assert (listed[name]["sha256"], listed[name]["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert sum(p.stat().st_size for p in bundle.iterdir()) < 1_000_000
    assert manifest["provenance"]["random_weights"]


def test_graphs_carry_no_paths_and_no_external_data(bundle):
    for path in bundle.glob("*.onnx"):
        data = path.read_bytes()
        assert b"/" + b"work" not in data and b".py" not in data, path.name
        model = onnx.load_from_string(data)
        assert not any(t.external_data for t in model.graph.initializer)
        assert all(o.version >= 18 for o in model.opset_import if o.domain == "")


def test_same_weights_give_the_same_bytes(tiny):
    role = export.contract(tiny, len(untrained.vocabulary()))["guidance"]
    made = [graph.export(untrained.modules(tiny)["guidance"], role, half=True).SerializeToString(deterministic=True)
            for _ in range(2)]
    assert made[0] == made[1]


def linear(scale: float = 1.0) -> torch.nn.Module:
    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(24, 24, bias=False)

        def forward(self, x):
            return self.inner(x) * scale

    torch.manual_seed(1)
    return Scale().eval()


ROLE = Role("prior", (Value("x", ("batch", 24)),), (Value("x0", ("batch", 24)),), {"batch": (2, 3)})


def test_weights_are_stored_as_fp16_and_computed_as_float32():
    module = linear()
    model = graph.export(module, ROLE, half=True)
    kinds = {t.data_type for t in model.graph.initializer}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert check.check(module, ROLE, model, True, 1).parity < 1e-6


def test_a_graph_that_differs_from_its_module_is_refused():
    model = graph.export(linear(), ROLE, half=True)
    with pytest.raises(check.Failed, match="differs from PyTorch"):
        check.check(linear(1.01), ROLE, model, True, 1)


def test_people_that_change_the_prediction_with_an_empty_mask_are_refused():
    class Leaks(torch.nn.Module):
        def forward(self, latent, timestep, context, mask):
            return latent + context.mean((1, 2, 3))[:, None, None, None] + 0 * (timestep.sum() + mask.sum())

    role = Role("unet", (Value("latent", ("batch", 2, 4, 4)), Value("timestep", ("batch",)),
                         Value("context", ("batch", "people", 2, 3)), Value("mask", ("batch", "people", 4, 4))),
                (Value("prediction", ("batch", 2, 4, 4)),), {"batch": (2, 3), "people": (3, 2)})
    model = graph.export(Leaks(), role, half=False)
    with pytest.raises(check.Failed, match="empty mask"):
        check.check(Leaks(), role, model, False, 1)


def test_shapes_outside_the_contract_are_refused():
    wrong = Role("prior", ROLE.inputs, (Value("x0", ("batch", 25)),), ROLE.sizes)
    with pytest.raises(ValueError, match="contract says"):
        graph.export(linear(), wrong, half=False)


def test_batch_norm_is_folded(tiny):
    module = untrained.modules(tiny)["face_encoder"]
    role = export.contract(tiny, 10)["face_encoder"]
    model = graph.export(module, role, half=True)
    assert "BatchNormalization" not in {n.op_type for n in model.graph.node}
    pixels = role.example(3)["pixels"]
    with torch.no_grad():
        length = np.linalg.norm(module(pixels).numpy(), axis=1)
    assert np.allclose(length, 1, atol=1e-5)
