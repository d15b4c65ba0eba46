"""What the loss of the stage `likeness` is made of."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facestudio_training import diffusion
from facestudio_training.data.pictures import Pictures
from facestudio_training.stages import asked, likeness, unet


def test_a_persons_mean_is_over_all_the_photos():
    taught = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]
    held = Pictures(**{k: None for k in Pictures.__dataclass_fields__} | {
        "split": np.array(["train", "low", "train", "train", "dev"]), "found": np.array([True, True, True, False, True]),
        "identity": np.array([4, 4, 9, 4, 4])})
    got = asked.means(taught, held, np.array([0, 2]))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(got, [[half, half, 0, 0], [0, 0, 1, 0]], atol=1e-6)


def test_a_step_of_euler_ancestral():
    def predict(x, t):
        return torch.tanh(x + t / 1000)

    noise, steps = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1)), 5
    want = diffusion.euler_ancestral(predict, noise, steps, torch.Generator().manual_seed(2))
    random, alpha, times = torch.Generator().manual_seed(2), diffusion.alphas(), diffusion.timesteps(steps)
    x = noise
    for at, to in zip(times, [*times[1:], None], strict=True):
        here = alpha[at]
        clean = here.sqrt() * x - (1 - here).sqrt() * predict(x, torch.tensor(float(at)))
        if to is not None:
            x = diffusion.ancestral(x, clean, here, alpha[to], torch.randn(x.shape, generator=random))
    torch.testing.assert_close(clean, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0, 1.5])
def test_the_weights_before_and_after_are_averaged(tiny, tmp_path, share):
    cfg = replace(tiny, paths=replace(tiny.paths, state=str(tmp_path)), likeness=replace(tiny.likeness, share=share))
    modules = torch.nn.ModuleDict(dict(zip(("unet", "guidance"), unet.build(cfg))))
    held = {name: {k: torch.randn(v.shape) for k, v in modules.state_dict().items()} for name in ("unet", "likeness")}
    for name, weights in held.items():
        path = cfg.state("unet") / f"{name}.safetensors"
        save_file(weights | ({"critics.picture": torch.ones(1)} if name == "likeness" else {}), path)
        os.utime(path, (0, 1 if name == "unet" else 2))
    if share > 1:
        with pytest.raises(SystemExit, match="likeness.share"):
            unet.load(cfg)
        return
    got = torch.nn.ModuleDict(dict(zip(("unet", "guidance"), unet.load(cfg)))).state_dict()
    for name, value in got.items():
        torch.testing.assert_close(value, (1 - share) * held["unet"][name] + share * held["likeness"][name])


def test_only_what_was_named_can_be_missed():
    logits, named = torch.tensor([[4.0, -4.0, 9.0]]), torch.tensor([[1.0, -1.0, 0.0]])
    assert likeness.missed(logits, named) < 0.02 < likeness.missed(-logits, named)
    assert likeness.missed(logits, 0 * named) == 0
