"""Trains the person segmenter on portraits labelled by SINet and on composites of several people."""

from __future__ import annotations

import time

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures
from ..data.composites import Scene, compose, portrait
from ..device import CPU, autocast, of, pick, upload, workers
from ..files import write_arrays
from ..models.segmenter import PersonSegmenter
from ..prefetch import ahead
from ..trainer import Trainer, load_weights, save, setup

LABELLED = 4000  # portraits that the teacher labels, a tenth of a second each
MEAN, STD = np.array([102.89, 111.25, 126.91]), np.array([62.93, 62.82, 66.36])  # SINet's, BGR
WIDE = 0.3  # share of batches that are twice as wide as high


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/segmenter/segmenter.safetensors, segmenter.json and sheet.png."""
    device = pick(cfg.device)
    setup(threads, cfg.segmenter.train.seed, device)
    cv2.setNumThreads(0 if workers(device) else threads)
    data = pictures.load(cfg)
    rng = np.random.default_rng(cfg.segmenter.train.seed)
    rows = np.sort(rng.permutation(sources(data))[:LABELLED])
    test = data.where("dev")[::4]
    masks = labels(cfg, data, np.concatenate([rows, test]), threads)
    net = PersonSegmenter(cfg.segmenter.model).to(device, memory_format=torch.channels_last)
    train = cfg.segmenter.train
    t = Trainer(cfg.state("segmenter"), "segmenter_train", {"segmenter": net}, train, minutes, cfg.fresh)

    def make(step: int) -> list[Scene]:
        rng = np.random.default_rng([train.seed, t.before, step])
        width = 2 if rng.random() < WIDE else 1
        return [draw(data, masks, rows, rng, width) for _ in range(train.batch // width)]

    batches = ahead(make, t.at, workers(device))
    for _ in t:
        scenes = next(batches)
        x, goal = stack(scenes, device)
        with autocast(device):
            logits = net.logits(x)
        loss, iou = losses(logits.float(), goal)
        t.step(loss, len(scenes), iou=iou)
    batches.close()
    t.load_ema()
    save(cfg.state("segmenter") / "segmenter.safetensors", net.state_dict(),
         measure(cfg, net.eval(), data, masks, test))


def load(cfg: Config) -> PersonSegmenter:
    """The trained segmenter, in evaluation mode."""
    net = PersonSegmenter(cfg.segmenter.model)
    load_weights(net, cfg.state("segmenter") / "segmenter.safetensors")
    return net.eval().to(memory_format=torch.channels_last)


def sources(data: pictures.Pictures) -> np.ndarray:
    """Training pictures of other sources than the dev people's, so that what is measured on these is of a source never seen."""
    rows = data.where("train")
    rows = rows[data.found[rows] & ~np.isin(data.source[rows], data.source[data.where("dev")])]
    if len(rows) < 4:
        raise SystemExit("segmenter: composites need four training pictures with a face of sources that no dev person has: "
                         "take further sources into the picture sets")
    return rows


def draw(data: pictures.Pictures, masks: dict[int, np.ndarray], rows: np.ndarray, rng: np.random.Generator,
         width: int) -> Scene:
    """A labelled portrait as it is (only when not wide), or a composite of up to three people."""
    if width == 1 and rng.random() < 0.35:
        i = int(rng.choice(rows))
        return portrait(np.asarray(data.pixels[i]), masks[i], data.box[i], rng)
    people = [int(i) for i in rng.choice(rows, int(rng.integers(1, 3 + width - 1)) + 1, replace=False)]
    size = data.pixels.shape[1]
    return compose([(np.asarray(data.pixels[i]), masks[i], data.box[i]) for i in people], size, size * width, rng)


def stack(scenes: list[Scene], device: torch.device = CPU) -> tuple[Tensor, Tensor]:
    """pixels [B,4,H,W] with the cue plane, and the masks [B,1,H,W]."""
    x = augment.to_tensor(np.stack([s.picture for s in scenes]), device)
    cue = upload(np.stack([s.cue() for s in scenes]), device)[:, None]
    goal = upload(np.stack([s.mask for s in scenes]), device)[:, None]
    return torch.cat([x, cue], 1).contiguous(memory_format=torch.channels_last), goal


