"""Sizes and schedules of every model and stage; one TOML file fills them.

A TOML table is a dataclass here, a key its field. Unknown tables and keys are
errors, so that a misspelt key never trains the wrong model.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from .fill import ConfigError, fill
from .models.face import FaceConfig
from .models.prior import PriorConfig
from .models.segmenter import SegmenterConfig
from .models.text import TextConfig
from .models.vision import VisionConfig


@dataclass
class Paths:
    """Folders. Relative ones count from the training/ folder, not the caller's."""

    faces: str = "../../shared/faces"
    teachers: str = "../../shared/teachers"
    state: str = ".state"
    bundle: str = ".state/bundle"


@dataclass
class Train:
    """One stage's optimisation. `minutes` bounds it; the schedule spans `steps`."""

    minutes: float = 10.0
    steps: int = 10_000
    batch: int = 64
    lr: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.01
    ema: float = 0.999
    seed: int = 0


@dataclass
class Data:
    size: int = 128
    detector: str = "front"
    examples: str = "configs/examples.txt"
    mask_scale: float = 1.1  # on the detector's box, about its centre
    mask_fill: int = 128
    limit: int = 0  # 0: every picture; otherwise so many per split, for trying things


@dataclass
class Scenes:
    """How many pictures of each kind the stage `scenes` makes (data/scenes.py); it leaves out the
    kinds whose share in [unet.scenes] is 0."""

    moved: int = 8000
    stylised: int = 12000
    nobody: int = 3000
    wide: int = 8000
    square: int = 3000
    segmented: int = 4000  # portraits that groups are made of
    palettes: int = 300
    seed: int = 0


@dataclass
class Shares:
    """What the U-Net's batches are made of besides portraits as they are, shares of 0..1. moved,
    stylised and nobody replace pictures of a batch; wide and square take whole steps, of fewer
    pictures as theirs are larger."""

    moved: float = 0.0
    stylised: float = 0.0
    nobody: float = 0.0
    wide: float = 0.0
    square: float = 0.0


@dataclass
class Vae:
    latent_channels: int = 8
    full_channels: int = 32  # at H/2
    mid_channels: int = 96  # at H/4
    low_channels: int = 160  # at H/8
    mid_blocks: int = 2  # in the decoder; the encoder has one fewer
    low_blocks: int = 2
    gradient: float = 1.0  # weight of the loss on finite differences
    noise: float = 0.1  # added to the latents in training; their own deviation is 1
    shrunk: float = 0.25  # share of steps on latents averaged down by two
    crop: int = 64
    refine_noise: float = 0.3
    train: Train = field(default_factory=lambda: Train(minutes=18, steps=20_000, batch=32, lr=2e-3, ema=0.998))
    refine: Train = field(default_factory=lambda: Train(minutes=27, steps=20_000, batch=8, lr=1e-3, ema=0.998))
    perceptual: float = 0.2  # weight of the difference of features, in the stage sharpen
    adversarial: float = 0.02  # weight of the discriminator's verdict, from the end of the warm-up on
    sharpen: Train = field(default_factory=lambda: Train(
        minutes=20, steps=20_000, batch=8, lr=3e-4, warmup=200, ema=0.998))


@dataclass
class Unet:
    latent_channels: int = 8
    conv_channels: int = 128  # at the latent's size
    conv_blocks: int = 1  # before the transformer, and as many after it
    width: int = 320  # at half the latent's size
    layers: int = 4
    head_dim: int = 64
    prediction: str = "v_prediction"  # or, in the stage compare, "epsilon": the noise, weighed alike at all timesteps, as the paper has it
    muon: bool = True  # for the weights inside; without it AdamW for all
    hidden_lr: float = 4e-3  # of Muon; train.lr is AdamW's
    style_drop: float = 0.3  # only the style dropped
    face_drop: float = 0.1  # only the face dropped
    both_drop: float = 0.1
    other_photo: float = 0.5  # e_f from another photo of the person, where there is one
    anime: float = 0.04  # share of pictures without a person
    marked: float = 0.4  # share of portraits with a part of their attributes marked (language/marks.py)
    weight_floor: float = 0.3  # of the loss at the noisy end
    scenes: Shares = field(default_factory=Shares)
    compile: bool = False  # torch.compile: worth its minutes of warm-up on idle cores only
    train: Train = field(default_factory=lambda: Train(
        minutes=80, steps=20_000, batch=64, lr=1e-3, warmup=40, ema=0.997))


@dataclass
class Likeness:
    """The U-Net trained on to be recognised (stages/likeness.py)."""

    share: float = 1.0  # of the weights that the stage came to, in their mean with those that it began with, which is used
    people: int = 16  # a step, beside train.batch pictures of the paper's loss
    weight: float = 0.3  # of 1 - cosine
    named: float = 0.05  # of the annotator's cross-entropy on what was marked
    tone: float = 3.0  # of the squared difference of the skin's mean colour, 0..1, to the person's
    own: float = 0.1  # share that is asked for in the own picture
    style_drop: float = 0.15
    fewest: int = 6  # steps of the sampler's way, of which the prediction that counts is one,
    most: int = 10  # at most
    first: int = 60  # its timestep is between first
    last: int = 650  # and last
    groups: float = 0.12  # share of steps that ask for several people
    elsewhere: float = 0.3  # share of the others that are asked for in moved and stylised pictures
    adversarial: float = 0.02  # weight of the critics' verdict
    critic: int = 32  # channels of the picture's critic
    critic_warmup: int = 60
    critic_lr: float = 1e-3
    jitter: float = 0.03  # of the recogniser's crop, as a share of its half
    grain: float = 0.05  # noise on it; pixels are -1..1
    hidden_lr: float = 1.5e-3
    train: Train = field(default_factory=lambda: Train(
        minutes=60, steps=4_000, batch=16, lr=3e-4, warmup=20, ema=0.99))


