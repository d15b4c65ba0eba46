"""The golden files are what the scripts make, and the scripts agree with what is published."""

import json

import numpy as np
import pytest

from facestudio_training.data import align
from facestudio_training.golden import REPOSITORY, geometry, philox, pipeline, sampling, tokens
from facestudio_training.language.tokenizer import Tokenizer


@pytest.mark.parametrize("counter, key, result", philox.KNOWN)
def test_philox_known_answers(counter, key, result):
    words = [tuple(int(w, 16) for w in text.split()) for text in (counter, key)]
    assert " ".join(f"{w:08x}" for w in philox.philox(*words)) == result


def test_normals_are_normal_and_independent_of_the_count():
    draw = philox.normals(99, 40_000)
    assert abs(draw.mean()) < 0.02 and abs(draw.std() - 1) < 0.02
    assert np.array_equal(draw[:10], philox.normals(99, 10))
    assert not np.array_equal(draw[:10], philox.normals(99, 10, step=1))


def close(made, held, tolerance: float, where: str) -> None:
    """Equal texts and integers; numbers within the file's tolerance, as processors differ in the last bits."""
    if isinstance(held, dict):
        assert made.keys() == held.keys(), where
        for key in held:
            close(made[key], held[key], tolerance, f"{where}.{key}")
    elif isinstance(held, list):
        assert len(made) == len(held), where
        for i, (a, b) in enumerate(zip(made, held)):
            close(a, b, tolerance, f"{where}[{i}]")
    elif isinstance(held, float):
        assert abs(made - held) <= max(tolerance, 1e-9) * max(1, abs(held)), where
    else:
        assert made == held, where


@pytest.mark.parametrize("module", [philox, sampling, tokens, pipeline], ids=lambda m: m.__name__.split(".")[-1])
def test_committed_files_are_up_to_date(module, tmp_path):
    for path in module.write_all(tmp_path):
        made, held = (json.loads(p.read_text()) for p in (path, REPOSITORY / path.relative_to(tmp_path)))
        close(made, held, held["tolerance"], path.name)


def test_closed_form_alignment_is_least_squares():
    for case in geometry.similarity():
        got = align.similarity(np.array(case["from"]), np.array(case["to"]))
        assert np.allclose(got, case["matrix"], atol=1e-6), case["name"]


def test_tokenizer_rules():
    spec = {"vocab": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "man", "##s", "'", "cafe"], "unknown": "[UNK]",
            "continuation": "##", "max_word_runes": 64, "start": "[CLS]", "end": "[SEP]", "pad": "[PAD]"}
    ids = tokens.encode(tokens.build(spec), spec, "A mans' Caf\u00e9 zzz", 9)
    assert ids == [2, 4, 5, 6, 7, 8, 1, 3, 0]
    assert tokens.encode(tokens.build(spec), spec, "a " * 30, 5) == [2, 4, 4, 4, 3]


def test_the_training_tokenizer_agrees_with_the_golden_ids():
    vocab = json.loads((REPOSITORY / "models" / "tiny" / "tokenizer.json").read_text())["vocab"]
    golden = json.loads((REPOSITORY / "services" / "bundle" / "testdata" / "tokens-tiny.json").read_text())
    tokenizer = Tokenizer(vocab, golden["length"])
    for case in golden["cases"]:
        assert list(tokenizer.encode(case["text"])) == case["ids"], case["text"]
