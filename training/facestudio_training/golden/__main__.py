"""Rewrites every golden file, or checks with --check that none would change."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from . import SERVICES, geometry, philox, sampling, tokens


def main() -> int:
    parser = argparse.ArgumentParser(prog="facestudio_training.golden", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is out of date")
    parser.add_argument("--services", type=Path, default=SERVICES, help="the folder of the Go module services")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as beside:
        stale = 0
        for module in (philox, sampling, geometry, tokens):
            for path in module.write_all(Path(beside)):
                target = args.services / path.relative_to(beside)
                if target.exists() and target.read_bytes() == path.read_bytes():
                    continue
                stale += 1
                print(f"{'stale' if args.check else 'wrote'} {target}")
                if not args.check:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(path.read_bytes())
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
