/** Measures steps of ours on one backend: of a model or of the LSTM stack. */
import { selectBackend } from "../src/backends/select.ts";
import type { CaptureOptions } from "../src/graph/captured-step.ts";
import { nativeBackend } from "../src/graph/native-backend.ts";
import { readLstmData } from "./lstm-data.ts";
import { LstmTrainer } from "./lstm-stack.ts";
import { ModelTrainer } from "./model-trainer.ts";
import type {
  NativeFinish,
  NativeJob,
  NativeRequest,
  NativeStart,
  NativeTurn,
  NativeWarmUp,
} from "./native-protocol.ts";
import { jobOf, memoryUse, serve } from "./serve.ts";

const { mode, quantized, workload, directory, threads } = jobOf() as NativeJob;
await selectBackend(mode === "wasm" ? "wasm" : "native", { threads });

const notices: string[] = [];
const capture: CaptureOptions = {
  xla: mode === "xla",
  eager: mode === "eager",
  onNotice: (line) => notices.push(line),
};
const trainer =
  workload === null
    ? new LstmTrainer(readLstmData(directory), quantized, capture)
    : new ModelTrainer(workload, directory, quantized, capture);

async function steps(count: number): Promise<NativeWarmUp> {
  const [milliseconds, losses]: [number[], number[]] = [[], []];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    losses.push(await trainer.step(i));
    milliseconds.push(performance.now() - start);
  }
  return { milliseconds, losses, notices };
}

async function turn(count: number): Promise<NativeTurn> {
  const { milliseconds, losses } = await steps(count);
  return { milliseconds: milliseconds.slice(1), losses };
}

await serve(async (line): Promise<NativeStart | NativeTurn | NativeWarmUp | NativeFinish> => {
  const request = line as NativeRequest;
  switch (request.command) {
    case "start":
      return { version: nativeBackend()?.binding.TF_Version ?? null };
    case "warm":
      return steps(request.steps);
    case "turn":
      return turn(request.steps);
    case "finish":
      return memoryUse();
  }
});
