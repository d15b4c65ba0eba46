"""A part of the training pictures with a state folder of its own, for stages that compare rather than train."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np

from ..config import Config, Shares
from ..data import pictures
from ..files import write_arrays
from . import unet


def few(cfg: Config, held: pictures.Pictures, people: int, folder: str) -> tuple[Config, pictures.Pictures]:
    """Pictures of so many people, and a config whose state is <state>/<folder>, where the part's e_h and e_f then lie. The
    U-Net's batches are portraits as they are, without marks: what stages mark and compose is of all pictures."""
    rows = held.where("train")
    rows = rows[held.found[rows]]
    names = np.unique(held.identity[rows])
    chosen = np.random.default_rng(0).permutation(names)[:people]
    rows = rows[np.isin(held.identity[rows], chosen)]
    part = copy.deepcopy(cfg)
    part.paths.state = str(cfg.path("state") / folder)
    part.unet.marked, part.unet.scenes = 0, Shares()
    style, face = unet.embeddings(cfg, held)
    write_arrays(part.state("clip") / "e_h.npy", array=style[rows].numpy())
    write_arrays(part.state("face") / "e_f.npy", array=face[rows].numpy())
    return part, pictures.Pictures(**{f.name: getattr(held, f.name)[rows] for f in dataclasses.fields(held)})
