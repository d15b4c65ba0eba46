"""Command line: `python -m facestudio_training STAGE --config configs/default.toml`."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from .config import load
from .fill import ConfigError

# In the order in which `all` runs them. A stage is the module stages/<name>.py
# with run(cfg, minutes, threads); it is imported only when it is asked for.
STAGES = ("data", "face", "refit", "clip", "text", "vae", "decoder", "sharpen", "segmenter", "marks", "scenes", "prior", "unet", "likeness", "export")
# Asked for by name only: takes a bundle's weights for lost checkpoints; what judges prompts; measures a bundle; tunes for a
# person as others do; compares choices in equal time; fine-tunes and exports a Stable-Diffusion folder.
EXTRA = ("restore", "judge", "eval", "baseline", "compare", "finetune", "stable_diffusion")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facestudio_training", description=__doc__)
    parser.add_argument("stage", choices=[*STAGES, *EXTRA, "all"])
    parser.add_argument("--config", type=Path, default=Path("configs/default.toml"))
    parser.add_argument("--minutes", type=float, default=None,
                        help="stop cleanly after this many minutes (per stage); default: the config's")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads for PyTorch")
    parser.add_argument("--fresh", action="store_true", help="ignore the stage's checkpoint and start anew")
    args, rest = parser.parse_known_args(argv)
    try:
        cfg = load(args.config)
    except ConfigError as err:
        print(f"config: {err}", file=sys.stderr)
        return 2
    cfg.fresh = args.fresh
    for name in STAGES if args.stage == "all" else (args.stage,):
        module = importlib.import_module(f"{__package__}.stages.{name}")
        if rest and not hasattr(module, "arguments"):
            parser.error(f"stage {name} takes no further arguments: {' '.join(rest)}")
        extra = vars(module.arguments().parse_args(rest)) if rest else {}
        threads = args.threads or cfg.threads
        module.run(cfg, minutes=args.minutes, threads=threads, **extra)
    return 0


if __name__ == "__main__":
    sys.exit(main())
