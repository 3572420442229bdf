#!/usr/bin/env bash
# What tests/web needs: Chromium, installed by apt-get when there is none and we are root, and the packages of
# sdk/web/package.json. Where they cannot be had it says so and goes on: the tests then skip, and fail where CI is set.
set -euo pipefail
cd "$(dirname "$0")/.."

have_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null

install_chromium() {
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
  echo "browser: installing Chromium with apt-get; the first time this takes a minute"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >/dev/null
}

have_chromium || install_chromium ||
  echo "browser: no Chromium, so tests/web cannot run; Debian and Ubuntu: apt-get install chromium" >&2
{ command -v npm >/dev/null && bash scripts/npm.sh; } ||
  echo "browser: no npm packages, so tests/web cannot run whole; they need Node with npm, and the network" >&2
