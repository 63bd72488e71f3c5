/** What a user's page looks like: the example of a layer of one's own, on the built package. */
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";

setWasmPaths("/wasm/");
await import("../../examples/quantized-layer/main.ts");
