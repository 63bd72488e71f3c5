/**
 * Score signatures with the fields and order of sacrebleu 2.6.0, as
 * `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:tfjs-qat-0.1.0`.
 *
 * The scores are sacrebleu's to 1e-6, but the program is another one: the version field says so.
 */

/** One `name:value` of a signature; true and false are written yes and no. */
export type SignatureField = readonly [name: string, value: string | number | boolean];

/**
 * The signature of fields in their order.
 *
 * @param version the version of this package; without it the last field is `version:tfjs-qat`
 */
export function formatSignature(
  fields: readonly SignatureField[],
  version: string | undefined,
): string {
  const program = version === undefined ? "tfjs-qat" : `tfjs-qat-${version}`;
  return [...fields, ["version", program] as const]
    .map(([name, value]) => `${name}:${typeof value === "boolean" ? yesOrNo(value) : value}`)
    .join("|");
}

function yesOrNo(value: boolean): string {
  return value ? "yes" : "no";
}

/**
 * A score's signature with the fields of a bootstrap after the number of references.
 *
 * @param samples number of resamples
 * @param seed seed of this package's generator, not of numpy's
 */
export function withBootstrap(signature: string, samples: number, seed: number): string {
  return signature.replace(/^(nrefs:[^|]*)/, `$1|bs:${samples}|seed:${seed}`);
}