def losses(logits: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy plus soft Dice, and the IoU of the thresholded masks."""
    p = torch.sigmoid(logits)
    both, either = (p * goal).sum((1, 2, 3)), (p + goal).sum((1, 2, 3))
    dice = 1 - (2 * both + 1) / (either + 1)
    return F.binary_cross_entropy_with_logits(logits, goal) + dice.mean(), iou(p, goal).mean()


def iou(p: Tensor, goal: Tensor) -> Tensor:
    """Intersection over union at 0.5, [B]."""
    a, b = p > 0.5, goal > 0.5
    return (a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3)).clamp(min=1)


def labels(cfg: Config, data: pictures.Pictures, rows: np.ndarray, threads: int) -> dict[int, np.ndarray]:
    """SINet's person masks float32 [128,128] of these rows; computed once and kept."""
    at = cfg.state("segmenter") / "labels.npz"
    held = {}
    if at.exists():
        kept = np.load(at)
        held = dict(zip(kept["names"], kept["masks"], strict=True))
    missing = [i for i in rows if data.file[i] not in held]
    net = teacher(cfg, threads)
    side = data.pixels.shape[1]
    started = shown = time.monotonic()
    for n, i in enumerate(missing):
        large = cv2.resize(np.asarray(data.pixels[i])[:, :, ::-1], (320, 320)).astype(np.float32)
        x = ((large - MEAN) / STD / 255).astype(np.float32).transpose(2, 0, 1)[None]
        mask = net.run(None, {"data": x})[0][0, 1]
        held[data.file[i]] = np.rint(255 * cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)).astype(np.uint8)
        if time.monotonic() - shown > 15:
            shown = time.monotonic()
            left = (shown - started) / (n + 1) * (len(missing) - n)
            print(f"segmenter: labels {n + 1}/{len(missing)}, {left / 60:.1f} min left", flush=True)
    if missing:
        write_arrays(at, names=np.array(list(held)), masks=np.stack(list(held.values())))
    # SINet's masks are hazy; a steeper middle makes paste edges clean.
    return {int(i): np.clip(held[data.file[i]].astype(np.float32) / 255 * 1.6 - 0.3, 0, 1) for i in rows}


def teacher(cfg: Config, threads: int) -> ort.InferenceSession:
    """SINet, its weights taken off the list of inputs, where they keep the runtime from folding them."""
    model = onnx.load(cfg.path("teachers") / "SINet_Softmax.onnx")
    weights = {w.name for w in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def measure(cfg: Config, net: PersonSegmenter, data: pictures.Pictures, masks: dict[int, np.ndarray],
            rows: np.ndarray) -> dict:
    """IoU on dev portraits against SINet and on composites of dev people; draws sheet.png."""
    if not len(rows):
        return {}
    rng = np.random.default_rng(1)
    sets = {"portraits": [portrait(np.asarray(data.pixels[i]), masks[int(i)], data.box[i], None) for i in rows],
            "composites": [draw_composite(data, masks, rows, rng, 1) for _ in range(192)],
            "wide": [draw_composite(data, masks, rows, rng, 2) for _ in range(96)]}
    figures, lines = {}, []
    for name, scenes in sets.items():
        x, goal = stack(scenes)
        with torch.no_grad():
            found = torch.cat([net(part.to(of(net))).cpu() for part in x.split(32)])
        values = iou(found, goal)
        figures |= {f"iou_{name}": float(values.mean()), f"iou_{name}_tenth": float(values.quantile(0.1))}
        lines.append(strip(x[:8], goal[:8], found[:8]))
    print("segmenter: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()), flush=True)
    width = max(line.shape[1] for line in lines)
    lines = [np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines]
    cv2.imwrite(str(cfg.state("segmenter") / "sheet.png"), np.concatenate(lines)[:, :, ::-1])
    return figures


def draw_composite(data: pictures.Pictures, masks: dict[int, np.ndarray], rows: np.ndarray,
                   rng: np.random.Generator, width: int) -> Scene:
    """Two or three dev people over a third one's background."""
    people = [int(i) for i in rng.choice(rows, 3 + int(rng.integers(0, 2)), replace=False)]
    size = data.pixels.shape[1]
    return compose([(np.asarray(data.pixels[i]), masks[i], data.box[i]) for i in people], size, size * width, rng)


def strip(x: Tensor, goal: Tensor, found: Tensor) -> np.ndarray:
    """Pictures with the cue's box brightened, above the true and the found masks, as one uint8 picture."""
    picture = (x[:, :3] + 0.4 * x[:, 3:]).clamp(-1, 1) * 0.5 + 0.5
    lines = [torch.cat(list(v.expand(-1, 3, -1, -1)), 2) for v in (picture, goal, found)]
    return (torch.cat(lines, 1) * 255).byte().permute(1, 2, 0).numpy()
