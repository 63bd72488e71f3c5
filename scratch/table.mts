import { setup, collectStats, quantizeModel } from "./lib.mts";
import { parseOverrides } from "../src/ptq/overrides.ts";
import { writeFileSync } from "node:fs";
const [name = "gnmt", limit = "128"] = process.argv.slice(2);
const s = await setup(name, Number(limit), "dev");
const f = await s.bleu(s.model);
console.log("float", f.score.toFixed(2), f.seconds.toFixed(1));
let t = performance.now();
const stats = await collectStats(s.model, s.search);
console.log("calibrate", ((performance.now() - t) / 1000).toFixed(1), stats.size);
const att = ".*att_rnn.attn.*:\n    clip_acts: NONE\n";
const cls = att + "decoder.classifier.classifier:\n    clip_acts: NONE\n";
const as = { quant_weight_mode: "asymmetric_signed", quant_act_mode: "asymmetric_signed" } as const;
const d = { quant_compat: "distiller-2019" } as const;
const avg = { ...d, ...as, quant_per_channel: true, quant_act_clip: "avg" } as const;
const rows: [string, any, string | null][] = [
  ["2019 symmetric", d, null],
  ["2019 asymmetric", { ...d, ...as }, null],
  ["2019 asym pc avg", avg, null],
  ["2019 + att none", avg, att],
  ["2019 + cls none", avg, cls],
  ["ours default", {}, null],
  ["ours sym none", { quant_act_clip: "none" }, null],
  ["ours asym pc avg", { ...as, quant_act_clip: "avg" }, null],
  ["ours asym mse", { ...as }, null],
  ["ours no net aware", { quant_net_aware: false }, null],
  ["ours percentile", { quant_act_clip: "percentile" }, null],
  ["ours kl", { quant_act_clip: "kl" }, null],
  ["ours per tensor", { quant_per_channel: false }, null],
];
for (const [label, quantParams, overrides] of rows) {
  t = performance.now();
  try {
    const q = quantizeModel(s.model, { statistics: stats, quantParams, overrides: overrides === null ? null : parseOverrides(overrides, "notebook") });
    const qs = (performance.now() - t) / 1000;
    const b = await s.bleu(q.model);
    const same = b.texts.filter((x: string, i: number) => x === f.texts[i]).length;
    console.log(label, b.score.toFixed(2), `${(100 * b.score / f.score).toFixed(1)}%`, "same", same, "quantize", qs.toFixed(1), "eval", b.seconds.toFixed(1), `x${(b.seconds / f.seconds).toFixed(2)}`, "notes", q.report.notes.length);
    for (const n of q.report.notes.slice(0, 3)) console.log("   ", n);
    q.model.dispose();
  } catch (e) { console.log(label, "FAILED", (e as Error).stack?.slice(0, 600)); }
}
