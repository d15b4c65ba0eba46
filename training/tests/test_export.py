"""The tiny bundle: exported, checked, and a graph that is wrong is refused."""

import hashlib
import json

import numpy as np
import onnx
import pytest
import torch

from facestudio_training import config
from facestudio_training.config import ROOT
from facestudio_training.export import bundle, check, graph, manifest, strangers, untrained
from facestudio_training.export.roles import Role, Value
from facestudio_training.stages import export


BUNDLE = ROOT.parent / "models" / "tiny"
MANIFEST = json.loads((BUNDLE / "bundle.json").read_text())


def test_manifest_lists_every_file_with_its_digest():
    listed = {f["path"]: f for f in MANIFEST["files"]}
    held = {p.name for p in BUNDLE.iterdir()} - {"bundle.json"}
    assert held == {path for path, f in listed.items() if "fetch" not in f}
    for name in held:
        data = (BUNDLE / name).read_bytes()
        assert (listed[name]["sha256"], listed[name]["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert sum(p.stat().st_size for p in BUNDLE.iterdir()) < 1_000_000


def test_manifest_says_what_the_config_says(tiny):
    reports = [check.Report(key.removesuffix(".onnx"), 0, 0, "fp16", 0, 0, True, False, 0)
               for key in (f["path"] for f in MANIFEST["files"]) if key.endswith(".onnx") and key != "face_detector.onnx"]
    made = manifest.manifest(tiny, tiny.file, [e["name"] for e in MANIFEST["image_encoders"]], reports, [], True)
    for name in MANIFEST.keys() - {"files", "batch_invariant", "batch_one_differs", "provenance"}:
        assert made[name] == MANIFEST[name], name
    assert made["batch_invariant"].keys() == MANIFEST["batch_invariant"].keys()


def test_manifest_tells_how_similar_strangers_are(tiny):
    e = np.eye(3, 4, dtype=np.float32)
    e[1] = (0.6, 0.8, 0, 0)
    apart = strangers.spread(e, np.array([0, 1, 1]))
    assert apart == {"mean": 0.3, "deviation": 0.3}
    assert strangers.spread(e, np.zeros(3)) is None
    assert strangers.spread(np.ones((3, 4), np.float32) / 2, np.arange(3)) is None
    made = manifest.manifest(tiny, tiny.file, [], [], [], False, apart)
    assert made["face_encoder"]["similarity"] == {"strangers": apart, "blend_share": tiny.bundle.blend_share}


def test_graphs_carry_the_contract_and_no_paths(tiny):
    pieces = json.loads((BUNDLE / "tokenizer.json").read_text())["vocab"]
    for key, role in export.contract(tiny, len(pieces)).items():
        data = (BUNDLE / f"{key}.onnx").read_bytes()
        assert b"/" + b"work" not in data and b".py" not in data, key
        model = onnx.load_from_string(data)
        assert not any(t.external_data for t in model.graph.initializer)
        assert all(o.version >= 18 for o in model.opset_import if o.domain == "")
        for values, wanted in ((model.graph.input, role.inputs), (model.graph.output, role.outputs)):
            assert [v.name for v in values] == [v.name for v in wanted]
            for value, want in zip(values, wanted):
                kind = onnx.TensorProto.INT64 if want.ids else onnx.TensorProto.FLOAT
                assert value.type.tensor_type.elem_type == kind
                assert tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim) == want.shape


def test_committed_unet_attends_by_region():
    """Contexts of people with empty masks never matter; those with a mask do."""
    role = export.contract(config.load(ROOT / "configs" / "tiny.toml"), 10)["unet"]
    session = check.open_session((BUNDLE / "unet.onnx").read_bytes(), 1)
    check.padding(session, role)
    inputs = role.example(5, people=2)
    other = inputs | {"context": inputs["context"] * 0.5}
    assert not np.array_equal(check.run(session, inputs), check.run(session, other))


def test_bundle_is_replaced_whole(tmp_path):
    folder = tmp_path / "b"
    for turn in (b"1", b"2"):
        bundle.write(folder, {"format": 1}, [manifest.File("x.onnx", "unet", turn),
                                             manifest.File("d.onnx", "face_detector", third={"sha256": "0"})])
        (folder / "left over").touch()
    bundle.write(folder, {"format": 1}, [manifest.File("x.onnx", "unet", b"3")])
    assert {p.name for p in folder.iterdir()} == {"x.onnx", "bundle.json"}
    assert (folder / "x.onnx").read_bytes() == b"3" and list(tmp_path.iterdir()) == [folder]


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


@pytest.fixture(scope="module")
def exact():
    return graph.export(linear(), ROLE)


@pytest.mark.parametrize("kind, limit", [("fp16", 1e-3), ("int8", 2e-2)])
def test_weights_are_stored_small_and_computed_as_float32(exact, kind, limit):
    kept = graph.store(exact, kind)
    report = check.check(linear(), ROLE, exact, kept, kind, 1)
    assert report.parity < 1e-6 and 0 < report.rounding < limit
    assert report.bytes < len(exact.SerializeToString())


def test_same_weights_give_the_same_bytes(exact):
    again = graph.export(linear(), ROLE)
    assert exact.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)


def test_a_graph_that_differs_from_its_module_is_refused(exact):
    with pytest.raises(check.Failed, match="differs from PyTorch"):
        check.check(linear(1.01), ROLE, exact, exact, "fp16", 1)


def test_weights_that_storing_changes_too_much_are_refused(exact):
    with pytest.raises(check.Failed, match="as fp16 change"):
        check.check(linear(), ROLE, exact, graph.export(linear(1.01), ROLE), "fp16", 1)


def test_people_that_change_the_prediction_with_an_empty_mask_are_refused():
    class Leaks(torch.nn.Module):
        def forward(self, latent, timestep, context, mask):
            return latent + context.mean((1, 2, 3))[:, None, None, None] + 0 * (timestep.sum() + mask.sum())

    role = Role("unet", (Value("latent", ("batch", 2, 4, 4)), Value("timestep", ("batch",)),
                         Value("context", ("batch", "people", 2, 3)), Value("mask", ("batch", "people", 4, 4))),
                (Value("prediction", ("batch", 2, 4, 4)),), {"batch": (2, 3), "people": (3, 2)})
    model = graph.export(Leaks(), role)
    with pytest.raises(check.Failed, match="empty mask"):
        check.check(Leaks(), role, model, model, "fp16", 1)


def test_shapes_outside_the_contract_are_refused():
    wrong = Role("prior", ROLE.inputs, (Value("x0", ("batch", 25)),), ROLE.sizes)
    with pytest.raises(ValueError, match="contract says"):
        graph.export(linear(), wrong)


def test_batch_norm_is_folded(tiny):
    module = untrained.modules(tiny)["face_encoder"].eval()
    folded = graph.fold_batch_norms(module)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    pixels = export.contract(tiny, 10)["face_encoder"].example(3)["pixels"]
    with torch.no_grad():
        assert torch.allclose(module(pixels), folded(pixels), atol=1e-5)
