"""The bundle's graphs in ONNX Runtime, put together as the mesh puts them together."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort

from ..data import align, mask
from ..data.detector import Detector, Face, Recipe
from ..golden import tokens
from . import noise
from .schedule import Ancestral, cumulative, ddim_times


@dataclass
class Style:
    """A style picture on its canvas: picture uint8 [H,W,3]; faces found in it, the largest first;
    embed f32 [D], e_h with those faces masked out."""

    picture: np.ndarray
    boxes: list[np.ndarray]
    embed: np.ndarray


@dataclass
class Order:
    """One picture to make. faces f32 [N,F], zeros for none; image f32 [D] of the style picture or the
    prior, zeros for none; text the prior's e_T, blended by alpha; masks f32 [N,H,W] of 0..1 or None
    for one person everywhere."""

    faces: np.ndarray
    image: np.ndarray
    seed: int
    text: np.ndarray | None = None
    alpha: float = 1.0
    masks: np.ndarray | None = None
    size: tuple[int, int] = (0, 0)  # height, width; 0: the bundle's
    scale: float = 0.0  # 0: the bundle's
    steps: int = 0  # 0: the bundle's
    share: bool = True  # what masks leave free follows one of the people, by chance


@dataclass
class Mesh:
    """Opens the graphs of a bundle when they are first used. detector: where the face detector lies,
    which is fetched and no part of the bundle."""

    folder: Path
    detector: Path
    threads: int = 1
    manifest: dict = field(init=False)

    def __post_init__(self) -> None:
        path = self.folder / "bundle.json"
        if not path.exists():
            raise SystemExit(f"eval: {path} is missing: export a bundle first, or name one with --bundle")
        self.manifest = json.loads(path.read_text())
        self.sessions: dict[str, ort.InferenceSession] = {}
        self.detect = Detector(self.detector, Recipe(size=self.manifest["face_detector"]["input"]["size"]), self.threads)

    def graph(self, key: str, **inputs: np.ndarray) -> np.ndarray:
        """The first output of a role, or role.name."""
        if key not in self.sessions:
            options = ort.SessionOptions()
            options.intra_op_num_threads, options.log_severity_level = self.threads, 3
            self.sessions[key] = ort.InferenceSession(str(self.folder / f"{key}.onnx"), options, ["CPUExecutionProvider"])
        feed = {k: np.ascontiguousarray(v, np.int64 if k == "ids" else np.float32) for k, v in inputs.items()}
        return self.sessions[key].run(None, feed)[0]

    @property
    def side(self) -> int:
        return self.manifest["canvas"]["default"]

    def faces(self, picture: np.ndarray) -> list[Face]:
        """The faces of an RGB picture, the largest first."""
        return sorted(self.detect(picture), key=lambda f: -f.box[2] * f.box[3])

    def face_embed(self, aligned: np.ndarray) -> np.ndarray:
        """Aligned faces uint8 [B,112,112,3] -> e_f [B,F]."""
        return self.graph("face_encoder", pixels=planes(aligned))

    def style(self, picture: np.ndarray, size: tuple[int, int] | None = None, boxes: list[np.ndarray] | None = None) -> Style:
        """Frames a picture by its largest face and embeds it. With boxes the picture is taken as it
        is and those faces are masked."""
        if boxes is None:
            height, width = size or (self.side, self.side)
            picture, boxes = frame(picture, self.faces(picture), height, width)
        grey, embeds = self.manifest["style_face_mask"], []
        for encoder in self.manifest["image_encoders"]:
            seen = mask.style_input(picture, boxes, grey["scale"], grey["fill"], encoder["size"])
            embeds.append(self.graph(f"clip_vision.{encoder['name']}", pixels=planes(seen[None]))[0])
        return Style(picture, boxes, np.concatenate(embeds))

    def words(self, prompt: str) -> np.ndarray:
        """The text embedding [E] of a prompt."""
        text = self.manifest["text"]
        spec = json.loads((self.folder / text["tokenizer"]).read_text())
        ids = tokens.encode(tokens.build(spec), spec, prompt, text["max_tokens"])
        ids += [0] * (text["max_tokens"] - len(ids))
        return self.graph("clip_text", ids=np.array([ids]))[0]

    def imagine(self, prompt: str, seed: int) -> np.ndarray:
        """The prior's e_T [D] of a prompt."""
        m = self.manifest
        if m["prior"] is None:
            raise SystemExit(f"eval: bundle {m['name']} has no prior, so it takes no prompts")
        words = self.words(prompt)
        prior, kept = m["prior"], cumulative(m["prior"]["schedule"])
        x = noise.normals(seed, (m["embeddings"]["image"],), stream=noise.PRIOR)
        times = ddim_times(prior["schedule"], prior["steps"])
        both = np.stack([np.zeros_like(words), words])
        for now, later in zip(times, [*times[1:], -1], strict=True):
            plain, told = self.graph("prior", x=np.stack([x, x]), timestep=np.full(2, float(now)), text=both)
            clean = plain + prior["guidance_scale"] * (told - plain)
            clean *= 1 + prior.get("guidance_rescale", 0.0) * (told.std() / clean.std() - 1)
            a, b = kept[now], kept[later] if later >= 0 else 1.0
            x = (np.sqrt(b) * clean + np.sqrt(1 - b) * (x - np.sqrt(a) * clean) / np.sqrt(1 - a)).astype(np.float32)
        return x

    def person_masks(self, picture: np.ndarray, boxes: list[np.ndarray]) -> np.ndarray:
        """What of the picture is whose, f32 [N,H,W], at most 1 in sum."""
        height, width = picture.shape[:2]
        x = np.repeat(planes(picture[None]), len(boxes), 0)
        cue = np.zeros((len(boxes), 1, height, width), np.float32)
        for plane, box in zip(cue, boxes, strict=True):
            x0, y0, x1, y1 = mask.enlarged(box, 1.0, width, height)
            plane[0, y0:y1, x0:x1] = 1
        found = self.graph("person_segmenter", pixels=np.concatenate([x, cue], 1))[:, 0]
        return found / np.maximum(1, found.sum(0))

    def paint(self, orders: list[Order]) -> list[np.ndarray]:
        """Pictures uint8 [H,W,3] of orders; those of one size, number of people and steps share batches."""
        made: list[np.ndarray | None] = [None] * len(orders)
        groups: dict[tuple, list[int]] = {}
        for i, o in enumerate(orders):
            groups.setdefault((o.size, len(o.faces), o.steps), []).append(i)
        for members in groups.values():
            for k in range(0, len(members), 8):
                part = members[k:k + 8]
                pixels = self.decode(self.latents([orders[i] for i in part]))
                pictures = np.clip(np.rint((pixels.transpose(0, 2, 3, 1) + 1) * 127.5), 0, 255).astype(np.uint8)
                for i, picture in zip(part, pictures, strict=True):
                    made[i] = picture
        return made

    def latents(self, orders: list[Order]) -> np.ndarray:
        """The final latents [B,c,h,w] of orders of one size, number of people and steps."""
        m, first = self.manifest, orders[0]
        height, width = (s or self.side for s in first.size)
        h, w = height // m["latent"]["factor"], width // m["latent"]["factor"]
        given = np.stack([self.tokens(o) for o in orders])
        masks = np.stack([self.masks(o, h, w) for o in orders])
        scale = np.array([o.scale or m["sampling"]["guidance_scale"] for o in orders], np.float32)[:, None, None, None]
        guided = bool((scale != 1).any())
        if guided:
            empty = self.graph("guidance", image_embed=np.zeros_like(first.image)[None], face_embed=np.zeros_like(first.faces[:1]))
            given, masks = np.concatenate([given, np.broadcast_to(empty[None], given.shape)]), np.concatenate([masks, masks])
        steps, shape = first.steps or m["sampling"]["steps"], (m["latent"]["channels"], h, w)
        sampler = Ancestral(m["schedule"], steps)
        draw = lambda step: np.stack([noise.normals(o.seed, shape, step) for o in orders])  # noqa: E731
        x = draw(0) * sampler.start
        for k in range(steps):
            seen = np.concatenate([sampler.scaled(x, k)] * (2 if guided else 1))
            told = self.graph("unet", latent=seen, timestep=np.full(len(seen), sampler.times[k]), context=given, mask=masks)
            if guided:
                told, plain = np.split(told, 2)
                told = plain + scale * (told - plain)
            x = sampler.step(told, x, k, draw(k + 1) if k + 1 < steps else None)
        return x

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Pixels f32 [B,3,H,W], about [-1,1], of latents."""
        m = self.manifest["latent"]
        return self.graph("vae_decoder", latent=latents / m["scale"] + m["shift"])

    def tokens(self, o: Order) -> np.ndarray:
        """e_g [N,T,C] = alpha e_i + (1 - alpha) e_t."""
        people = len(o.faces)
        parts = [(o.alpha, o.image)] if o.text is None else [(o.alpha, o.image), (1 - o.alpha, o.text)]
        if o.text is None and o.alpha != 1:
            raise ValueError("alpha without a text")
        return sum(share * self.graph("guidance", image_embed=np.repeat(e[None], people, 0), face_embed=o.faces)
                   for share, e in parts if share)

    @staticmethod
    def masks(o: Order, h: int, w: int) -> np.ndarray:
        """The masks [N,h,w] that the U-Net takes."""
        if o.masks is None:
            return np.ones((len(o.faces), h, w), np.float32)
        n, height, width = o.masks.shape
        small = o.masks.reshape(n, h, height // h, w, width // w).mean((2, 4)).astype(np.float32)
        if o.share:
            present = [k for k in range(n) if small[k].any()] or list(range(n))
            small[present[noise.identity(o.seed, len(present))]] += np.clip(1 - small.sum(0), 0, 1)
        return small


def planes(pictures: np.ndarray) -> np.ndarray:
    """uint8 [B,H,W,3] -> f32 [B,3,H,W] in [-1,1]."""
    return (pictures.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)


def frame(picture: np.ndarray, faces: list[Face], height: int, width: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The picture on the canvas, by the points of its first face, and the boxes of its faces there."""
    import cv2

    side, found = min(height, width), []
    if faces:
        target = align.FFHQ_128 / 128 * side + ((width - side) / 2, (height - side) / 2)
        move = align.similarity(faces[0].points[:4], target)
    else:
        s = max(width / picture.shape[1], height / picture.shape[0])
        move = np.array([[s, 0, (width - 1 - s * (picture.shape[1] - 1)) / 2],
                         [0, s, (height - 1 - s * (picture.shape[0] - 1)) / 2]])
    for face in faces:
        centre = move[:, :2] @ (face.box[:2] + face.box[2:] / 2) + move[:, 2]
        size = face.box[2:] * np.sqrt(abs(np.linalg.det(move[:, :2])))
        found.append(np.concatenate([centre - size / 2, size]))
    return cv2.warpAffine(picture, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), found
