#!/usr/bin/env bash
# Makes the Python environment of examples/python and of the tests of the API
# (pinned in cli/e2e/api), and generates the example's stubs from proto/.
set -euo pipefail
cd "$(dirname "$0")/.."

python=.venv-api/bin/python
if [ ! -f .venv-api/.done ] || [ cli/e2e/api/requirements.txt -nt .venv-api/.done ] || [ examples/python/requirements.txt -nt .venv-api/.done ]; then
  echo "setting up .venv-api"
  python3 -m venv .venv-api
  $python -m pip install --quiet --disable-pip-version-check -r cli/e2e/api/requirements.txt
  touch .venv-api/.done
fi
examples/python/generate.sh "$PWD/$python"
