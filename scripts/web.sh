#!/usr/bin/env bash
# Build sdk/web/rapport.min.js from sdk/web/rapport.js; with an argument, write it there instead. Needs Node.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/npm.sh
.cache/npm/node_modules/.bin/esbuild sdk/web/rapport.js --bundle --format=iife --minify --target=es2018 \
  --log-level=warning --outfile="${1:-sdk/web/rapport.min.js}" --allow-overwrite
