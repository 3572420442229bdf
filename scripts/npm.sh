#!/usr/bin/env bash
# Fetch the npm packages of sdk/web/package.json into .cache/npm. Run again, it only compares the file.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache/npm
if cmp --silent sdk/web/package.json .cache/npm/fetched.json; then exit 0; fi
cp sdk/web/package.json .cache/npm/package.json
system=/etc/ssl/certs/ca-certificates.crt # Node looks at its own certificates only, unless it is told of the system's
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r "$system" ]; then export NODE_EXTRA_CA_CERTS="$system"; fi
timeout 300 npm install --fetch-retries=2 --fetch-retry-maxtimeout=10000 --fetch-timeout=30000 --prefix .cache/npm --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
cp sdk/web/package.json .cache/npm/fetched.json
