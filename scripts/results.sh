#!/usr/bin/env bash
# Makes the sheets of docs/results.md with the default bundle, of synthetic
# people: every feature once, the first seed that came to mind, nothing chosen.
set -euo pipefail
cd "$(dirname "$0")/.."

faces=examples/faces
out=docs/results
made=$(mktemp -d)
mkdir -p "$out"

bin/facestudio up --json --listen 127.0.0.1:0 --data-dir "$made/mesh" >"$made/up.json" 2>"$made/up.log" &
mesh=$!
trap 'kill "$mesh" 2>/dev/null; wait "$mesh" 2>/dev/null; rm -rf "$made"' EXIT
until [ -s "$made/up.json" ]; do
  kill -0 "$mesh" 2>/dev/null || { cat "$made/up.log" >&2; exit 1; }
  sleep 0.2
done
server=$(sed -n 's/.*"listen": *"\([^"]*\)".*/\1/p' "$made/up.json" | head -n 1)

cells=()
# add LABEL ARGUMENT... makes one picture and puts it on the sheet.
add() {
  local label=$1 file=$made/${#cells[@]}-$RANDOM.png
  shift
  bin/facestudio generate --server "$server" --seed 7 -o "$file" "$@" >/dev/null
  cells+=("$label=$file")
}
# show LABEL FILE puts a picture that is there on the sheet.
show() { cells+=("$1=$2"); }
# sheet NAME COLUMNS [SIZE] writes what was added.
sheet() {
  bin/facestudio sheet -o "$out/$1.png" --columns "$2" --size "${3:-128}" "${cells[@]}" >/dev/null
  cells=()
  echo "$out/$1.png"
}

two=(--subject "jun=$faces/jun.jpg" --subject "mei=$faces/mei.jpg")

show "a face" "$faces/jun.jpg"
show "a style picture" "$faces/elena.jpg"
add "face and style" --face "$faces/jun.jpg" --style "$faces/elena.jpg"
add "background kept" --face "$faces/jun.jpg" --style "$faces/elena.jpg" --background keep
add "in place" --face "$faces/jun.jpg" --style "$faces/elena.jpg" --in-place
add "from the style, 0.6" --face "$faces/jun.jpg" --style "$faces/elena.jpg" --strength 0.6
add "words: blue background" --face "$faces/jun.jpg" --prompt "a person in front of a blue background"
add "style and words" --face "$faces/jun.jpg" --style "$faces/elena.jpg" --prompt "a person in front of a blue background" --alpha 0.5
add "half jun, half jabari" --mix "child=$faces/jabari.jpg:1,$faces/jun.jpg:1" --style "$faces/elena.jpg"
add "128x256" --face "$faces/jun.jpg" --style "$faces/elena.jpg" --size 128x256
add "two people" "${two[@]}" --style examples/couple.jpg --size 256x128
add "two in place" "${two[@]}" --style examples/couple.jpg --in-place
sheet features 6

for style in clara elena erik marco jabari amara; do show "style" "$faces/$style.jpg"; done
for style in clara elena erik marco jabari amara; do add "jun" --face "$faces/jun.jpg" --style "$faces/$style.jpg"; done
for style in clara elena erik marco jabari amara; do add "rosa" --face "$faces/rosa.jpg" --style "$faces/$style.jpg"; done
sheet styles 6

people=(jun rosa samuel mei kenji edith)
for who in "${people[@]}"; do show "$who" "$faces/$who.jpg"; done
for who in "${people[@]}"; do add "style: elena" --face "$faces/$who.jpg" --style "$faces/elena.jpg"; done
for who in "${people[@]}"; do add "style: marco" --face "$faces/$who.jpg" --style "$faces/marco.jpg"; done
sheet people 6

for words in "a smiling person with black hair" "a person with blond hair" "a person wearing a hat" \
  "a person in front of a blue background" "a black and white photo of a person" "a person with glasses"; do
  add "$words" --face "$faces/amara.jpg" --prompt "$words"
done
sheet prompts 6

show "face" "$faces/amara.jpg"
for alpha in 0 0.25 0.5 0.75 1; do
  add "alpha $alpha" --face "$faces/amara.jpg" --style "$faces/elena.jpg" --prompt "a person with blond hair" --alpha "$alpha"
done
show "style" "$faces/elena.jpg"
show "face" "$faces/jabari.jpg"
for share in 0.1 0.3 0.5 0.7 0.9; do
  rest=$(awk "BEGIN { print 1 - $share }")
  add "$rest, $share of the right" --mix "child=$faces/jabari.jpg:$rest,$faces/jun.jpg:$share" --style "$faces/erik.jpg"
done
show "face" "$faces/jun.jpg"
sheet blends 7

show "face" "$faces/mei.jpg"
for sampler in euler-ancestral euler ddim dpmpp-2m unipc; do
  add "$sampler" --face "$faces/mei.jpg" --style "$faces/clara.jpg" --sampler "$sampler"
done
show "style" "$faces/clara.jpg"
for strength in 0.3 0.5 0.7 0.9 1; do
  add "strength $strength" --face "$faces/mei.jpg" --style "$faces/clara.jpg" --strength "$strength"
done
sheet samplers 6

show "face" "$faces/jun.jpg"
show "face" "$faces/mei.jpg"
show "style" examples/couple.jpg
add "256x128" "${two[@]}" --style examples/couple.jpg --size 256x128
add "placed: jun right" "${two[@]}" --at jun=1 --at mei=0 --style examples/couple.jpg --size 256x128
add "not refined" "${two[@]}" --style examples/couple.jpg --size 256x128 --refine=false
add "boxes and words" "${two[@]}" --at jun=0,0,128,128 --at mei=128,0,128,128 --prompt "two people" --size 256x128
add "in place" "${two[@]}" --style examples/couple.jpg --in-place
add "one in place" --subject "jun=$faces/jun.jpg" --at jun=1 --style examples/couple.jpg --in-place
sheet several 3 256

bin/facestudio views --server "$server" --face "$faces/elena.jpg" --seed 7 -o "$made/views.png" >/dev/null 2>&1
show "elena in twelve poses" "$made/views.png"
bin/facestudio sheet -o "$out/views.png" --columns 1 --size 800 "${cells[@]}" >/dev/null
echo "$out/views.png"
