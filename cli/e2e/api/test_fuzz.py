"""The REST API before requests that follow from its own document, good ones and bad ones.

FUZZ_EXAMPLES is how many there are of each operation, about, and of walks along the links
of each resource; FUZZ_SEED which ones. Without them they are few, and the same each time.
"""

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
FEW, FEW_WALKS = "15", "6"
# How many links the document has from what creates a resource, but for the one to its watch.
LINKS = {"generations": 4, "subjects": 3, "pictures": 2, "uploads": 5, "styles": 2}


def st(mesh, folder, few, *args, hooks=None, config=None):
    """Runs Schemathesis; nothing may be answered with 5xx, or other than the document says."""
    seed = os.environ.get("FUZZ_SEED")
    which = ["--seed", seed, "--generation-database", "none"] if seed else ["--generation-deterministic"]
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("st"), *(["--config-file", HERE / config] if config else []),
            "run", f"http://{mesh}/openapi.json", "--max-examples", os.environ.get("FUZZ_EXAMPLES", few), *which,
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            # A watch ends with its generation.
            "--exclude-path-regex", ":watch$", "--request-timeout", "30",
            # How slow this machine is, and how rare a good name, is no failure.
            "--suppress-health-check", "all", "--warnings", "off", "--no-color", "--continue-on-failure", *args,
        ],
        cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | ({"SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": str(HERE)} if hooks else {}),
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stderr
    with urllib.request.urlopen(f"http://{mesh}/v1/bundles", timeout=30) as answer:
        assert answer.status == 200
    return ran.stdout


def test_no_request_breaks_it(mesh, tmp_path):
    st(mesh, tmp_path, FEW, "--phases", "fuzzing")


@pytest.mark.parametrize("resource", LINKS)
def test_no_walk_along_links_breaks_it(mesh, tmp_path, resource):
    said = st(
        mesh, tmp_path, FEW_WALKS, "--phases", "stateful", "--include-path-regex", f"^/v1/{resource}",
        # What other tests have left unfinished counts for their tenant.
        "--header", f"facestudio-tenant: walks-{resource}", hooks="hooks", config="stateful.toml",
    )
    followed, there = map(int, re.search(r"API Links: +(\d+) covered / (\d+) selected", said).groups())
    assert there == LINKS[resource]
    # Which ones is drawn, also when all else is the same each time.
    assert followed > 0
