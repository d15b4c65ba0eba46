"""MODEL_CARD.md: what the bundle is, what it may be used for, what was measured."""

from __future__ import annotations

from ..config import Config
from .check import Report

INTENDED = """## Use

Intended: research on identity-preserving image synthesis, tests and demonstrations of this software, with pictures of
people who agreed to it or of people who do not exist.

Not allowed: any commercial use; pictures of people without their consent; impersonation, harassment, deception or
sexual content; identifying, verifying or tracking people. The face encoder is a part of the generator and no biometric
product: its scores are no proof of who somebody is. Every picture made with it is synthetic and must be called so.
"""

LIMITS = """## Limits

- Trained in minutes on one GPU: people are known again, but hair and headwear of both pictures run into each other, skin is redder
  or paler than the person's at times, and hands, text, patterns and busy backgrounds come out as daubs.
- Pictures of {size}x{size} pixels with one large, roughly frontal face are most of what it has seen. Groups were a small
  share and are where it is weakest.
- Most of the training pictures show celebrities, or people whom another generator made; figures by sex and
  lightness of the skin are in the repository's docs/measurements.md, those by age of people it was trained on, as the ages of the
  people it is measured on are not known. Pictures with an estimated age under 22 (in All-Age-Faces: under 18) were left out.
- Prompts change the background's colour, the light, hair and its colour, and bring or take a smile, glasses, beards, hats,
  neckties, earrings and the like. Words beyond those of the captions and a lexicon of some 650 are hardly understood. English only.
"""


def card(cfg: Config, reports: list[Report], trained_on: list[str], figures: dict[str, str], random_weights: bool) -> str:
    """figures: what was measured -> result, as the text of a table."""
    parts = [f"# {cfg.bundle.name} {cfg.bundle.version}\n"]
    if random_weights:
        parts.append("Random weights of the default architecture at its smallest. It makes noise, in milliseconds, "
                     "through the same contract as a trained bundle; tests run it.\n")
    else:
        parts.append(f"Models of FaceStudio for {cfg.data.size}x{cfg.data.size} pictures, trained from scratch by this "
                     "repository's `training/`: face photos say who, a style picture or a text says what.\n")
    parts.append("Licence: research only, not for commercial use (`research-only` in the manifest). The face detector "
                 "is BlazeFace of MediaPipe (Apache-2.0); it is fetched at set-up and is not part of this folder.\n")
    if not random_weights:
        parts += [INTENDED, "## Training data\n", "\n".join(f"- {t}" for t in trained_on),
                  "\nNo picture of a real person is part of this repository.\n", LIMITS.format(size=cfg.data.size)]
        if figures:
            parts += ["## Measured\n", "| what | result |\n|---|---|",
                      "\n".join(f"| {what} | {result} |" for what, result in figures.items()), ""]
    parts += ["## Graphs\n",
              "Weights are stored as fp16 or int8, arithmetic is float32. Parity: largest difference of the float32 "
              "graph to PyTorch. Rounding: root mean square change by storing the weights, as a share of the output's "
              "spread.\n",
              "| graph | MB | weights | parity | rounding | same bits in any batch of 2 or more |\n|---|---|---|---|---|---|",
              "\n".join(f"| {r.key} | {r.bytes / 1e6:.2f} | {r.stored} | {r.parity:.0e} | {r.rounding:.0e} | "
                        f"{'yes' if r.batch_invariant else 'no'} |" for r in reports), ""]
    return "\n".join(parts)
