"""The evaluation's own mesh, noise and arithmetic against references."""

import json

import numpy as np
import pytest

from facestudio_training.config import ROOT
from facestudio_training.evaluation import noise
from facestudio_training.evaluation.mesh import Mesh, Order
from facestudio_training.golden import philox

REPOSITORY = ROOT.parent


@pytest.mark.parametrize("seed, count, step, picture, stream", [(0, 7, 0, 0, 0), (1 << 40, 33, 3, 2, 1), (2**64 - 1, 8, 25, 7, 2)])
def test_noise_is_the_reference_noise(seed, count, step, picture, stream):
    want = philox.normals(seed, count, step, picture, stream)
    np.testing.assert_array_equal(noise.normals(seed, (count,), step, picture, stream), want)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    bundle = REPOSITORY / "models" / "tiny"
    digest = next(f["sha256"] for f in json.loads((bundle / "bundle.json").read_text())["files"] if f["role"] == "face_detector")
    return Mesh(bundle, REPOSITORY / ".cache" / "models" / f"{digest}.onnx")


def test_pictures_are_the_golden_ones_of_the_denoiser(mesh):
    golden = json.loads((REPOSITORY / "denoiser-svc" / "testdata" / "tiny.json").read_text())
    for case in golden["cases"]:
        if case["picture"] or not case["name"].startswith(("one", "two")):
            continue
        masks = np.array(case["masks"], np.float32).reshape(case["masks_shape"])
        order = Order(np.array(case["face_embeds"], np.float32), np.array(golden["image_embed"], np.float32), int(case["seed"]),
                      masks=masks, size=tuple(8 * s for s in masks.shape[1:]), scale=case["guidance_scale"], steps=case["steps"], share=False)
        row = np.array(case["first_row_of_red"])
        want = np.clip((row + 1) * 127.5, 0, 255)
        assert np.abs(mesh.paint([order])[0][0, :, 0] - want).max() < 1.5, case["name"]


def test_the_priors_embedding_is_the_golden_one(mesh, monkeypatch):
    golden = json.loads((REPOSITORY / "prior-svc" / "testdata" / "tiny.json").read_text())
    real = mesh.graph
    monkeypatch.setattr(mesh, "graph", lambda key, **inputs: np.array([golden["text_embed"]], np.float32)
                        if key == "clip_text" else real(key, **inputs))
    np.testing.assert_allclose(mesh.imagine("anything", int(golden["seed"])), golden["x0"], rtol=1e-3, atol=1e-3)


def test_a_batch_gives_the_same_pictures_as_each_alone(mesh):
    rng = np.random.default_rng(0)
    widths = mesh.manifest["embeddings"]
    orders = [Order(rng.normal(size=(1, widths["face"])).astype(np.float32), rng.normal(size=widths["image"]).astype(np.float32), s,
                    steps=3) for s in range(3)]
    together = mesh.paint(orders)
    for order, picture in zip(orders, together, strict=True):
        assert np.abs(mesh.paint([order])[0].astype(int) - picture).max() <= 1
