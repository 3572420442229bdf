#!/usr/bin/env bash
# Fetch the npm packages of sdk/web/package.json into .cache/npm. Run again, it only compares the file.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache/npm
if cmp --silent sdk/web/package.json .cache/npm/fetched.json; then exit 0; fi
cp sdk/web/package.json .cache/npm/package.json
npm install --prefix .cache/npm --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
cp sdk/web/package.json .cache/npm/fetched.json
