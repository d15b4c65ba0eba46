"""The REST API before requests that follow from its own document, good ones and bad ones.

FUZZ_EXAMPLES is how many there are of each operation, about; FUZZ_SEED which ones.
Without them they are few, and the same each time.
"""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

FEW = "15"


def test_no_request_breaks_it(mesh, tmp_path):
    seed = os.environ.get("FUZZ_SEED")
    which = ["--seed", seed, "--generation-database", "none"] if seed else ["--generation-deterministic"]
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("st"), "run", f"http://{mesh}/openapi.json",
            "--phases", "fuzzing", "--max-examples", os.environ.get("FUZZ_EXAMPLES", FEW), *which,
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            # A watch ends with its generation.
            "--exclude-path-regex", ":watch$", "--request-timeout", "30",
            # How slow this machine is, and how rare a good name, is no failure.
            "--suppress-health-check", "all", "--warnings", "off", "--no-color", "--continue-on-failure",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stderr
    with urllib.request.urlopen(f"http://{mesh}/v1/bundles", timeout=30) as answer:
        assert answer.status == 200
