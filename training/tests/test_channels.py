"""Comparing widths of the latent, with next to no training."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from facestudio_training.data import augment
from facestudio_training.data.pictures import Pictures
from facestudio_training.evaluation.bench import NAMES, Bench
from facestudio_training.evaluation.gallery import Gallery
from facestudio_training.evaluation.torch_mesh import TorchMesh
from facestudio_training.stages import channels, unet, vae
from facestudio_training.stages.few import few
from facestudio_training.trainer import save

from conftest import synthetic, tiny_mesh


@pytest.fixture(scope="module")
def mesh() -> TorchMesh:
    return tiny_mesh(TorchMesh)


@pytest.fixture(scope="module")
def held(mesh) -> Pictures:
    """The same people as development and as training people."""
    data = synthetic(mesh)
    return Pictures(**{f.name: np.concatenate([getattr(data, f.name)] * 2) for f in dataclasses.fields(data)} | {
        "split": np.array(["dev"] * len(data) + ["train"] * len(data)),
        "identity": np.concatenate([data.identity, data.identity + 100])})


@pytest.fixture
def cfg(tiny, held, tmp_path):
    made = copy.deepcopy(tiny)
    made.paths.state = str(tmp_path)
    rng = np.random.default_rng(0)
    np.save(made.state("clip") / "e_h.npy", rng.normal(size=(len(held), 2, made.guidance.image_dim)).astype(np.float16))
    np.save(made.state("face") / "e_f.npy", rng.normal(size=(len(held), made.guidance.face_dim)).astype(np.float32))
    return made


def test_a_part_of_the_people_has_their_embeddings(cfg, held):
    part, some = few(cfg, held, 2, "part")
    assert len(np.unique(some.identity)) == 2 and set(some.split) == {"train"}
    style, face = unet.embeddings(part, some)
    everything = np.load(cfg.state("face") / "e_f.npy")
    rows = np.flatnonzero((held.split == "train") & np.isin(held.identity, some.identity))
    np.testing.assert_array_equal(face.numpy(), everything[rows])
    assert style.shape == (len(rows), 2, cfg.guidance.image_dim)
    assert cfg.path("state") in part.path("state").parents and part.unet.marked == 0


def test_a_latent_of_all_its_components_decodes_to_the_same(cfg, held):
    pixels = augment.to_tensor(held.pixels[:4])
    trained = torch.nn.ModuleDict({"encoder": vae.Encoder(cfg.vae), "decoder": vae.Decoder(cfg.vae)})
    vae.normalise(trained["encoder"], held)
    save(cfg.state("vae") / "vae.safetensors", trained.state_dict(), {})
    wanted = vae.reconstruct(*vae.load(cfg), pixels)
    far = []
    for width in (cfg.vae.latent_channels, 3):
        one = copy.deepcopy(cfg)
        one.paths.state, one.vae.latent_channels = str(cfg.path("state") / str(width)), width
        channels.begin(cfg, one, held)
        far.append(float((vae.reconstruct(*vae.load(one), pixels) - wanted).abs().max()))
    assert far[0] < 0.02 < far[1]
    one.vae.latent_channels = cfg.vae.latent_channels + 1
    with pytest.raises(SystemExit, match="more than the"):
        channels.begin(cfg, one, held)


def test_a_width_is_compared_by_its_pictures(cfg, held, mesh, monkeypatch):
    shown = []
    monkeypatch.setattr(channels.sheets, "lines", lambda gallery, outcomes, path: shown.append((len(outcomes), path.name)))
    trained = torch.nn.ModuleDict({"encoder": vae.Encoder(cfg.vae), "decoder": vae.Decoder(cfg.vae)})
    save(cfg.state("vae") / "vae.safetensors", trained.state_dict(), {})
    one, some = few(cfg, held, 3, "channels/3")
    one.vae.latent_channels = one.unet.latent_channels = 3
    one.data.size = 128
    recognisers = dict.fromkeys(NAMES, mesh.face_embed)
    bench = Bench(mesh, Gallery(held, recognisers), recognisers)
    before = copy.deepcopy(mesh.manifest)
    row = channels.compare(cfg, one, some, channels.Given(held, bench, 0.002, 0.002, 10), threads=1)
    assert len(row) + 1 == len(channels.COLUMNS)
    assert mesh.manifest == before
    assert shown == [(10, "sheet-3.png")]
