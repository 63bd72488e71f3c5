#!/usr/bin/env bash
# Runs a core of the fast tests, native included where it is installed, on the other supported versions of
# Node: `scripts/test-node-versions.sh [VERSION…]` (default: 22 24).
# The longest files are left out: they are the same TypeScript as the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 22 24
for version in "$@"; do
  printf '\n== Node %s\n' "$version"
  npx --yes --package "node@$version" -- node -e 'console.log(process.version)'
  npx --yes --package "node@$version" -- node node_modules/vitest/vitest.mjs run --project fast \
    test/core test/ops test/backends test/formats test/graph test/quant test/train test/native \
    --exclude '**/{cached-attention,trainer,resume,threads,*.slow}.test.ts'
done
