#!/usr/bin/env bash
# Packs the package, installs the tarball into an empty folder and uses it as its users would.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tarball=$(cd "$root" && npm pack --silent --pack-destination "$folder")
cd "$folder"
npm init --yes >/dev/null
npm install --no-audit --no-fund --silent "./$tarball"
npx tfjs-qat --help
printf 'Das ist ein kleiner Test .\n' > reference.txt
cp reference.txt hypothesis.txt
npx tfjs-qat score --ref reference.txt --hyp hypothesis.txt --json
npx tfjs-qat doctor
cat > use.mjs <<'EOF'
import * as tf from "@tensorflow/tfjs";
import { QuantDense, resolveQuantConfig, selectBackend } from "tfjs-qat";
const { execution } = await selectBackend("wasm");
if (execution !== "compiled") throw new Error(`expected compiled kernels, received ${execution}`);
const layer = new QuantDense({ name: "dense", units: 3, quantConfig: resolveQuantConfig({ quant_bits: 8 }) });
const y = layer.apply(tf.ones([2, 4]));
if (y.shape.join() !== "2,3") throw new Error(`unexpected shape ${y.shape}`);
console.log("tarball:", tf.getBackend(), execution, y.shape);
EOF
node use.mjs
