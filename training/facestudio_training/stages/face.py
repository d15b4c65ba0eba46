"""Trains the face encoder: distilled from MobileFaceNet (goals.py), with a little margin loss over identities."""

from __future__ import annotations

import csv
import io
import time

import cv2
import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..data import align, augment, pictures
from ..data.crops import Crops, disturbed
from ..device import autocast, compiled, of, pick
from ..files import write_arrays
from ..models.face import FaceEncoder
from ..models.teachers import mobilefacenet
from ..trainer import Trainer, load_weights, save, setup
from . import goals

TEACHER_WIDTH = 128
# The usual five points of a 112x112 face: eyes, nose, mouth corners, left to right in the picture.
FIVE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366],
                 [41.5493, 92.3655], [70.7299, 92.2041]])
FIVE_NAMES = ("leye", "reye", "nose", "lmouth", "rmouth")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # the teacher's own preprocessing
SCALE, MARGIN = 32.0, 0.2  # of the margin loss


class Heads(nn.Module):
    """What only training needs: one centre an identity."""

    def __init__(self, embed: int, identities: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(max(1, identities), embed) * 0.05)


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/face/face.safetensors (the encoder alone) and face.json (its figures)."""
    device = pick(cfg.device)
    random = setup(threads, cfg.face.train.seed, device)
    data = pictures.load(cfg)
    taught = teacher_embeddings(cfg, data)
    rows = data.where("train", "low")
    rows = rows[data.found[rows]]
    labels, repeated = identities(data.identity, rows)
    encoder = FaceEncoder(cfg.face.model).to(device, memory_format=torch.channels_last)
    heads = Heads(cfg.face.model.embed, int(labels.max()) + 1).to(device)
    train = cfg.face.train
    t = Trainer(cfg.state("face"), "face_train", {"encoder": encoder, "heads": heads}, train, minutes, cfg.fresh, random=random)
    crops, forward = Crops(data.pixels[rows], data.points[rows], random), compiled(encoder, device)
    told, colours, names = (torch.from_numpy(x).to(device) for x in (taught[rows], goals.colours(data, rows), labels[rows]))
    wanted = goals.Goals(TEACHER_WIDTH, cfg.face.model.embed, device)(told, colours)
    inside = [np.searchsorted(rows, group) for group in repeated]
    for _ in t:
        at = torch.from_numpy(batch_rows(len(rows), inside, train.batch, np.random.default_rng([train.seed, t.before, t.at]))).to(device)
        with autocast(device):
            e = forward(disturbed(crops(at), random))
        distil, margin = losses(heads, e.float(), wanted[at], names[at])
        t.step(distil + 0.02 * margin, len(at), distil=distil, margin=margin)
    t.load_ema()
    save(cfg.state("face") / "face.safetensors", encoder.state_dict(), {})
    figures = measure(cfg, data, taught, encoder)
    save(cfg.state("face") / "face.safetensors", encoder.state_dict(), figures | {"images": t.images})
    embed_all(cfg, data, encoder)


def embedded(cfg: Config) -> np.ndarray:
    """e_f [N,F] of every picture, as embed_all wrote it."""
    at = cfg.state("face") / "e_f.npy"
    if not at.exists():
        raise SystemExit(f"{at} is missing: run the face stage first")
    return np.load(at)


def load(cfg: Config) -> FaceEncoder:
    """The trained encoder, in evaluation mode."""
    encoder = FaceEncoder(cfg.face.model)
    load_weights(encoder, cfg.state("face") / "face.safetensors")
    return encoder.eval().to(memory_format=torch.channels_last)


def losses(heads: Heads, e: Tensor, target: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """1 - cosine to the goals; CosFace over the rows whose identity has several pictures (label >= 0)."""
    distil, known = 1 - F.cosine_similarity(e, target).mean(), labels >= 0
    if not known.any():
        return distil, e.new_zeros(())
    cosine = e[known] @ F.normalize(heads.centres, dim=1).T
    margin = MARGIN * F.one_hot(labels[known], cosine.shape[1])
    return distil, F.cross_entropy(SCALE * (cosine - margin), labels[known])


def identities(identity: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels [N] (-1 where an identity has one picture) and the rows of each labelled identity."""
    labels = np.full(len(identity), -1, np.int64)
    order = rows[np.argsort(identity[rows], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(identity[order])) + 1)
    repeated = [g for g in groups if len(g) > 1]
    for label, group in enumerate(repeated):
        labels[group] = label
    return labels, repeated


