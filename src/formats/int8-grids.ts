/** Whether the grids of an int8 export are grids at all: what hides in consistent-looking numbers. */
import { qtypeOf, type QuantKind } from "../core/qtype.ts";
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
  readonly qmin: number;
  readonly qmax: number;
}

function checkCodes(where: string, kind: QuantKind, { bits, qmin, qmax }: Codes): void {
  const type = qtypeOf(kind, bits);
  if (qmin === type.qmin && qmax === type.qmax) return;
  throw wrong(
    where,
    `codes from ${type.qmin} to ${type.qmax} (${kind}, ${bits} bits)`,
    `${qmin} to ${qmax}`,
  );
}

/** Every kind has the zero point 0; min and max are the ends of the range, or 0 for a zero clip. */
function checkRange(where: string, record: QuantizedActivationRecord): void {
  const { scale, zero_point: zeroPoint, qmin, qmax, min, max } = record;
  if (!(scale > 0)) throw wrong(where, "a positive scale", String(scale));
  if (zeroPoint !== 0) throw wrong(where, "zero_point 0", String(zeroPoint));
  if (min === 0 && max === 0 && scale === 1) return;
  const [low, high] = [Math.fround(qmin * scale), Math.fround(qmax * scale)];
  if (min === low && max === high) return;
  throw wrong(where, `the range ${low} to ${high} of scale ${scale}`, `${min} to ${max}`);
}

function wrong(where: string, expected: string, received: string): FormatError {
  return new FormatError(
    `${where}: expected ${expected}, received ${received}. ` +
      `The file was changed or damaged; export the model again.`,
  );
}
