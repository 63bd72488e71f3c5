/** Compiled products of integer codes: int16 by int8 or int16 with int32 sums. */
import { codeError } from "../../loops/code-error.ts";
import { codeProductSizes, packedSizes, packedWidth } from "../../loops/code-product-kernels.ts";
import type { SimdCall, SimdKernel } from "../simd-call.ts";

/** Largest absolute code that an int16 holds. */
const LARGEST_WORD = 32767;

export const codeProduct: SimdKernel = (call) => {
  const { maxAbsA, maxAbsB } = call.attributes as Record<string, number>;
  if (maxAbsA! > LARGEST_WORD || maxAbsB! > LARGEST_WORD) return false;
  const { m, k, n, transposeB, count } = codeProductSizes(call);
  const isPacked = call.has("packedB");
  const width = packedWidth(call.attributes);
  const packedBytes = isPacked ? 0 : call.simd.packedCodeBytes(n, k, width);
  const scaleBytes = 16 * Math.ceil(n / 4);
  const scales = call.scratch(scaleBytes + packedBytes + call.simd.codeGemmScratchBytes(k));
  writeScales(call, scales, n);
  const packed = isPacked ? call.intAddress("packedB") : scales + scaleBytes;
  const bias = call.has("bias") ? call.address("bias") : 0;
  const scratch = scales + scaleBytes + packedBytes;
  const [a, b, out] = [call.address("a"), call.address("b"), call.out[0]!];
  refuseNaN(call, a, count * m * k);
  if (!isPacked) refuseNaN(call, b, count * k * n);
  for (let g = 0; g < count; g++) {
    if (!isPacked) call.simd.packCodes(b + 4 * g * k * n, n, k, transposeB ? 1 : 0, packed, width);
    const [left, to] = [a + 4 * g * m * k, out + 4 * g * m * n];
    call.simd.codeGemm(left, packed, to, 0, m, n, k, scales, bias, scratch, width);
  }
  return true;
};

function refuseNaN({ simd }: SimdCall, codes: number, count: number): void {
  if (simd.hasNaN(codes, count) === 1) throw codeError("product of integer codes", "finite values");
}

/** fround(scaleA·scaleB) of each column. */
function writeScales(call: SimdCall, address: number, n: number): void {
  const scaleA = call.floats("scaleA")[0]!;
  const scaleB = call.floats("scaleB");
  const scales = call.floatsAt(address, n);
  if (scaleB.length === 1) scales.fill(scaleA * scaleB[0]!);
  else for (let j = 0; j < n; j++) scales[j] = scaleA * scaleB[j]!;
}

export const packCodes: SimdKernel = (call) => {
  const { n, k, transposeB } = packedSizes(call.shape("codes"), call.attributes);
  refuseNaN(call, call.address("codes"), n * k);
  const width = packedWidth(call.attributes);
  call.simd.packCodes(call.address("codes"), n, k, transposeB ? 1 : 0, call.out[0]!, width);
  return true;
};
