"""Golden embeddings of the tiny bundle for example pictures and prompts, from the JPEG on."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from ..data import align, detector, mask
from . import REPOSITORY, numbers, tokens, write
from .geometry import example_detector
from .pipeline import BUNDLE, Graphs

EXAMPLES = ("clara", "samuel", "mei")
PROMPTS = ("a young woman with long blond hair", "", "an old man's portrait, oil on canvas")


def planes(picture: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] -> float32 [1,3,H,W] in [-1,1]."""
    return (picture.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]


def person(graphs: Graphs, find: detector.Detector, name: str) -> dict:
    path = f"examples/faces/{name}.jpg"
    picture = cv2.cvtColor(cv2.imread(str(REPOSITORY / path)), cv2.COLOR_BGR2RGB)
    face, m = find(picture)[0], graphs.manifest
    grey = m["style_face_mask"]
    embeds = []
    for encoder in m["image_encoders"]:
        style = mask.style_input(picture, [face.box], grey["scale"], grey["fill"], encoder["size"])
        embeds.append(graphs(f"clip_vision.{encoder['name']}", pixels=planes(style))[0])
    face_embed = graphs("face_encoder", pixels=planes(align.face(picture, face.points, m["face_encoder"]["size"])))[0]
    box = numbers(face.box.astype(np.float32))
    points = {n: numbers(p) for n, p in zip(("right_eye", "left_eye", "nose", "mouth"), face.points.astype(np.float32))}
    return {"picture": path, "box": box, "points": points, "score": float(np.float32(face.score)),
            "image_embed": numbers(np.concatenate(embeds)), "face_embed": numbers(face_embed)}


def texts(graphs: Graphs) -> list[dict]:
    spec = json.loads((BUNDLE / "tokenizer.json").read_text())
    tokenizer, length = tokens.build(spec), graphs.manifest["text"]["max_tokens"]
    session = ort.InferenceSession(str(BUNDLE / "clip_text.onnx"), providers=["CPUExecutionProvider"])
    rows = []
    for prompt in PROMPTS:
        ids = np.array([tokens.encode(tokenizer, spec, prompt, length)], np.int64)
        rows.append({"text": prompt, "text_embed": numbers(session.run(None, {"ids": ids})[0][0])})
    return rows


def write_all(root: Path) -> list[Path]:
    graphs, find = Graphs(BUNDLE), example_detector()
    people = [person(graphs, find, name) for name in EXAMPLES]
    return [
        write(root / "encoder-svc" / "testdata", "tiny.json", "The graphs of models/tiny in ONNX Runtime on the pictures "
              "named, prepared with OpenCV as in facestudio_training/data (detector.py, align.py, mask.py). JPEG decoders "
              "and resampling differ by a level or two, so compare face_embed and image_embed by cosine, 1 - cosine below "
              "the tolerance, and boxes within 3 pixels; text_embed within 1e-4.", 0.02,
              {"people": people, "texts": texts(graphs)}),
    ]
