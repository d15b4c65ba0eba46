"""Measures the pictures that the mesh makes of the dev people.

It drives `bin/facestudio` as a user would: nothing here runs a model of the
bundle. Faces are compared by a recogniser that no model was trained or
selected with. Dev people are research data: sheets and tables stay in the
state folder.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..config import Config
from ..data import align, pictures
from ..data.detector import Detector, Recipe, fetch

ROOT = Path(__file__).parents[3]
TILE = 128


class Evaluator:
    """The recogniser to measure with: [112,112,3] RGB -> 192 numbers, unit length."""

    def __init__(self, model: Path, threads: int):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, face: np.ndarray) -> np.ndarray:
        pixels = ((face.astype(np.float32) - 127.5) / 128.0)[None]
        vector = self.session.run(["t367"], {"t368": pixels})[0][0]
        return vector / np.linalg.norm(vector)


@dataclass
class Row:
    """One result: who, in whose picture, and what the recogniser says of it."""

    person: int
    style_person: int
    face: np.ndarray
    style: np.ndarray
    result: np.ndarray
    found: bool = False
    given: float = float("nan")  # cosine to the photo that was given
    others: float = float("nan")  # mean cosine to the person's other photos
    style_similarity: float = float("nan")
    rank: int = -1  # 0: nearest of all dev people


def run(cfg: Config, minutes: float | None = None, threads: int | None = None) -> None:
    threads = threads or cfg.threads
    data = pictures.load(cfg)
    folder = cfg.state("eval")
    evaluator = Evaluator(cfg.path("teachers") / "evaluator_mfn192.onnx", threads)
    model, size = fetch(cfg.state("data") / "detector", cfg.data.detector)
    detector = Detector(model, Recipe(size=size), threads)

    rows = data.where("dev")
    known = {int(i): evaluator(data.faces[i]) for i in rows if data.found[i]}
    by_person: dict[int, list[int]] = {}
    for i in known:
        by_person.setdefault(int(data.identity[i]), []).append(i)
    people = [p for p in by_person if len(by_person[p]) >= 3]
    genuine, impostor = calibrate(known, by_person)

    results = generate(cfg, data, people, by_person, folder, 30 if minutes is None else max(4, int(minutes * 20)))
    for row, (face_row, style_row) in results:
        faces = detector(row.result)
        row.found = bool(faces)
        if not faces:
            continue
        vector = evaluator(align.face(row.result, faces[0].points[:4]))
        row.given = float(vector @ known[face_row])
        row.others = float(np.mean([vector @ known[i] for i in by_person[row.person] if i != face_row]))
        row.style_similarity = float(vector @ known[style_row])
        nearest = sorted(people, key=lambda p: -np.mean([vector @ known[i] for i in by_person[p] if i != face_row]))
        row.rank = nearest.index(row.person)

    summary = summarise([r for r, _ in results], genuine, impostor)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    sheet([r for r, _ in results], folder / "sheet.png")
    print(json.dumps(summary, indent=2))
    print(f"sheet: {folder / 'sheet.png'}")


def calibrate(known: dict[int, np.ndarray], by_person: dict[int, list[int]]) -> tuple[float, float]:
    """Mean cosine of the real pairs of one person, and of two people."""
    genuine, impostor = [], []
    keys = list(known)
    person = {i: p for p, members in by_person.items() for i in members}
    for a, i in enumerate(keys):
        for j in keys[a + 1 :]:
            (genuine if person[i] == person[j] else impostor).append(float(known[i] @ known[j]))
    return float(np.mean(genuine)), float(np.mean(impostor))


def generate(cfg: Config, data, people, by_person, folder: Path, count: int):
    """Makes `count` pictures through one running mesh: person k in the picture of another."""
    rng = np.random.default_rng(0)
    command = ROOT / "bin" / "facestudio"
    if not command.exists():
        raise SystemExit("eval: bin/facestudio is missing: run `make build` first")
    pairs = []
    for k in range(count):
        person = people[k % len(people)]
        other = people[(k + 1 + int(rng.integers(len(people) - 1))) % len(people)]
        if other == person:
            other = people[(k + 1) % len(people)]
        pairs.append((person, other, int(rng.choice(by_person[person])), int(rng.choice(by_person[other]))))

    out = []
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(temporary)
        address = "127.0.0.1:17433"
        log = (folder / "mesh.log").open("w")
        mesh = subprocess.Popen([command, "up", "--listen", address, "--data-dir", temporary / "mesh",
                                 "--bundle", ROOT / "models" / cfg.bundle.name], stdout=log, stderr=log)
        try:
            wait_for(command, address, mesh)
            for k, (person, other, face_row, style_row) in enumerate(pairs):
                face, style, result = (temporary / f"{name}.png" for name in ("face", "style", "result"))
                Image.fromarray(data.pixels[face_row]).save(face)
                Image.fromarray(data.pixels[style_row]).save(style)
                subprocess.run([command, "generate", "--server", address, "--face", face, "--style", style,
                                "--seed", str(k), "-o", result, "--json"], check=True, stdout=subprocess.DEVNULL)
                out.append((Row(person, other, data.pixels[face_row], data.pixels[style_row],
                                np.array(Image.open(result).convert("RGB"))), (face_row, style_row)))
                if k % 10 == 9:
                    print(f"eval: {k + 1} of {count} pictures", flush=True)
        finally:
            mesh.terminate()
            mesh.wait(30)
            log.close()
    return out


def wait_for(command: Path, address: str, mesh: subprocess.Popen) -> None:
    for _ in range(120):
        if mesh.poll() is not None:
            raise SystemExit("eval: the mesh stopped at start: see eval/mesh.log in the state folder")
        if subprocess.run([command, "generations", "list", "--server", address], capture_output=True).returncode == 0:
            return
        time.sleep(0.5)
    raise SystemExit("eval: the mesh did not become ready")


def summarise(rows: list[Row], genuine: float, impostor: float) -> dict:
    found = [r for r in rows if r.found]

    def normal(name: str) -> float:
        mean = float(np.mean([getattr(r, name) for r in found])) if found else float("nan")
        return round((mean - impostor) / (genuine - impostor), 3)

    return {
        "pictures": len(rows),
        "face_found": len(found),
        "genuine_mean": round(genuine, 3),
        "impostor_mean": round(impostor, 3),
        "normalised_to_photo_given": normal("given"),
        "normalised_to_photos_not_given": normal("others"),
        "normalised_to_style_person": normal("style_similarity"),
        "first_of_dev_people": round(float(np.mean([r.rank == 0 for r in rows])), 3),
        "among_first_five": round(float(np.mean([0 <= r.rank < 5 for r in rows])), 3),
    }


def sheet(rows: list[Row], path: Path, columns: int = 3) -> None:
    """Face, style, result of every row side by side, the cosine to the photo given below."""
    high = TILE + 12
    lines = -(-len(rows) // columns)
    page = Image.new("RGB", (columns * (3 * TILE + 12), lines * high), "white")
    draw = ImageDraw.Draw(page)
    for k, row in enumerate(rows):
        x, y = (k % columns) * (3 * TILE + 12), (k // columns) * high
        for j, picture in enumerate((row.face, row.style, row.result)):
            page.paste(Image.fromarray(picture).resize((TILE, TILE)), (x + j * TILE, y))
        draw.text((x + 2 * TILE + 2, y + TILE), f"{row.given:.2f} rank {row.rank + 1}" if row.found else "no face", fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
