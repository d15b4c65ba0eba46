#!/usr/bin/env bash
# Installs what the tests of the web page need, from package registries:
# playwright-core and axe-core (npm, pinned in cli/e2e/browser) and a Chromium
# (the distribution's, unless one is there or FACESTUDIO_CHROMIUM names one).
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "setup-web: $*" >&2
  exit 1
}

browser=cli/e2e/browser
command -v npm >/dev/null || fail "npm (with Node.js 20.11 or newer) is needed: install it and run this again"
if [ ! -f "$browser/node_modules/.package-lock.json" ] || [ "$browser/package-lock.json" -nt "$browser/node_modules/.package-lock.json" ]; then
  echo "fetching playwright-core and axe-core"
  npm ci --prefix "$browser" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
    fail "npm could not fetch the packages of $browser: is this machine online?"
  touch "$browser/node_modules/.package-lock.json"
fi

chromium=${FACESTUDIO_CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable || true)}
if [ -z "$chromium" ]; then
  { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } ||
    fail "a Chromium is needed: install it (Debian: apt-get install chromium), or set FACESTUDIO_CHROMIUM to one"
  echo "installing chromium"
  log=$(mktemp)
  { apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; } >"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; fail "apt-get could not install chromium"; }
  rm -f "$log"
fi
