import { setup, quantizeModel } from "./lib.mts";
import { readStatistics } from "../src/recipe/read-statistics.ts";
const s = await setup("gnmt", 8);
const statistics = readStatistics("/tmp/s1/stats.yaml");
for (const p of [{}, {}, { quant_act_clip: "avg" }] as any[]) {
  const t = performance.now();
  const q = quantizeModel(s.model, { statistics, quantParams: p });
  console.log(JSON.stringify(p), performance.now() - t);
  q.model.dispose();
}
