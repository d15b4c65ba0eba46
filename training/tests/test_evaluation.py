"""The evaluation's own mesh, noise and arithmetic against references."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch

from facestudio_training.config import ROOT
from facestudio_training.data.detector import Face
from facestudio_training.data.pictures import Pictures
from facestudio_training.evaluation import clip_score, in_place, labelled, measures, noise, verdict, zero_shot
from facestudio_training.evaluation.bench import NAMES, Bench, Outcome, Trial
from facestudio_training.evaluation.clip_score import ClipScore
from facestudio_training.evaluation.gallery import Gallery
from facestudio_training.evaluation.mesh import Mesh, Order
from facestudio_training.evaluation.several import assigned, balance
from facestudio_training.evaluation.tables import TABLES
from facestudio_training.golden import philox
from facestudio_training.models.judge import Judge
from facestudio_training.stages import judge

from conftest import synthetic, tiny_mesh

REPOSITORY = ROOT.parent


@pytest.mark.parametrize("seed, count, step, picture, stream", [(0, 7, 0, 0, 0), (1 << 40, 33, 3, 2, 1), (2**64 - 1, 8, 25, 7, 2)])
def test_noise_is_the_reference_noise(seed, count, step, picture, stream):
    want = philox.normals(seed, count, step, picture, stream)
    np.testing.assert_array_equal(noise.normals(seed, (count,), step, picture, stream), want)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return tiny_mesh(Mesh)


def test_pictures_are_the_golden_ones_of_the_denoiser(mesh):
    golden = json.loads((REPOSITORY / "denoiser-svc" / "testdata" / "tiny.json").read_text())
    for case in golden["cases"]:
        if case["picture"] or not case["name"].startswith(("one", "two")):
            continue
        masks = np.array(case["masks"], np.float32).reshape(case["masks_shape"])
        order = Order(np.array(case["face_embeds"], np.float32), np.array(golden["image_embed"], np.float32), int(case["seed"]),
                      masks=masks, size=tuple(8 * s for s in masks.shape[1:]), scale=case["guidance_scale"], steps=case["steps"], share=False)
        row = np.array(case["first_row_of_red"])
        want = np.clip((row + 1) * 127.5, 0, 255)
        assert np.abs(mesh.paint([order])[0][0, :, 0] - want).max() < 1.5, case["name"]


def test_the_priors_embedding_is_the_golden_one(mesh, monkeypatch):
    golden = json.loads((REPOSITORY / "prior-svc" / "testdata" / "tiny.json").read_text())
    real = mesh.graph
    monkeypatch.setattr(mesh, "graph", lambda key, **inputs: np.array([golden["text_embed"]], np.float32)
                        if key == "clip_text" else real(key, **inputs))
    np.testing.assert_allclose(mesh.imagine("anything", int(golden["seed"])), golden["x0"], rtol=1e-3, atol=1e-3)


def test_a_batch_gives_the_same_pictures_as_each_alone(mesh):
    rng = np.random.default_rng(0)
    widths = mesh.manifest["embeddings"]
    orders = [Order(rng.normal(size=(1, widths["face"])).astype(np.float32), rng.normal(size=widths["image"]).astype(np.float32), s,
                    steps=3) for s in range(3)]
    together = mesh.paint(orders)
    for order, picture in zip(orders, together, strict=True):
        assert np.abs(mesh.paint([order])[0].astype(int) - picture).max() <= 1


def test_intervals_resample_people_not_results():
    values, people = np.array([0.0] * 50 + [1.0] * 50), np.repeat([0, 1], 50)
    mean, low, high = measures.interval(values, people)
    assert (mean, low, high) == (0.5, 0.0, 1.0)
    alone = measures.interval(values, np.arange(100))
    assert 0.38 < alone[1] < 0.45 and 0.55 < alone[2] < 0.62
    assert measures.interval(np.array([np.nan, 2.0]), np.array([0, 1]))[0] == 2.0
    assert np.isnan(measures.interval(np.array([np.nan]), np.array([0]))).all()


def test_rates_near_one_keep_an_interval():
    p, low, high = measures.rate(np.ones(400, bool))
    assert p == 1 and 0.99 < low < 1 and high == 1


def test_the_kernel_distance_sees_a_shift():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(300, 16)).astype(np.float32) for _ in range(2))
    assert abs(measures.kernel_distance(a, b)[0]) < 10 < 50 < measures.kernel_distance(a, b + 1)[0]


def test_only_what_lies_outside_the_faces_counts():
    rng = np.random.default_rng(0)
    style = rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    made = style.copy()
    made[20:40, 20:40] = 0
    box = np.array([16.0, 16, 28, 28])
    assert measures.outside_similarity(style, made, [box]) > 0.97 > measures.outside_similarity(style, made, []) + 0.05


def test_landmarks_apart_from_place_and_size():
    points = np.array([[40.0, 50], [80, 50], [60, 70], [60, 90]])
    assert measures.landmark_distance(points, 0.5 * points + 9) < 1e-6
    assert measures.landmark_distance(points, points + [[0, 0], [0, 0], [12, 0], [0, 0]]) > 0.05


def test_faces_are_given_to_the_people_they_lie_on():
    face = lambda x: Face(0.9, np.array([x, 20.0, 30, 40]), np.zeros((4, 2)))  # noqa: E731
    boxes = [np.array([20.0, 20, 30, 40]), np.array([150.0, 20, 30, 40])]
    assert assigned([face(152), face(22)], boxes)[0].box[0] == 22
    assert assigned([face(152)], boxes)[0] is None
    assert assigned([], boxes) == [None, None]


def unit(*values: float) -> np.ndarray:
    return np.array(values, np.float32) / np.linalg.norm(values)


def test_the_verdict_is_that_of_the_mesh():
    """The cases of gateway/internal/verdict."""
    limits = verdict.levels({"face_encoder": {}})
    assert limits.stranger == pytest.approx(0.117) and limits.blend == 0.4
    a, b = unit(1, 0, 0), unit(0.6, 0.8, 0)
    assert verdict.shares(unit(1, 0, 1), a, b) == pytest.approx((0.5**0.5, 0), abs=1e-6)
    assert not limits.is_blend(unit(1, 0, 1), a, b) and limits.is_blend(unit(*(a + b)), a, b)
    assert verdict.shares(a, a, unit(1, 0.1, 0)) is None and not limits.is_blend(a, a, unit(1, 0.1, 0))
    told = {"face_encoder": {"similarity": {"strangers": {"mean": 0.25, "deviation": 0.125}, "blend_share": 0.5}}}
    assert verdict.levels(told) == verdict.Levels(0.375, 0.5)
    mix = unit(5, 2.2, 0)
    assert limits.is_blend(mix, a, unit(0, 1, 0)) and not verdict.levels(told).is_blend(mix, a, unit(0, 1, 0))


def test_the_balance_of_blends_is_between_the_two():
    mix, one = np.array([0.5, 0.7, 0.9, 0.6]), np.array([0.0, 0.1, 0.2, np.nan])
    assert "at 0.36 the larger of both errors is least: 0.0 % missed, 0.0 % false" in balance(mix, one, 0.4, 9)


def test_what_changed_around_a_head_is_told():
    rng = np.random.default_rng(0)
    photo = cv2.GaussianBlur(rng.integers(0, 255, (200, 240, 3)).astype(np.uint8), (0, 0), 2)
    boxes = [np.array([90.0, 70, 50, 50])]
    soft = in_place_of(photo, 34, 14)
    assert in_place.changed_outside(photo, soft, boxes) == 0
    before, after = in_place.across(photo, soft, boxes)
    assert 0 < after < 1.2 * before
    before, after = in_place.across(photo, in_place_of(photo, 34, 0.5), boxes)
    assert after > 1.2 * before
    stray = soft.copy()
    stray[5, 5] = 255 - stray[5, 5]
    assert in_place.changed_outside(photo, stray, boxes) == 1


def in_place_of(photo: np.ndarray, radius: float, edge: float) -> np.ndarray:
    """The photo with a brighter disc in its middle whose edge is so soft."""
    y, x = np.mgrid[0:200, 0:240]
    matte = np.clip((radius - np.hypot(x - 115, y - 95)) / edge, 0, 1)[..., None]
    return np.clip(photo + 20 * matte, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def bench(mesh) -> Bench:
    """Synthetic people, two as one person, seen by the tiny bundle's own encoder; each picture is there twice."""
    data = synthetic(mesh)
    seen = dataclasses.replace(data, split=np.array(["train"] * len(data)), identity=data.identity + 100,
                               source=np.array(["celebawild"] * len(data)), age=np.arange(25, 25 + 2 * len(data), 2),
                               caption=np.array(["a photo of a man", "a photo of a woman, smiling"] * (len(data) // 2)))
    data = Pictures(**{f.name: np.concatenate([getattr(data, f.name), getattr(seen, f.name)]) for f in dataclasses.fields(data)})
    recognisers = dict.fromkeys(NAMES, mesh.face_embed)
    out = Bench(mesh, Gallery(data, recognisers), recognisers)
    out.judge, out.judge_worth = Judge(len(judge.NAMES)).eval(), {"smiling": 0.5}
    return out


@pytest.mark.parametrize("answer, corrections, runs, found", [
    (lambda asked: asked / 2, 0, 1, 0.46), (lambda asked: asked / 2, 1, 2, 0.58), (lambda asked: asked / 2, 2, 3, 0.66),
    (lambda asked: 1.2 - asked, 3, 2, 0.27), (lambda asked: None, 2, 1, None)])
def test_pictures_are_corrected_as_the_gateway_does(bench, monkeypatch, answer, corrections, runs, found):
    def turned(angle):
        return np.array([np.cos(angle), np.sin(angle)], np.float32)

    made = []

    def paint(orders):
        made.extend(orders)
        return [answer(float(np.arctan2(*o.faces[0][::-1]))) for o in orders]

    def look(trial, angle, style):
        return Outcome(trial, None, style, vectors={} if angle is None else {"own": turned(angle)})

    monkeypatch.setattr(bench.mesh, "paint", paint)
    monkeypatch.setattr(bench, "look", look)
    monkeypatch.setattr(bench, "corrections", corrections)
    monkeypatch.setattr(bench, "order", lambda trial, style: Order(turned(0.93)[None], np.zeros(3, np.float32), trial.seed))
    out = bench.run([Trial(0, [0], -1, 7)])
    assert len(made) == runs and {o.seed for o in made} == {7}
    assert not out[0].found if found is None else np.allclose(out[0].vectors["own"], turned(found), atol=0.02)


def test_an_outline_takes_the_pixels_it_mostly_covers():
    inside = labelled.outlined([[2, 1], [6.3, 1], [6.3, 4.6], [2, 4.6]], (8, 10))
    want = np.zeros((8, 10), bool)
    want[1:5, 2:6] = True
    np.testing.assert_array_equal(inside, want)


def test_the_judge_weighs_both_sides_of_a_rare_attribute_alike():
    truth = torch.tensor([[1.0]] + [[0.0]] * 9)
    share = torch.tensor([0.1])
    found = torch.zeros(10, 1, requires_grad=True)
    judge.error(found, truth, share).backward()
    assert found.grad[0].item() == pytest.approx(-found.grad[1:].sum().item())
    unknown = torch.cat([truth, torch.full((5, 1), -1.0)])
    assert judge.error(torch.zeros(15, 1), unknown, share).item() == pytest.approx(judge.error(found, truth, share).item())


def test_the_clip_score_is_above_chance_on_what_it_was_fitted_on(bench):
    g, clip = bench.gallery, ClipScore(bench)
    rows = g.data.where("train")
    pictures, texts = np.stack([clip.of(r) for r in rows]), [str(c) for c in g.data.caption[rows]]
    own, other = clip.score(pictures, texts), clip.score(pictures, texts[1:] + texts[:1])
    assert np.abs(own).max() <= 100 and own.mean() > other.mean()
    assert set(clip.texts) == set(texts)


def test_attributes_are_told_and_pictures_found_by_words(bench, monkeypatch):
    monkeypatch.setattr(clip_score, "FITTED", 10)
    attributes, retrieval = TABLES["zero_shot"](bench, 12)
    rows = {row[0]: row[1:] for row in attributes.rows}
    assert rows["smiling"][:3] == ["0 of 0", "-", "-"], "development people without captions"
    assert rows["smiling"][3].endswith(" of 12") and rows["a hat"][3:] == ["0 of 12", "-", "-"]
    assert len(retrieval.rows) == 1 and retrieval.rows[0][0] == "12 training"


def test_zero_shot_figures_are_those_of_known_scores():
    class Known:
        """Scores are columns of the pictures, by the text."""

        def score(self, pictures, texts):
            return pictures[np.arange(len(pictures)), ["hat", "plain", "beard"].index(texts[0])]

    pictures = np.array([[0.9, 0.5, 0.1], [0.6, 0.5, 0.7], [0.55, 0.5, 0.1], [0.1, 0.5, 0.2]])
    truth = np.array([True, True, False, False])
    assert zero_shot.told(Known(), pictures, truth, "hat", "plain") == ["2 of 4", "1.00", "0.75"]
    assert zero_shot.told(Known(), pictures, ~truth, "hat", "plain") == ["2 of 4", "0.00", "0.25"]
    nearest, ten, other = zero_shot.found(Known(), pictures, ["hat", "beard", "beard", "hat"])
    assert nearest.startswith("50.0 %") and ten.startswith("100.0 %") and other == "50 %"


def test_a_clip_score_needs_captions(bench):
    bare = dataclasses.replace(bench.gallery.data, caption=np.array([""] * len(bench.gallery.data)))
    with pytest.raises(SystemExit, match="captions"):
        ClipScore(Bench(bench.mesh, Gallery(bare, bench.recognisers), bench.recognisers))


@pytest.mark.parametrize("name", [n for n in TABLES if n not in ("looks", "text")])
def test_every_table_is_made_even_of_noise(bench, name):
    for table in TABLES[name](bench, 4):
        assert table.rows or table.title.startswith("By sex") or table.title == "Retrieval"
        assert all(len(row) == len(table.columns) for row in table.rows), table.title
        assert table.markdown().count("\n|") == len(table.rows) + 2


def test_a_result_that_is_the_photo_itself_comes_first(bench):
    g = bench.gallery
    for person in range(g.people):
        given, other = g.photos(person)[:2]
        e = g.spaces[NAMES[0]].embeds[other]
        assert g.to(NAMES[0], e, [other]) == pytest.approx(g.spaces[NAMES[0]].normalised(1.0), rel=1e-3)
        assert g.rank(NAMES[0], e, person, [given]) <= g.people - 1


def test_longer_runs_contain_shorter_ones(bench):
    assert bench.pairs(4) == bench.pairs(9)[:4]
    assert all(t.person != bench.gallery.person[t.style] for t in bench.pairs(30))
