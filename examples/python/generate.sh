#!/usr/bin/env bash
# Generates the Python stubs of the public API into stubs/.
# usage: generate.sh [python]
set -euo pipefail
cd "$(dirname "$0")"

rm -rf stubs
mkdir stubs
"${1:-python3}" -m grpc_tools.protoc -I ../../proto --python_out=stubs --grpc_python_out=stubs \
  ../../proto/facestudio/{gateway,media,fault,denoiser,jobqueue}/v1/*.proto
