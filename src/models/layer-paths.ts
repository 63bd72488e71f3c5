/**
 * Short paths of layers and variables: what overrides and `inspect` use in place of NeurST's names.
 *
 * | full name, after the root                                   | short path                      |
 * |-------------------------------------------------------------|---------------------------------|
 * | TransformerEncoder/…, TransformerDecoder/…                  | encoder/…, decoder/…            |
 * | …/self_attention_prepost_wrapper/self_attention/…           | …/self_attention/…              |
 * | …/self_attention_prepost_wrapper/ln/…                       | …/self_attention/ln/…           |
 * | …/ffn_prepost_wrapper/…, …/encdec_attention_prepost_wrapper | the same way                    |
 * | shared_symbol_modality_posenc_wrapper/shared_symbol_modality/{shared,emb}/… | shared_embedding/… |
 * | input_symbol_modality…, target_symbol_modality…             | source_embedding/…, target_embedding/… |
 * | …_posenc_wrapper/position_embeddings/…                      | {shared,source,target}_positions/… |
 * | GNMT's encoder/…, decoder/…, embedder/…                     | the same                        |
 */
import { UnknownNameError } from "../errors.ts";

/** Scope of all variables of a model here; checkpoints may have another one. */
export const ROOT_SCOPE = "SequenceToSequence";

const MODALITIES = { shared: "shared", input: "source", target: "target" } as const;
const TOP_PARTS =
  /^(TransformerEncoder|TransformerDecoder|softmax_linear|\w+_symbol_modality\w*|encoder|decoder|embedder)$/;

/** The short path of a full name; a name outside the table comes back as it is. */
export function shortPath(fullName: string): string {
  const parts = fullName.split("/");
  // The root scope is a model's name, so any first part before a known one is dropped.
  const start = parts.length > 1 && !TOP_PARTS.test(parts[0]!) && TOP_PARTS.test(parts[1]!) ? 1 : 0;
  const [top, ...rest] = parts.slice(start);
  if (top === "TransformerEncoder") return ["encoder", ...withoutWrappers(rest)].join("/");
  if (top === "TransformerDecoder") return ["decoder", ...withoutWrappers(rest)].join("/");
  const modality = /^(shared|input|target)_symbol_modality(_posenc_wrapper)?$/.exec(top ?? "");
  if (modality === null) return parts.slice(start).join("/");
  const side = MODALITIES[modality[1] as keyof typeof MODALITIES];
  if (rest[0] === "position_embeddings") return [`${side}_positions`, ...rest.slice(1)].join("/");
  const inner = modality[2] === undefined ? rest : rest.slice(1);
  return [`${side}_embedding`, ...inner.slice(1)].join("/");
}

/** `x_prepost_wrapper/x` and `x_prepost_wrapper` both become `x`. */
function withoutWrappers(parts: readonly string[]): string[] {
  return parts.flatMap((part, i) => {
    const wrapped = /^(\w+)_prepost_wrapper$/.exec(part)?.[1];
    if (wrapped === undefined) return [part];
    return parts[i + 1] === wrapped ? [] : [wrapped];
  });
}

/**
 * The name among `names` that a user means by its short path or its full name.
 * @param where what asks, such as `--weight`
 * @throws {UnknownNameError} with the nearest short path
 */
export function fullName(where: string, path: string, names: Iterable<string>): string {
  const byShortPath = new Map<string, string>();
  for (const name of names) {
    if (name === path) return name;
    byShortPath.set(shortPath(name), name);
  }
  const name = byShortPath.get(shortPath(path));
  if (name !== undefined) return name;
  const remedy = '"tfjs-qat inspect" without --weight lists them.';
  throw new UnknownNameError(where, "path", path, [...byShortPath.keys()], remedy);
}
