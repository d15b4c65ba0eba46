"""The goals of the face encoder's going on."""

import numpy as np

from facestudio_training.stages.refit import goals_of, ridge

PHOTOS, TEACHER, WIDTH = 400, 16, 32


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def drawn(seed: int) -> tuple[np.ndarray, ...]:
    """What a teacher says; an encoder's embeddings that hold it, colours and noise; the same without the noise; the colours."""
    rng = np.random.default_rng(seed)
    told = unit(rng.normal(size=(PHOTOS, TEACHER))).astype(np.float32)
    colours = rng.normal(size=(PHOTOS, 3))
    into = np.linalg.qr(rng.normal(size=(WIDTH, TEACHER + 3)))[0].T
    clean = told @ into[:TEACHER] + 0.2 * colours @ into[TEACHER:]
    noisy = unit(clean + 0.7 * rng.normal(size=clean.shape) / WIDTH**0.5)
    return told, noisy.astype(np.float32), clean, 50 + 10 * colours


def test_goals_are_in_the_encoders_space_without_its_noise(tmp_path):
    told, noisy, clean, colours = drawn(1)
    np.save(tmp_path / "e_f.npy", noisy)
    goals = goals_of(tmp_path, told, np.arange(300), colours[:300], fresh=True)
    assert np.allclose(np.linalg.norm(goals, axis=1), 1, atol=1e-5)
    held = slice(300, None)  # photos that the map was not fitted to
    clean = unit(clean)
    assert (goals[held] * clean[held]).sum(1).mean() > (noisy[held] * clean[held]).sum(1).mean() + 0.05


def test_goals_tell_the_colours_that_the_embeddings_told(tmp_path):
    told, noisy, _, colours = drawn(4)
    np.save(tmp_path / "e_f.npy", noisy)
    goals = goals_of(tmp_path, told, np.arange(300), colours[:300], fresh=True)
    w, b = ridge(goals[:300], colours[:300])
    left = ((goals[300:] @ w + b - colours[300:]) ** 2).sum() / ((colours[300:] - colours[300:].mean(0)) ** 2).sum()
    assert left < 0.5


def test_goals_stay_when_the_embeddings_change(tmp_path):
    told, noisy, _, colours = drawn(2)
    np.save(tmp_path / "e_f.npy", noisy)
    first = goals_of(tmp_path, told, np.arange(PHOTOS), colours, fresh=True)
    np.save(tmp_path / "e_f.npy", -noisy)
    assert np.array_equal(goals_of(tmp_path, told, np.arange(PHOTOS), colours, fresh=False), first)


def test_photos_of_which_the_teacher_says_nothing_have_no_goal(tmp_path):
    told, noisy, _, colours = drawn(3)
    told[7] = 0
    np.save(tmp_path / "e_f.npy", noisy)
    rows = np.delete(np.arange(PHOTOS), 7)
    assert not goals_of(tmp_path, told, rows, colours[rows], fresh=True)[7].any()
