"""Measures a bundle on the development people and prints the tables as Markdown.

Runs the bundle's graphs in this process, many pictures at a time; `--through` makes the same
pictures with `bin/facestudio` and says how far they are apart. Development people are research
data: tables and sheets stay in the state folder.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from ..config import ROOT, Config
from ..data import pictures
from ..data.detector import fetch
from ..evaluation import in_place, sheets, through, together
from ..evaluation.bench import NAMES, Bench
from ..evaluation.gallery import Gallery, Recogniser
from ..evaluation.mesh import Mesh
from ..evaluation.tables import TABLES
from ..files import write_text
from . import judge

COUNT = 400


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training eval")
    parser.add_argument("--bundle", type=Path, help="folder of the bundle; default: the config's paths.bundle")
    parser.add_argument("--tables", default=",".join(TABLES), help="comma-separated, of " + ", ".join(TABLES))
    parser.add_argument("--count", type=int, default=COUNT, help="results behind each row (of text: behind all prompts)")
    parser.add_argument("--in-place", type=int, default=0, help="put people into so many photos with bin/facestudio, and look at the seams")
    parser.add_argument("--together", type=int, default=0, help="make so many pictures of two people with bin/facestudio, and half as many of three")
    parser.add_argument("--through", type=int, default=0, help="compare so many pictures with those of bin/facestudio")
    return parser


def run(cfg: Config, minutes: float | None = None, threads: int = 1, bundle: Path | None = None,
        tables: str = ",".join(TABLES), count: int = COUNT, through_mesh: int = 0, **rest) -> None:
    """Writes <state>/eval/tables.md and sheet-*.png. With minutes, no table is begun after them."""
    names = [n.strip() for n in tables.split(",") if n.strip()]
    if unknown := [n for n in names if n not in TABLES]:
        raise SystemExit(f"eval: unknown tables {', '.join(unknown)}; known: {', '.join(TABLES)}")
    folder = bundle.resolve() if bundle else cfg.path("bundle")
    bench = prepare(cfg, folder, threads)
    if bench.judge is None and tables == ",".join(TABLES):
        print("eval: left out: named and free, whose judge of attributes was not trained (stage judge)", flush=True)
        names = [n for n in names if n not in ("named", "free")]
    parts, started = [f"# {bench.mesh.manifest['name']} {bench.mesh.manifest['version']}, measured\n"], time.monotonic()
    at = cfg.state("eval")
    if compared := rest.get("through", through_mesh):
        parts.append(through.compare(bench, folder, ROOT.parent, at, compared).markdown())
    if photos := rest.get("in_place", 0):
        parts += [t.markdown() for t in in_place.in_place(bench, folder, ROOT.parent, at, photos)]
    if pictures_of_several := rest.get("together", 0):
        parts += [t.markdown() for t in together.together(bench, folder, ROOT.parent, at, pictures_of_several)]
    for name in names:
        if minutes is not None and time.monotonic() - started > 60 * minutes:
            print(f"eval: {minutes:g} minutes are over; left out: {', '.join(names[names.index(name):])}", flush=True)
            break
        parts += [t.markdown() for t in TABLES[name](bench, count)]
        write_text(at / "tables.md", "\n".join(parts))
    sheets.draw(bench, at)
    write_text(at / "tables.md", "\n".join(parts))
    print("\n".join(parts))
    print(f"eval: {at / 'tables.md'}", flush=True)


def prepare(cfg: Config, folder: Path, threads: int, kind: type[Mesh] = Mesh) -> Bench:
    """The bench of a bundle, run by a kind of mesh, over the development people."""
    data = pictures.load(cfg)
    detector, _ = fetch(pictures.folder(cfg) / "detector", cfg.data.detector)
    mesh = kind(folder, detector, threads)
    recognisers = {NAMES[0]: Recogniser(cfg.path("teachers") / "evaluator_mfn192.onnx", threads), NAMES[1]: mesh.face_embed}
    bench = Bench(mesh, Gallery(data, recognisers), recognisers)
    if (held := cfg.state("judge") / "judge.safetensors").exists():
        bench.judge, bench.judge_worth = judge.load(cfg), json.loads(held.with_suffix(".json").read_text()).get("balanced", {})
    return bench
