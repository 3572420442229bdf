#!/usr/bin/env bash
# Make .venv with Rapport and everything it needs. Run again, it only compares a stamp.
#   PYTHON=/path/to/python  chooses the interpreter (3.11, 3.12 or 3.13).
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV

stamp=.venv/.rapport-setup
wanted="$PWD $(cat pyproject.toml constraints.txt scripts/setup.sh | cksum)"
if [ -x .venv/bin/rapport ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

have_uv() { command -v uv >/dev/null 2>&1; }

# The path of the interpreter named $1, when it is a version that Rapport runs on.
interpreter() {
  "$1" -c 'import sys; print(sys.executable); sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
  local candidate found
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 \
    "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/3.1[123]*/bin/python; do
    if found=$(interpreter "$candidate") && { have_uv || "$found" -c 'import ensurepip, venv' 2>/dev/null; }; then
      echo "$found"
      return
    fi
    [ "$candidate" != "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13 with venv"
  done
  if have_uv; then
    echo 3.13 # uv brings it
    return
  fi
  fail "no Python 3.11, 3.12 or 3.13 with venv found (tried python3, python3.13, python3.12, python3.11 and pyenv's)." \
    "Debian and Ubuntu: apt-get install python3-venv. Or name one: make setup PYTHON=/path/to/python3.12"
}

with_uv() {
  echo "setup: uv, $python"
  uv venv --quiet --clear --python "$python" .venv &&
    UV_SYSTEM_CERTS=1 uv pip install --quiet --python .venv/bin/python --constraints constraints.txt -e '.[demo,dev]'
}

with_pip() {
  echo "setup: venv and pip, $python"
  "$python" -m venv --clear .venv &&
    .venv/bin/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[demo,dev]'
}

python=$(find_python)
echo "setup: making .venv; the first time this downloads about 320 MB and takes a minute or more"
{ have_uv && with_uv; } || with_pip ||
  fail "the packages could not be installed; the reason is above." \
    "Rapport runs on x86-64 Linux with glibc 2.28 or newer; setup needs the network and 2 GB of disk."
printf '%s' "$wanted" >"$stamp"
echo "setup: done; try .venv/bin/rapport --help"
