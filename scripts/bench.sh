#!/usr/bin/env bash
# Measures what docs/measurements.md reports: start-up, seconds and memory of
# the whole mesh, the denoiser alone, and the queue alone.
set -euo pipefail
cd "$(dirname "$0")/.."

bundle=${BUNDLE:-models/facestudio-128}
pictures=${PICTURES:-200}

echo "== machine"
echo "$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo
echo "== the mesh in one process: $pictures pictures by a style picture"
bin/facestudio bench --bundle "$bundle" --pictures "$pictures" \
  --face examples/faces/jun.jpg --style examples/faces/elena.jpg --seed 7 --steps 25 --guidance 3
echo
echo "== the denoiser alone"
FACESTUDIO_BUNDLE=$PWD/$bundle go test -run '^$' -bench . -benchtime 5x ./denoiser-svc
echo
echo "== the queue alone"
go test -run '^$' -bench . ./services/jobqueue
