"""Modules with random weights and a small vocabulary: the tiny bundle that tests run."""

from __future__ import annotations

import string

import torch
from torch import nn

from ..config import Config
from ..models import face, guidance, prior, segmenter, text, unet, vae, vision

WORDS = """a an and are as at black blond blue brown by dark eyes face for from glasses green grey hair hat he her his in
is it light long looking man moustache of old on or out painting person photo picture portrait red she short smile
smiling sunlight suit the to wearing white with woman young""".split()
ENDINGS = ["##ed", "##ing", "##s", "##er", "##ly"]
SEED = 20240101


def vocabulary() -> list[str]:
    """Every letter and digit, alone and as a continuation, punctuation, and some words."""
    signs = string.ascii_lowercase + string.digits
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *string.punctuation, *signs, *("##" + s for s in signs),
            *(w for w in WORDS if len(w) > 1), *ENDINGS]


def modules(cfg: Config) -> dict[str, nn.Module]:
    """One module a role key, as the trained ones come; the same weights at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        trio = vision.VisionTrio(cfg.clip.vision)
        made = {f"clip_vision.{name}": trio.encoder(name) for name in vision.VisionTrio.NAMES}
        made |= {
            "clip_text": text.TextEncoder(cfg.clip.text),
            "prior": prior.Prior(cfg.prior.model),
            "face_encoder": face.FaceEncoder(cfg.face.model),
            "person_segmenter": segmenter.PersonSegmenter(cfg.segmenter.model),
            "guidance": guidance.GuidanceProjection(cfg.guidance),
            "unet": unet.UNet(cfg.unet, cfg.guidance.channels),
            "vae_encoder": vae.Encoder(cfg.vae),
            "vae_decoder": vae.Decoder(cfg.vae),
        }
        for module in made.values():
            for parameter in module.parameters():
                if parameter.dim() > 1 and not parameter.any():  # layers that training starts at zero
                    nn.init.normal_(parameter, std=0.05)
            module.eval()
    return made
