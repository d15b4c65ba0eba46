"""The data stage on bad input: refusals in words, nothing half-written."""

import io
import tarfile

import cv2
import numpy as np
import pytest

from facestudio_training import config
from facestudio_training.config import ROOT
from facestudio_training.data import pictures
from facestudio_training.stages import data

HEADER = "file\tsplit\tidentity\tsource\tsynthetic\tage\tsex\tcaption"


@pytest.fixture
def cfg(tmp_path):
    """Three synthetic people in one shard, the last picture without a face."""
    source = tmp_path / "faces"
    source.mkdir()
    photos = [cv2.imread(str(p)) for p in sorted((ROOT.parent / "examples" / "faces").glob("*.jpg"))[:2]]
    photos.append(np.full((128, 128, 3), 90, np.uint8))
    rows = []
    with tarfile.open(source / "train-hi-00.tar", "w") as archive:
        for i, photo in enumerate(photos):
            _, encoded = cv2.imencode(".jpg", cv2.resize(photo, (128, 128), interpolation=cv2.INTER_AREA))
            member = tarfile.TarInfo(f"a/{i}.jpg")
            member.size = len(encoded)
            archive.addfile(member, io.BytesIO(encoded.tobytes()))
            rows.append(f"train-hi-00.tar:a/{i}.jpg\ttrain\tp{i}\tfake\t1\t\t\t")
    (source / "faces.tsv").write_text("\n".join([HEADER, *rows, ""]))
    examples = tmp_path / "examples.txt"
    examples.write_text("")
    cfg = config.Config()
    cfg.paths.faces, cfg.paths.state, cfg.data.examples = str(source), str(tmp_path / "state"), str(examples)
    return cfg


@pytest.fixture(autouse=True)
def detector(monkeypatch):
    """The detector as set-up fetched it, not fetched again."""
    from facestudio_training.data import detector
    _, digest, size = detector.FILES["front"]
    path = ROOT.parent / ".cache" / "models" / f"{digest}.onnx"
    monkeypatch.setattr(detector, "fetch", lambda folder, kind: (path, size))


def left(cfg) -> list[str]:
    return sorted(p.name for p in cfg.state("data").iterdir())


def test_a_picture_without_a_face_is_kept_and_marked(cfg):
    data.run(cfg)
    held = pictures.load(cfg)
    assert held.found.tolist() == [True, True, False]
    assert not held.faces[2].any() and not held.points[2].any() and held.pixels[2].any()
    assert left(cfg) == ["faces.npy", "faces.npz", "pixels.npy", "style.npy", "table.json"]


def test_a_cut_off_shard_is_named_and_nothing_is_left(cfg):
    shard = cfg.path("faces") / "train-hi-00.tar"
    shard.write_bytes(shard.read_bytes()[:9000])
    with pytest.raises(SystemExit, match=r"train-hi-00.tar is cut off or damaged at a/\d.jpg"):
        data.run(cfg)
    assert left(cfg) == []
    shard.unlink()
    with pytest.raises(SystemExit, match="train-hi-00.tar is missing"):
        data.run(cfg)


def test_what_is_no_picture_is_named(cfg):
    shard = cfg.path("faces") / "train-hi-00.tar"
    with tarfile.open(shard, "w") as archive:
        for i in range(3):
            member = tarfile.TarInfo(f"a/{i}.jpg")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"text"))
    with pytest.raises(SystemExit, match="train-hi-00.tar:a/0.jpg is no picture"):
        data.run(cfg)


def test_a_failed_run_does_not_pass_for_the_one_before(cfg):
    data.run(cfg)
    shard = cfg.path("faces") / "train-hi-00.tar"
    shard.write_bytes(shard.read_bytes()[:9000])
    with pytest.raises(SystemExit):
        data.run(cfg)
    with pytest.raises(SystemExit, match="run the data stage first"):
        pictures.load(cfg)


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t.replace("\tidentity", "\twho"), "has no column identity; it has file, split, who"),
    (lambda t: t[:-9], "line 4: cut off"), (lambda t: t.replace("train-hi-00.tar:", ""), "line 2"),
    (lambda t: "", "has no column file"),
])
def test_a_damaged_table_is_refused_by_column_or_line(cfg, change, words):
    table = cfg.path("faces") / "faces.tsv"
    table.write_text(change(table.read_text()))
    with pytest.raises(SystemExit, match=words):
        data.run(cfg)
    table.unlink()
    with pytest.raises(SystemExit, match=r"set \[paths\] faces"):
        data.run(cfg)
