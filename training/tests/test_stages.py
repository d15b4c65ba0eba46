"""The arithmetic of the stages, without training."""

import numpy as np
import pytest
import torch

from facestudio_training.data.composites import compose, moved
from facestudio_training.models.prior import Prior, PriorConfig
from facestudio_training.models.text import TextConfig, TextEncoder
from facestudio_training.stages import face, prior, segmenter


def test_the_prior_schedule_is_diffusers_squared_cosine():
    from diffusers import DDIMScheduler
    want = DDIMScheduler(1000, beta_schedule="squaredcos_cap_v2").alphas_cumprod
    torch.testing.assert_close(prior.cumulative(), want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_prior_sampling_is_diffusers_ddim(rescale):
    from diffusers import DDIMScheduler
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
    torch.manual_seed(0)
    net = Prior(PriorConfig(image=12, text=6, width=16, hidden=16, layers=1, time=8)).eval()
    words, noise = torch.randn(3, 6), torch.randn(3, 12)
    schedule = DDIMScheduler(1000, beta_schedule="squaredcos_cap_v2", prediction_type="sample",
                             timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True)
    schedule.set_timesteps(10)
    x = noise
    with torch.no_grad():
        for step in schedule.timesteps:
            when = torch.full((3,), float(step))
            plain, told = net(x, when, torch.zeros_like(words)), net(x, when, words)
            x = schedule.step(rescale_noise_cfg(plain + 1.5 * (told - plain), told, rescale), step, x).prev_sample
    torch.testing.assert_close(prior.sample(net, words, noise, 10, 1.5, rescale), x, rtol=1e-3, atol=1e-4)


def test_padding_does_not_change_a_text_embedding():
    torch.manual_seed(0)
    net = TextEncoder(TextConfig(vocabulary=20, length=8, dim=16, layers=1, heads=2, embed=16)).eval()
    ids = torch.tensor([[2, 5, 6, 3, 0, 0, 0, 0]])
    torch.testing.assert_close(net(ids), net(ids[:, :4]))


def test_a_composite_shows_the_asked_person_where_the_box_is():
    rng = np.random.default_rng(0)
    size = 64
    mask = np.zeros((size, size), np.float32)
    mask[16:, 16:48] = 1
    box = np.array([20.0, 20, 24, 24])
    people = [(np.full((size, size, 3), v, np.uint8), mask, box) for v in (20, 120, 220)]
    for _ in range(10):
        scene = compose(people, size, 2 * size, rng)
        inside = scene.cue() > 0
        assert scene.mask.shape == (size, 2 * size) and scene.mask[inside].mean() > 0.4


def test_boxes_follow_a_mirrored_paste():
    matrix = np.array([[-0.5, 0, 100], [0, 0.5, 10]])
    np.testing.assert_allclose(moved(np.array([20.0, 20, 10, 30]), matrix), [85, 20, 5, 15])


def test_verification_separates_two_people():
    e = np.eye(2, 8, dtype=np.float32)[[0, 0, 1, 1]]
    figures = face.verification(e, np.array([1, 1, 2, 2]))
    assert figures["tar_at_far_1e-3"] == 1 and figures["genuine"] == pytest.approx(1)


def test_only_repeated_identities_are_labelled():
    labels, repeated = face.identities(np.array([5, 7, 5, -1, 9]), np.array([0, 1, 2, 4]))
    assert labels.tolist() == [0, -1, 0, -1, -1] and [g.tolist() for g in repeated] == [[0, 2]]


def test_the_segmenter_learns_from_other_sources_than_it_is_measured_on():
    class Held:
        split = np.array(["train"] * 10 + ["dev"] * 2)
        source = np.array(["a", "a", "b", "a", "b", "c", "c", "a", "c", "b", "b", "b"])
        found = np.array([True, False] + [True] * 10)

        def where(self, *splits):
            return np.flatnonzero(np.isin(self.split, splits))

    assert segmenter.sources(Held()).tolist() == [0, 3, 5, 6, 7, 8]
    Held.source = np.array(["b"] * 12)
    with pytest.raises(SystemExit, match="four training pictures"):
        segmenter.sources(Held())
