"""A tiny Stable-Diffusion pipeline as a bundle: the same pictures as diffusers' own."""

import dataclasses
import json
from unittest import mock

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel

from facestudio_training import config
from facestudio_training.config import ROOT
from facestudio_training.evaluation import noise
from facestudio_training.evaluation.mesh import Mesh, Order
from facestudio_training.export import around, stable_diffusion
from facestudio_training.golden.sampling import RANDN
from facestudio_training.stages import stable_diffusion as stage

BASE = ROOT.parent / "models" / "tiny"
WIDTHS = json.loads((BASE / "bundle.json").read_text())["embeddings"]
TOKENS, WIDTH, SIDE, STEPS, SCALE = 3, 16, 64, 4, 4.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A randomly initialised pipeline as save_pretrained writes it: two levels, a VAE of factor 8."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=SIDE // 8, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8, attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=WIDTH)
    vae = AutoencoderKL(block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=1,
                        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_num_groups=4)
    for module in (unet, vae):  # so that fp16 storage rounds nothing and the comparison is of the arithmetic
        module.half().float()
    scheduler = EulerAncestralDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
                                                timestep_spacing="leading")
    at = tmp_path_factory.mktemp("sd") / "pipeline"
    StableDiffusionPipeline(vae=vae, text_encoder=None, tokenizer=None, unet=unet, scheduler=scheduler, safety_checker=None,
                            feature_extractor=None, requires_safety_checker=False).save_pretrained(at)
    around.untrained_linear(at / "linear.safetensors", WIDTHS["image"], WIDTHS["face"], TOKENS, WIDTH)
    return at


@pytest.fixture(scope="module")
def mesh(folder) -> Mesh:
    """The bundle that the stage makes of it."""
    out = folder.parent / "bundle"
    stage.run(config.Config(), folder=folder, linear=folder / "linear.safetensors", base=BASE, out=out)
    digest = next(f["sha256"] for f in json.loads((out / "bundle.json").read_text())["files"] if f["role"] == "face_detector")
    return Mesh(out, ROOT.parent / ".cache" / "models" / f"{digest}.onnx")


def order(people: int = 1, **more) -> Order:
    rng = np.random.default_rng(1)
    faces = rng.normal(size=(people, WIDTHS["face"])).astype(np.float32)
    return Order(faces / np.linalg.norm(faces, axis=1, keepdims=True), rng.normal(size=WIDTHS["image"]).astype(np.float32), 7,
                 scale=SCALE, steps=STEPS, **more)


def test_the_picture_is_the_pipelines_own(folder, mesh):
    wish = order()
    shape = (4, SIDE // 8, SIDE // 8)
    draws = [torch.from_numpy(noise.normals(wish.seed, shape, k))[None] for k in range(STEPS)]
    left = iter([*draws[1:], torch.zeros(1, *shape)])  # the last step adds none
    pipe = StableDiffusionPipeline.from_pretrained(folder, text_encoder=None, tokenizer=None, safety_checker=None,
                                                   feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    empty = mesh.graph("guidance", image_embed=np.zeros((1, WIDTHS["image"])), face_embed=np.zeros((1, WIDTHS["face"])))
    with mock.patch(RANDN, lambda *_, **__: next(left)):
        want = pipe(prompt_embeds=torch.from_numpy(mesh.tokens(wish)), negative_prompt_embeds=torch.from_numpy(empty),
                    latents=draws[0], guidance_scale=SCALE, num_inference_steps=STEPS, height=SIDE, width=SIDE, output_type="np").images[0]
    got = np.clip(mesh.decode(mesh.latents([wish]))[0].transpose(1, 2, 0) / 2 + 0.5, 0, 1)
    assert want.std() > 0.02
    assert np.abs(got - want).max() < 1e-3


def test_the_manifest_says_what_the_folder_says(mesh):
    m = mesh.manifest
    assert m["schedule"] == {"train_steps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
                             "prediction": "epsilon", "timestep_spacing": "leading", "steps_offset": 1}
    assert m["latent"] == {"channels": 4, "factor": 8, "scale": 0.18215, "shift": 0.0}
    assert m["guidance"] == {"tokens": TOKENS, "width": WIDTH} and m["canvas"]["default"] == SIDE
    assert (m["text_tokens"], m["unconditional"], m["commercial_use"]) == (0, "zero_embeddings", False)
    assert {f["path"] for f in m["files"] if "fetch" not in f} == {p.name for p in mesh.folder.iterdir()} - {"bundle.json"}


def test_people_with_an_empty_mask_do_not_count_and_others_do(mesh):
    half = np.zeros((2, SIDE, SIDE), np.float32)
    half[0] = 1
    two = order(2, masks=half, share=False)
    alone = dataclasses.replace(two, faces=two.faces[:1], masks=None)
    np.testing.assert_allclose(mesh.latents([two]), mesh.latents([alone]), atol=1e-4)
    half[0, :, SIDE // 2:], half[1, :, SIDE // 2:] = 0, 1
    assert np.abs(mesh.latents([two]) - mesh.latents([alone])).max() > 1e-3


@pytest.mark.parametrize(("change", "words"), [
    ({"prediction_type": "sample"}, "prediction 'sample'"), ({"trained_betas": [0.1]}, "trained_betas"),
    ({"timestep_spacing": "karras"}, "timestep_spacing 'karras'"),
])
def test_a_schedule_that_is_not_served_is_refused(tmp_path, change, words):
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps({"beta_schedule": "scaled_linear"} | change))
    with pytest.raises(stable_diffusion.Unfit, match=words):
        stable_diffusion.read_schedule(path)


def test_what_is_no_folder_of_diffusers_is_refused(tmp_path):
    with pytest.raises(stable_diffusion.Unfit, match="unet/config.json is missing"):
        stable_diffusion.load(tmp_path)


def test_a_linear_of_other_embeddings_is_refused(tmp_path):
    around.untrained_linear(tmp_path / "l.safetensors", 4, 5, 2, WIDTH)
    with pytest.raises(stable_diffusion.Unfit, match=r"takes 9 numbers, the bundle's embeddings are 7 \+ 5"):
        around.linear(tmp_path / "l.safetensors", 7, 5, WIDTH)
    with pytest.raises(stable_diffusion.Unfit, match="no multiple of the U-Net's cross_attention_dim 24"):
        around.linear(tmp_path / "l.safetensors", 4, 5, 24)
