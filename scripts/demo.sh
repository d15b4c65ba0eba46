#!/usr/bin/env bash
# Makes the pictures of `make demo`: one person in a style picture whose
# background is kept, by a prompt, and by both; then one sheet of it all.
set -euo pipefail
cd "$(dirname "$0")/.."

face=${FACE:-examples/faces/jun.jpg}
style=${STYLE:-examples/faces/erik.jpg}
prompt=${PROMPT:-"a photo of a smiling man with black hair"}
mkdir -p out

generate() {
  bin/facestudio generate --face "$face" --seed 7 "$@"
}

generate --style "$style" --background keep -o out/style.png
generate --prompt "$prompt" -o out/prompt.png
generate --style "$style" --prompt "$prompt" --alpha 0.5 -o out/hybrid.png
bin/facestudio sheet -o out/demo.png \
  "face=$face" "style=$style" \
  "style, background kept=out/style.png" "prompt=out/prompt.png" "hybrid, alpha 0.5=out/hybrid.png"

echo
echo "The pictures are in out/; all of them side by side: out/demo.png"
echo "Your own: FACE=me.jpg STYLE=poster.jpg make demo"
