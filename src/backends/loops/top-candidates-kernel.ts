/** The best tokens of each row: `core/top-candidates.ts` over a backend's memory. */
import { logSoftmax } from "../../core/softmax.ts";
import { topCandidates } from "../../core/top-candidates.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** logits [rows, classes], accumulated [rows] → tokens, log-probabilities and scores [rows, size]. */
export const topCandidatesKernel: LoopKernel = {
  name: "QatTopCandidates",
  outputTypes: ["int32", "float32", "float32"],
  outputShapes: ({ logits }, { size }) => {
    const shape = [logits![0]!, size as number];
    return [shape, shape, shape];
  },
  run(call) {
    const [rows, classes] = call.shape("logits") as [number, number];
    const logProbs = new Float32Array(rows * classes);
    logSoftmax(call.floats("logits"), logProbs, rows, classes);
    const { factor, maskedA, maskedB } = call.attributes as Record<string, number>;
    const scoring = {
      ...{ accumulated: call.floats("accumulated"), factor: factor! },
      ...{ maskedA: maskedA!, maskedB: maskedB! },
    };
    const [totals, scores] = call.out as [Float32Array, Float32Array];
    topCandidates(logProbs, scoring, { tokens: call.intOut, logProbs: totals, scores });
  },
};
