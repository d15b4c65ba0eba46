#!/usr/bin/env bash
# Makes docs/examples.png, the row of pictures in README.md, with the default
# bundle: face, style picture, result, of synthetic people.
set -euo pipefail
cd "$(dirname "$0")/.."

faces=examples/faces
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

cells=()
add() {
  local face=$1 style=$2 seed=$3
  bin/facestudio generate --face "$faces/$face.jpg" --style "$faces/$style.jpg" --seed "$seed" -o "$made/$face.png"
  cells+=("face=$faces/$face.jpg" "style=$faces/$style.jpg" "result=$made/$face.png")
}

add jun elena 7
add mei marco 7
add elena clara 7
add amara elena 7
bin/facestudio sheet -o docs/examples.png --columns 6 --size 128 "${cells[@]}"