@dataclass
class Guidance:
    image_dim: int = 768
    face_dim: int = 512
    tokens: int = 8
    channels: int = 256


@dataclass
class Clip:
    """The vision trio and the text encoder, trained together."""

    vision: VisionConfig = field(default_factory=VisionConfig)
    text: TextConfig = field(default_factory=TextConfig)
    noise: float = 0.2  # added to embeddings before they are decoded, in training
    train: Train = field(default_factory=lambda: Train(minutes=14, steps=1_900, batch=64, lr=1.5e-3, ema=0.995))
    # The text encoder alone, afterwards, against the finished embeddings.
    text_train: Train = field(default_factory=lambda: Train(minutes=3, steps=2_000, batch=128, lr=1e-3, warmup=50, ema=0.99))


@dataclass
class Face:
    model: FaceConfig = field(default_factory=FaceConfig)
    train: Train = field(default_factory=lambda: Train(minutes=20, steps=2_600, batch=64, lr=2e-3, ema=0.995))
    blended: float = 0.6  # share of two faces made one, in the stage refit
    hints: float = 0.2  # weight there of the teacher's features, falling to 0 by its end
    refit: Train = field(default_factory=lambda: Train(minutes=60, steps=12_000, batch=64, lr=1.5e-3, ema=0.995))


@dataclass
class Prior:
    model: PriorConfig = field(default_factory=PriorConfig)
    steps: int = 10  # DDIM steps at run time
    guidance: float = 1.5
    rescale: float = 0.7  # how far guided embeddings get back the standard deviation they had without
    train: Train = field(default_factory=lambda: Train(minutes=9, steps=8_000, batch=256, lr=1e-3, ema=0.998))


@dataclass
class Segmenter:
    model: SegmenterConfig = field(default_factory=SegmenterConfig)
    train: Train = field(default_factory=lambda: Train(minutes=5, steps=1_200, batch=32, lr=2e-3, ema=0.995))


@dataclass
class Finetune:
    """The paper's recipe on a Stable-Diffusion folder (3.3, 4.1)."""

    tokens: int = 8
    style_drop: float = 0.64
    face_drop: float = 0.1
    micro: int = 32  # pictures at a time; gradients of a batch are summed over these
    train: Train = field(default_factory=lambda: Train(minutes=600, steps=100_000, batch=256, lr=1e-6, warmup=0, ema=0.9999))


@dataclass
class Bundle:
    name: str = "facestudio-128"
    version: str = "0.1.0"
    steps: int = 25  # of the sampler, when a request names none
    guidance_scale: float = 3.0
    corrections: int = 0  # how often a picture is corrected (docs/architecture.md), when a request does not say
    # How strong the second of two people must be in a face for a blend, as a share of the first; the
    # table `blends` of the evaluation tells where its errors are least.
    blend_share: float = 0.4
    # Roles whose weights are stored as int8 with a scale per channel, for the bundle's size.
    int8: list[str] = field(default_factory=lambda: ["clip_text", "clip_vision", "guidance", "prior"])


@dataclass
class Config:
    threads: int = 1
    device: str = ""  # "cpu", "cuda", "cuda:1"; "" is the GPU where there is one, else the processor
    fresh: bool = False
    file: Path = Path()  # where it was read from
    paths: Paths = field(default_factory=Paths)
    data: Data = field(default_factory=Data)
    scenes: Scenes = field(default_factory=Scenes)
    vae: Vae = field(default_factory=Vae)
    unet: Unet = field(default_factory=Unet)
    guidance: Guidance = field(default_factory=Guidance)
    likeness: Likeness = field(default_factory=Likeness)
    clip: Clip = field(default_factory=Clip)
    face: Face = field(default_factory=Face)
    prior: Prior = field(default_factory=Prior)
    segmenter: Segmenter = field(default_factory=Segmenter)
    marks: Train = field(default_factory=lambda: Train(minutes=10, steps=2_500, batch=64, lr=2e-3, ema=0.99))
    judge: Train = field(default_factory=lambda: Train(minutes=10, steps=3_000, batch=64, lr=1.5e-3, ema=0.99, seed=9))
    finetune: Finetune = field(default_factory=Finetune)
    bundle: Bundle = field(default_factory=Bundle)

    def path(self, name: str) -> Path:
        """A folder of `paths`, absolute."""
        return (ROOT / getattr(self.paths, name)).resolve()

    def state(self, stage: str) -> Path:
        """The stage's own folder for checkpoints and results, created on demand."""
        folder = self.path("state") / stage
        folder.mkdir(parents=True, exist_ok=True)
        return folder


ROOT = Path(__file__).resolve().parent.parent


def load(path: Path) -> Config:
    """Reads a TOML file; keys it leaves out keep their defaults."""
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as err:
        raise ConfigError(f"{path}: {err}") from err
    cfg = fill(Config, raw, str(path))
    cfg.file = path.resolve()
    return cfg