def batch_rows(count: int, repeated: list[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    """Of so many pictures half of a batch at random, half as pairs of one person; in random order."""
    pairs = size // 4 if repeated else 0
    chosen = [rng.choice(repeated[k], 2, replace=False) for k in rng.integers(0, len(repeated), pairs)] if pairs else []
    return rng.permutation(np.concatenate([rng.integers(0, count, size - 2 * pairs), *chosen]))


def teacher_embeddings(cfg: Config, data: pictures.Pictures) -> np.ndarray:
    """The teacher's unit embeddings [N,128] on crops by the five points of faces.tsv; computed once and kept by file name. Rows that are not in faces.tsv stay zero."""
    at = cfg.state("face") / "teacher.npz"
    with open(cfg.path("faces") / "faces.tsv", newline="") as file:
        points = {r["file"]: [[float(r[f"{n}_x"]), float(r[f"{n}_y"])] for n in FIVE_NAMES]
                  for r in csv.DictReader(file, delimiter="\t") if all(r.get(f"{n}_{a}") for n in FIVE_NAMES for a in "xy")}
    held = {}
    if at.exists():
        kept = np.load(at)
        held = dict(zip(kept["names"], kept["embeds"], strict=True))
    missing = [i for i, f in enumerate(data.file) if f in points and f not in held]
    net = session(mobilefacenet(cfg.path("teachers") / "mobilefacenet_foamliu.pt"))
    started = shown = time.monotonic()
    for start in range(0, len(missing), 64):
        part = missing[start:start + 64]
        crops = [cv2.warpAffine(np.asarray(data.pixels[i]),
                                align.similarity(np.array(points[data.file[i]]), FIVE), (112, 112)) for i in part]
        e = net.run(None, {"pixels": teacher_input(augment.to_tensor(np.stack(crops))).contiguous().numpy()})[0]
        held.update(zip(data.file[part], e, strict=True))
        if time.monotonic() - shown > 15:
            shown = time.monotonic()
            left = (shown - started) / (start + 64) * (len(missing) - start)
            print(f"face: teacher {start}/{len(missing)}, {left / 60:.1f} min left", flush=True)
    if missing:
        write_arrays(at, names=np.array(list(held)), embeds=np.stack(list(held.values())))
    blank = np.zeros(TEACHER_WIDTH, np.float32)
    return np.stack([held.get(f, blank) for f in data.file])


def teacher_input(pixels: Tensor) -> Tensor:
    """[B,3,112,112] in [-1,1] as the teacher takes it."""
    mean, std = (pixels.new_tensor(v)[None, :, None, None] for v in (MEAN, STD))
    return (pixels * 0.5 + 0.5 - mean) / std


def session(net: nn.Module) -> ort.InferenceSession:
    """The teacher in ONNX Runtime, where its depthwise convolutions are several times faster."""
    held = io.BytesIO()
    torch.onnx.export(net.eval(), (torch.zeros(2, 3, 112, 112),), held, input_names=["pixels"], dynamo=True,
                      dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), verbose=False)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
    return ort.InferenceSession(held.getvalue(), options, ["CPUExecutionProvider"])


def embed(encoder: FaceEncoder, faces: np.ndarray, batch: int = 64) -> np.ndarray:
    """Aligned faces uint8 [N,112,112,3] -> unit embeddings [N,512]."""
    out = []
    for start in range(0, len(faces), batch):
        with torch.no_grad(), autocast(of(encoder)):
            x = augment.to_tensor(np.asarray(faces[start:start + batch]), of(encoder))
            out.append(encoder(x).float().cpu().numpy())
    return np.concatenate(out)


def embed_all(cfg: Config, data: pictures.Pictures, encoder: FaceEncoder) -> None:
    """Writes e_f.npy, float32 [N,512]: of every picture, zero where no face was found."""
    encoder.eval()
    e = embed(encoder, data.faces) * data.found[:, None]
    at = cfg.state("face") / "e_f.npy"
    write_arrays(at, array=e.astype(np.float32))
    print(f"face: {at.name} of {len(data)} pictures written", flush=True)


def verification(e: np.ndarray, identity: np.ndarray) -> dict:
    """Over all pairs: share of genuine ones above the similarity that one impostor pair in a
    thousand reaches, and the mean cosine of both kinds."""
    upper = np.triu_indices(len(e), 1)
    cosine, same = (e @ e.T)[upper], (identity[:, None] == identity[None])[upper]
    if not same.any() or same.all():
        return {}
    threshold = np.quantile(cosine[~same], 1 - 1e-3)
    return {"tar_at_far_1e-3": float((cosine[same] > threshold).mean()), "threshold": float(threshold),
            "genuine": float(cosine[same].mean()), "impostor": float(cosine[~same].mean())}


def measure(cfg: Config, data: pictures.Pictures, taught: np.ndarray, encoder: FaceEncoder) -> dict:
    """Verification on the development people, beside the teacher's."""
    rows = data.where("dev")
    rows = rows[data.found[rows]]
    if not len(rows):
        return {}
    encoder.eval()
    figures = {"student": verification(embed(encoder, data.faces[rows]), data.identity[rows]),
               "teacher": verification(taught[rows], data.identity[rows])}
    for name, values in figures.items():
        print(f"face: {name}: " + ", ".join(f"{k} {v:.3f}" for k, v in values.items()), flush=True)
    return figures
