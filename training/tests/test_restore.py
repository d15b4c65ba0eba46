"""A bundle's weights go back into PyTorch modules that compute what its graphs compute."""

import copy
import json

import numpy as np
import onnx
import pytest
import torch

from facestudio_training.config import ROOT
from facestudio_training.export import check, graph, restore, untrained
from facestudio_training.export.roles import Role, Value
from facestudio_training.stages import export

BUNDLE = ROOT.parent / "models" / "tiny"
PIECES = len(json.loads((BUNDLE / "tokenizer.json").read_text())["vocab"])


def blank(module: torch.nn.Module) -> torch.nn.Module:
    """A copy without anything to lean on."""
    module = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(float("nan"))
    return module


@pytest.fixture(scope="module")
def stored(tiny) -> dict[str, onnx.ModelProto]:
    """Graphs as a bundle has them, of modules that look trained: no two weights are equal."""
    made = untrained.modules(tiny)
    return {key: graph.store(graph.export(restore.distinct(made[key]), role), "int8" if key == "prior" else "fp16")
            for key, role in export.contract(tiny, PIECES).items()}


def test_every_role_computes_what_the_bundle_computes(tiny, stored):
    made = untrained.modules(tiny)
    for key, role in export.contract(tiny, PIECES).items():
        module = blank(made[key])
        restore.restore(module, role, stored[key])
        inputs = role.example(5)
        with torch.no_grad():
            found = module.eval()(**inputs).numpy()
        wanted = check.run(check.open_session(stored[key].SerializeToString(), 1), inputs)
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * wanted.std(), err_msg=key)


def test_batch_norms_that_were_trained_come_back(tiny):
    role, trained = export.contract(tiny, PIECES)["face_encoder"], restore.distinct(untrained.modules(tiny)["face_encoder"])
    random = torch.Generator().manual_seed(2)
    for norm in (m for m in trained.modules() if isinstance(m, restore.NORMS)):
        for value in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            value.copy_(0.5 + torch.rand(value.shape, generator=random))
    module, pixels = blank(trained), role.example(6)["pixels"]
    restore.restore(module, role, graph.store(graph.export(trained, role), "fp16"))
    with torch.no_grad():
        wanted = trained.eval()(pixels)
        torch.testing.assert_close(module.eval()(pixels), wanted, rtol=1e-2, atol=1e-3)
        restore.settle(module, [pixels])
        torch.testing.assert_close(module.eval()(pixels), wanted, rtol=1e-2, atol=1e-3)


def test_settled_norms_compute_the_same_and_fit_their_inputs(tiny, stored):
    role = export.contract(tiny, PIECES)["face_encoder"]
    module = blank(untrained.modules(tiny)["face_encoder"])
    restore.restore(module, role, stored["face_encoder"])
    pixels = role.example(6, batch=16)["pixels"]
    with torch.no_grad():
        before = module.eval()(pixels)
        restore.settle(module, [pixels])
        torch.testing.assert_close(module.eval()(pixels), before, rtol=1e-3, atol=1e-4)
        # Training computes with the batch's own statistics, which are now the held ones.
        torch.testing.assert_close(module.train()(pixels), before, rtol=2e-2, atol=2e-2)


def test_a_graph_of_another_config_is_named(tiny, stored):
    role, module = export.contract(tiny, PIECES)["guidance"], untrained.modules(tiny)["guidance"]
    with pytest.raises(restore.Unrestorable, match="guidance: no linear.weight"):
        restore.restore(module, role, stored["prior"])
    with torch.no_grad():
        module.linear = torch.nn.Linear(module.linear.in_features, 2 * module.linear.out_features)
    module.cfg = type(module.cfg)(**{**vars(module.cfg), "tokens": 2 * module.cfg.tokens})
    wider = Role("guidance", role.inputs, (Value("tokens", ("batch", module.cfg.tokens, module.cfg.channels)),), role.sizes)
    with pytest.raises(restore.Unrestorable, match="guidance: linear.weight has shape"):
        restore.restore(module, wider, stored["guidance"])
