"""Rewrites every golden file, or checks with --check that none would change."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from . import REPOSITORY, encoders, geometry, philox, pipeline, samplers, sampling, tokens

MODULES = (philox, sampling, samplers, geometry, tokens, pipeline, encoders)


def main() -> int:
    parser = argparse.ArgumentParser(prog="facestudio_training.golden", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is out of date")
    args = parser.parse_args()
    stale = 0
    with tempfile.TemporaryDirectory() as beside:
        for path in [p for module in MODULES for p in module.write_all(Path(beside))]:
            target = REPOSITORY / path.relative_to(beside)
            if target.exists() and target.read_bytes() == path.read_bytes():
                continue
            stale += 1
            print(f"{'stale' if args.check else 'wrote'} {target.relative_to(REPOSITORY)}")
            if not args.check:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
