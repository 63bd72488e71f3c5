/** Whether the grids of an int8 export are grids at all: what hides in consistent-looking numbers. */
import type { QuantKind, QuantMode } from "../core/qtype.ts";
import { rangeGrid } from "../core/range-grid.ts";
import { FormatError } from "../errors.ts";
import type { QuantizationRecord, QuantizedActivationRecord } from "./quantization-json.ts";

/**
 * Checks codes against kind and bits, scales against the ranges that they give, and special tokens
 * against the size of the vocabulary. A wrong scale or zero point would silently change every result.
 * @param where names the file in messages
 * @throws {FormatError} naming the tensor
 */
export function checkGrids(record: QuantizationRecord, where: string): void {
  for (const [name, weight] of Object.entries(record.weights)) {
    checkCodes(`${where}, "${name}"`, "weight", weight);
  }
  for (const [name, activation] of Object.entries(record.activations)) {
    const place = `${where}, "${name}"`;
    checkCodes(place, activation.kind, activation);
    checkRange(place, activation);
  }
  const { unk, bos, eos, target_size: size } = record.vocabulary;
  for (const [name, id] of Object.entries({ unk, bos, eos })) {
    if (id >= size) throw wrong(`${where}, vocabulary`, `${name} below ${size}`, String(id));
  }
}

interface Codes {
  readonly bits: number;
  readonly mode: QuantMode;
  readonly qmin: number;
  readonly qmax: number;
}

function checkCodes(where: string, kind: QuantKind, { bits, mode, qmin, qmax }: Codes): void {
  const spec = { kind, bits, mode, compat: "none", scaleApproxMultBits: null } as const;
  const grid = rangeGrid(spec, { lo: 0, hi: 0 });
  const [least, most] = [grid.qmin + grid.zeroPoint, grid.qmax + grid.zeroPoint];
  if (qmin === least && qmax === most) return;
  throw wrong(
    where,
    `codes from ${least} to ${most} (${kind}, ${bits} bits, ${mode})`,
    `${qmin} to ${qmax}`,
  );
}

/** Symmetric grids have the zero point 0; min and max are the ends of the range, or 0 for a zero clip. */
function checkRange(where: string, record: QuantizedActivationRecord): void {
  const { mode, scale, zero_point: zeroPoint, qmin, qmax, min, max } = record;
  if (!(scale > 0)) throw wrong(where, "a positive scale", String(scale));
  checkZeroPoint(where, mode, zeroPoint, record);
  if (min === 0 && max === 0 && scale === 1) return;
  const [low, high] = [qmin, qmax].map((code) => Math.fround((code - zeroPoint) * scale) + 0) as [
    ...[number, number],
  ];
  if (min === low && max === high) return;
  throw wrong(where, `the range ${low} to ${high} of scale ${scale}`, `${min} to ${max}`);
}

/** @throws {FormatError} for a zero point that is no code, or another than 0 in a symmetric mode */
export function checkZeroPoint(
  where: string,
  mode: QuantMode,
  zeroPoint: number,
  { qmin, qmax }: { readonly qmin: number; readonly qmax: number },
): void {
  const isSymmetric = mode === "symmetric" || mode === "symmetric_restricted";
  const [least, most] = isSymmetric ? [0, 0] : [qmin, qmax];
  if (zeroPoint >= least && zeroPoint <= most) return;
  const expected = isSymmetric ? "zero_point 0" : `a zero_point from ${qmin} to ${qmax}`;
  throw wrong(where, expected, String(zeroPoint));
}

function wrong(where: string, expected: string, received: string): FormatError {
  return new FormatError(
    `${where}: expected ${expected}, received ${received}. ` +
      `The file was changed or damaged; export the model again.`,
  );
}
