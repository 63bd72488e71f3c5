/** The figures of the kernel benchmark as a table. */
import { describeEnvironment } from "./environment.ts";
import type { KernelSamples, KernelsSamples } from "./kernels.ts";
import { median, pairedRatio } from "./statistics.ts";
import { figure, markdownTable, number, text } from "./tables.ts";

export function kernelsReport({ environment, kernels }: KernelsSamples): string {
  const table = markdownTable(
    [
      text("call"),
      text("size"),
      number("tfjs-qat, adds"),
      number("stock, adds"),
      number("stock ÷ tfjs-qat"),
      number("GFLOP/s"),
      number("stock GFLOP/s"),
    ],
    kernels.map(row),
  );
  const unit = "One add is `tf.add` of two float32 tensors of the size.";
  return ["**Kernels**", table, `${unit}\n${describeEnvironment(environment)}`].join("\n\n");
}

function row({ name, shape, operations, ours, stock, add }: KernelSamples): string[] {
  const speed = (milliseconds: readonly number[]): string =>
    operations === null ? "" : figure(operations / median(milliseconds) / 1e6);
  return [
    name,
    shape.join("×"),
    figure(pairedRatio(ours, add).median),
    figure(pairedRatio(stock, add).median),
    figure(pairedRatio(stock, ours).median),
    speed(ours),
    speed(stock),
  ];
}
