"""The same code on a GPU: no tensor of the arithmetic stays behind on the processor.

PyTorch's fake tensors know devices without having any, and refuse to mix them; so a step of each
stage is taken on a GPU that need not be there, but for the backward pass."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from facestudio_training import config, device, diffusion, optim
from facestudio_training.data import crops
from facestudio_training.language.marks import NAMES
from facestudio_training.models import face as face_model
from facestudio_training.models.annotator import Annotator
from facestudio_training.models.critic import Critic, FaceCritic
from facestudio_training.models.guidance import GuidanceProjection
from facestudio_training.models.prior import Prior
from facestudio_training.models.segmenter import PersonSegmenter
from facestudio_training.models.text import TextEncoder
from facestudio_training.models.unet import UNet
from facestudio_training.models.vae import Decoder, Encoder, reconstruction_loss
from facestudio_training.models.teachers import MobileFaceNet
from facestudio_training.models.vision import VisionTrio
from facestudio_training.stages import asked, clip, face, goals, likeness, prior, segmenter, text, unet

GPU = torch.device("cuda")
B = 4


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """Fake tensors on a fake GPU; generators cannot be faked, so draws have none here."""
    monkeypatch.setattr(device, "upload", lambda values, on: torch.from_numpy(np.ascontiguousarray(values)).to(on))
    monkeypatch.setattr(unet, "generator", lambda on, seed: None)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield mode


def there(*make):
    """Modules made on the GPU: fake parameters cannot be moved."""
    with GPU:
        made = [m() for m in make]
    return made[0] if len(made) == 1 else made


def trained(module: torch.nn.Module, loss: torch.Tensor) -> None:
    """One step of both optimisers; the loss and every weight lie on the GPU."""
    assert loss.device.type == "cuda"
    optimizers = optim.mixed(module, config.Train())
    for p in module.parameters():  # the backward pass itself needs a driver
        p.grad = torch.zeros_like(p)
    for o in optimizers:
        o.step()
    assert all(p.device.type == "cuda" for p in module.parameters())


def built(cfg: config.Config) -> tuple[UNet, GuidanceProjection]:
    return there(lambda: UNet(cfg.unet, cfg.guidance.channels), lambda: GuidanceProjection(cfg.guidance))


def test_a_step_of_the_unet(tiny):
    modules = torch.nn.ModuleDict(dict(zip(("unet", "guidance"), built(tiny))))
    c, side = tiny.vae.latent_channels, 4
    alpha = diffusion.alphas().to(GPU)
    at = torch.randint(0, 999, (B,), device=GPU)
    noisy, wanted = diffusion.noised(*(torch.randn(B, c, side, side, device=GPU) for _ in range(2)), alpha[at])
    context = modules["guidance"](torch.randn(B, tiny.guidance.image_dim, device=GPU), torch.randn(B, tiny.guidance.face_dim, device=GPU))
    with device.autocast(GPU):
        made = modules["unet"](noisy, at.float(), context[:, None], torch.ones(B, 1, side, side, device=GPU))
    error = (made.float() - wanted).square().mean((1, 2, 3)) * diffusion.weights(alpha[at], 0.3)
    trained(modules, error.mean())


def test_samples(tiny):
    modules = [m.eval() for m in built(tiny)]
    style, who = (torch.randn(B, d, device=GPU) for d in (tiny.guidance.image_dim, tiny.guidance.face_dim))
    predicted = []

    def predict(x, t):
        assert t.device.type == "cuda"
        predicted.append(x)
        return x * 0.5

    made = diffusion.euler_ancestral(predict, torch.randn(B, 4, 4, 4, device=GPU), 3, None)
    assert made.device.type == "cuda" and len(predicted) == 3
    z = unet.sample(*modules, style, who, (tiny.vae.latent_channels, 4, 4), steps=2)
    assert z.device.type == "cuda"


def test_a_look_at_who_was_made(tiny):
    net, guidance = built(tiny)
    people, g, c = 3, tiny.guidance, tiny.vae.latent_channels
    requests = object.__new__(asked.Requests)  # what the three's __init__ fills is read from files
    requests.cfg, requests.device, requests.places = tiny.likeness, GPU, {}
    requests.mix = SimpleNamespace(uniform=lambda *shape: torch.rand(*shape, device=GPU))
    requests.rows, requests.wanted = torch.arange(people, device=GPU), torch.randn(people, 128, device=GPU)
    requests.place, requests.tone = torch.randn(people, 2, 3, device=GPU), torch.rand(people, 3, device=GPU)
    requests.draw = SimpleNamespace(
        latents=torch.randn(people, 2, c, 4, 4, device=GPU), style=torch.randn(people, 2, g.image_dim, device=GPU),
        face=torch.randn(people, g.face_dim, device=GPU), photos=torch.arange(people, device=GPU),
        first=torch.arange(people, device=GPU), count=torch.ones(people, device=GPU),
        marking=lambda rows: (torch.zeros(len(rows), g.image_dim, device=GPU), torch.ones(len(rows), len(NAMES), device=GPU)))
    walk = object.__new__(likeness.Walk)
    walk.cfg, walk.random, walk.device, walk.alpha = tiny.likeness, None, GPU, diffusion.alphas().to(GPU)
    walk.integer = lambda least, most: least
    verdict = object.__new__(likeness.Verdict)
    verdict.cfg, verdict.random, verdict.mean, verdict.std = tiny.likeness, None, *torch.ones(2, 1, 3, 1, 1, device=GPU)
    verdict.decoder, verdict.recogniser = there(lambda: Decoder(tiny.vae), lambda: MobileFaceNet().eval())
    verdict.annotator = there(lambda: Annotator(len(NAMES)).eval())
    verdict.critics = there(lambda: torch.nn.ModuleDict({"picture": Critic(8), "face": FaceCritic()}))
    batch = requests(people)
    for figure in verdict(walk(net, guidance, batch), batch):
        assert figure.device.type == "cuda"


def test_a_step_of_the_picture_encoder_and_decoder(tiny):
    modules = there(lambda: torch.nn.ModuleDict({"encoder": Encoder(tiny.vae), "decoder": Decoder(tiny.vae)}))
    pixels = torch.randn(B, 3, 32, 32, device=GPU)
    with device.autocast(GPU):
        made = modules["decoder"](modules["encoder"](pixels)).float()
    trained(modules, reconstruction_loss(made, pixels, 1.0))


def test_a_step_of_the_vision_trio_and_the_text_encoder(tiny):
    trio, words, heads = there(lambda: VisionTrio(tiny.clip.vision), lambda: TextEncoder(tiny.clip.text),
                               lambda: clip.Heads(VisionTrio.NAMES, tiny.clip.vision.embed, 5))
    modules = torch.nn.ModuleDict({"trio": trio, "text": words, "heads": heads})
    size = tiny.clip.vision.size
    batch = clip.Batch(torch.randn(B, 3, size, size, device=GPU), torch.randn(B, 3, 32, 32, device=GPU),
                       torch.ones(B, 8, dtype=torch.int64, device=GPU), torch.ones(B, 5, device=GPU), torch.ones(B, 2, device=GPU))
    with device.autocast(GPU):
        loss, _ = clip.losses(tiny, trio, words, heads, batch)
    trained(modules, loss)


def test_a_step_of_the_text_encoder_alone(tiny):
    head = there(lambda: text.Head(tiny.clip.text.embed, 48))
    found, goal = head.image(torch.randn(B, tiny.clip.text.embed, device=GPU)), torch.randn(B, 48, device=GPU)
    error, contrast = text.losses(found, goal, head.scale)
    trained(head, error + contrast)


def test_a_step_of_the_segmenter(tiny):
    net = there(lambda: PersonSegmenter(tiny.segmenter.model))
    loss, _ = segmenter.losses(net.logits(torch.randn(B, 4, 32, 32, device=GPU)), torch.ones(B, 1, 32, 32, device=GPU))
    trained(net, loss)


def test_a_step_of_the_prior(tiny):
    net, kept = there(lambda: Prior(tiny.prior.model)), prior.cumulative().to(GPU)
    step = torch.randint(0, 1000, (B,), device=GPU)
    x0 = torch.randn(B, tiny.prior.model.image, device=GPU) * kept[step][:, None]
    trained(net, net(x0, step.float(), torch.randn(B, tiny.prior.model.text, device=GPU)).square().mean())


def test_a_forward_of_the_face_encoder_and_the_recogniser_of_latents(tiny):
    net = there(lambda: face_model.FaceEncoder(tiny.face.model))
    e = net(torch.randn(B, 3, 112, 112, device=GPU))
    assert e.device.type == "cuda"
    heads = there(lambda: face.Heads(tiny.face.model.embed, 3))
    assert (e @ heads.centres.T).device.type == "cuda"


def test_faces_are_cut_disturbed_and_compared_with_their_goals():
    faces = crops.cut(torch.randn(B, 3, 32, 32, device=GPU), torch.randn(B, 2, 3, device=GPU))
    assert crops.disturbed(faces, None).device.type == "cuda"
    wanted = goals.Goals(16, 32, GPU)
    assert wanted(torch.randn(B, 16, device=GPU), torch.randn(B, 3, device=GPU)).shape == (B, 32)


def test_a_name_that_is_no_device_is_refused():
    with pytest.raises(SystemExit, match="PyTorch sees no GPU"):
        device.pick("cuda:7") if not torch.cuda.is_available() else pytest.fail("this machine has a GPU")


