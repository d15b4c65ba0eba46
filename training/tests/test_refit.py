"""The goals of the face encoder's going on."""

import numpy as np

from facestudio_training.stages.refit import goals_of

PHOTOS, TEACHER, WIDTH = 400, 16, 32


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a teacher says, an encoder's embeddings that hold it and as much noise, and the same without the noise."""
    rng = np.random.default_rng(seed)
    told = unit(rng.normal(size=(PHOTOS, TEACHER))).astype(np.float32)
    clean = told @ np.linalg.qr(rng.normal(size=(WIDTH, TEACHER)))[0].T
    noisy = unit(clean + rng.normal(size=clean.shape) / WIDTH**0.5)
    return told, noisy.astype(np.float32), clean


def test_goals_are_in_the_encoders_space_without_its_noise(tmp_path):
    told, noisy, clean = drawn(1)
    np.save(tmp_path / "e_f.npy", noisy)
    goals = goals_of(tmp_path, told, np.arange(300), fresh=True)
    assert np.allclose(np.linalg.norm(goals, axis=1), 1, atol=1e-5)
    held = slice(300, None)  # photos that the map was not fitted to
    assert (goals[held] * clean[held]).sum(1).mean() > 0.95 > (noisy[held] * clean[held]).sum(1).mean()


def test_goals_stay_when_the_embeddings_change(tmp_path):
    told, noisy, _ = drawn(2)
    np.save(tmp_path / "e_f.npy", noisy)
    first = goals_of(tmp_path, told, np.arange(PHOTOS), fresh=True)
    np.save(tmp_path / "e_f.npy", -noisy)
    assert np.array_equal(goals_of(tmp_path, told, np.arange(PHOTOS), fresh=False), first)


def test_photos_of_which_the_teacher_says_nothing_have_no_goal(tmp_path):
    told, noisy, _ = drawn(3)
    told[7] = 0
    np.save(tmp_path / "e_f.npy", noisy)
    assert not goals_of(tmp_path, told, np.delete(np.arange(PHOTOS), 7), fresh=True)[7].any()
