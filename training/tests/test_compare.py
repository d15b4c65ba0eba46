"""Comparing choices in equal time, with next to no training."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from facestudio_training import config
from facestudio_training.data import augment
from facestudio_training.data.pictures import Pictures
from facestudio_training.evaluation.bench import NAMES, Bench
from facestudio_training.evaluation.gallery import Gallery
from facestudio_training.evaluation.mesh import Order
from facestudio_training.evaluation.torch_mesh import TorchMesh
from facestudio_training.stages import compare, unet, vae
from facestudio_training.diffusion import alphas
from facestudio_training.stages.few import few
from facestudio_training.stages.mix import Batch
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
        compare.begin(cfg, one, held)
        far.append(float((vae.reconstruct(*vae.load(one), pixels) - wanted).abs().max()))
    assert far[0] < 0.02 < far[1]
    one.vae.latent_channels = cfg.vae.latent_channels + 1
    with pytest.raises(SystemExit, match="more than the"):
        compare.begin(cfg, one, held)


def test_variants_are_compared_by_their_pictures(cfg, held, mesh, monkeypatch):
    shown, trained = [], []
    monkeypatch.setattr(compare.sheets, "lines", lambda gallery, outcomes, path: shown.append((len(outcomes), path.name)))
    monkeypatch.setattr(compare.pictures, "load", lambda cfg: held)
    recognisers = dict.fromkeys(NAMES, mesh.face_embed)
    monkeypatch.setattr(compare, "prepare", lambda *_: Bench(mesh, Gallery(held, recognisers), recognisers))
    real = compare.begin
    monkeypatch.setattr(compare, "begin", lambda cfg, one, held: (trained.append(one.vae.latent_channels), real(cfg, one, held)))
    save(cfg.state("vae") / "vae.safetensors",
         torch.nn.ModuleDict({"encoder": vae.Encoder(cfg.vae), "decoder": vae.Decoder(cfg.vae)}).state_dict(), {})
    before = mesh.manifest
    variants = ["latent_channels=3", "prediction=epsilon batch=2", "muon=false latent_channels=3"]
    compare.run(cfg, threads=1, variants=variants, vae_minutes=0.002, unet_minutes=0.002, people=3, results=10, vae_batch=2, crop=32,
                shrink=2, batch=2, conv_channels=cfg.unet.conv_channels, width=cfg.unet.width, layers=cfg.unet.layers)
    table = (cfg.state("compare") / "table.md").read_text()
    assert all(f"| {v} |" in table for v in variants)
    assert trained == [3, cfg.unet.latent_channels], "one encoder and decoder a width"
    assert mesh.manifest is before and not len(mesh.modules)
    cfg.fresh = True
    compare.run(cfg, threads=1, variants=variants[:1], vae_minutes=0.002, unet_minutes=0.002, people=3, results=10, vae_batch=2, crop=32,
                shrink=2, batch=2, conv_channels=cfg.unet.conv_channels, width=cfg.unet.width, layers=cfg.unet.layers)
    assert trained[2:] == [3], "anew, from the trained encoder and decoder"
    mesh.shrink = 1
    assert [name for _, name in shown][:3] == [f"sheet-{v.replace(' ', ',')}.png" for v in variants]


@pytest.mark.parametrize("variant, words", [("nothing=1", "no setting 'nothing'"), ("width=wide", "width is like"), ("muon=2", "muon is like")])
def test_a_variant_names_settings_that_there_are(variant, words):
    with pytest.raises(SystemExit, match=words):
        compare.settings(variant, config.Unet())


def test_the_variants_of_the_stage_are_such():
    assert [compare.settings(v, config.Unet()) for v in compare.VARIANTS][:2] == [{"latent_channels": 16}, {"latent_channels": 8}]
    assert compare.settings("muon=false batch=256 other_photo=0", config.Unet()) == {"muon": False, "batch": 256, "other_photo": 0.0}


def test_noise_is_predicted_as_it_is(cfg):
    net, guidance = unet.build(cfg)
    latent = torch.randn(2, cfg.unet.latent_channels, 4, 4)
    drawn = Batch(latent, torch.zeros(2, cfg.guidance.image_dim), torch.zeros(2, 1, cfg.guidance.face_dim), torch.ones(2, 1, 4, 4),
                  torch.zeros(2, dtype=torch.long))
    told = {}
    for kind in ("v_prediction", "epsilon"):
        torch.manual_seed(0)
        told[kind] = unet.reconstruct(net, guidance, drawn, alphas(), 0.3, kind)
    loss, error = told["epsilon"]
    assert loss.item() == pytest.approx(error.item())
    assert told["v_prediction"][0].item() != pytest.approx(told["v_prediction"][1].item())
    cfg.unet.prediction = "v"
    with pytest.raises(SystemExit, match="one of v_prediction, epsilon"):
        unet.fit(cfg, None, 1, 1)
    cfg.unet.prediction = "epsilon"
    with pytest.raises(SystemExit, match="stage compare"):
        unet.run(cfg)


def test_smaller_pictures_are_enlarged_to_be_looked_at(held, mesh):
    half = compare.shrunk(held, 2)
    assert half.pixels.shape[1:3] == (64, 64) and len(half) == len(held)
    assert compare.shrunk(held, 1) is held
    order = Order(np.zeros((1, mesh.manifest["embeddings"]["face"]), np.float32), np.zeros(mesh.manifest["embeddings"]["image"], np.float32), 1)
    whole = mesh.latents([order]).shape
    mesh.shrink = compare.checked(2, mesh.side, mesh.manifest["latent"]["factor"])
    try:
        assert mesh.latents([order]).shape[2:] == tuple(s // 2 for s in whole[2:])
        assert mesh.paint([order])[0].shape[:2] == (mesh.side, mesh.side)
    finally:
        mesh.shrink = 1
    with pytest.raises(SystemExit, match="--shrink 3"):
        compare.checked(3, 128, 8)
