/** An int8 export of GNMT as the layers of the reference executor. */
import { LSTM_GATES, type LstmGate } from "../../core/lstm.ts";
import type { Int8Model, Int8Weight } from "../../formats/int8-model.ts";
import type { QuantizationRecord } from "../../formats/quantization-json.ts";
import type { BahdanauWeights } from "./bahdanau.ts";
import type { ActivationQuantizer } from "./coded.ts";
import { ExportParts } from "./export-parts.ts";
import type { LstmWeights } from "./lstm.ts";
import { countOf } from "./parameters.ts";
import type { Linear } from "./product.ts";

/** Everything that the executor computes with. */
export interface GnmtWeights {
  readonly vocabulary: QuantizationRecord["vocabulary"];
  readonly source: Int8Weight;
  readonly target: Int8Weight;
  /** The first layer runs in both directions; residual connections from the third layer on. */
  readonly encoder: readonly LstmWeights[];
  readonly encoderBackward: LstmWeights;
  /** The grid of the encoder's result. */
  readonly memory: ActivationQuantizer;
  readonly attRnn: LstmWeights;
  readonly attention: BahdanauWeights;
  /** Residual connections from the second layer on. */
  readonly decoder: readonly LstmWeights[];
  readonly classifierInput: ActivationQuantizer;
  readonly classifier: Linear;
}

const ROOT = "SequenceToSequence";

/**
 * The layers of a parsed export.
 * @throws {FormatError} if its products are not all quantized, or another tool's placement of
 *   quantizers was followed
 */
export function gnmtWeights(model: Int8Model): GnmtWeights {
  const { params } = model.record.model;
  const units = countOf(params, "hidden_size");
  const layers = countOf(params, "num_layers");
  const parts = new ExportParts(model);
  const { vocabulary } = model.record;
  const shares = params["share_embedding"] !== false;
  const table = (side: "source" | "target"): Int8Weight => {
    const own = side === "source" ? "encoder/embedder" : "decoder/embedder";
    const name = `${ROOT}/${shares ? "embedder" : own}/weights`;
    return parts.matrix(name, [vocabulary[`${side}_size`], units]);
  };
  const lstm = (path: string, inputs: number): LstmWeights =>
    lstmWeights(parts, `${ROOT}/${path}`, [inputs, units]);
  const classifier = `${ROOT}/decoder/classifier/classifier`;
  const classifierInput = parts.quantizer(`${classifier}/input`);
  const memory = parts.quantizer(`${ROOT}/encoder/output`);
  const attRnn = lstm("decoder/att_rnn/rnn/cells/0", units);
  const weights: GnmtWeights = {
    vocabulary,
    source: table("source"),
    target: table("target"),
    encoder: indices(layers).map((i) =>
      lstm(`encoder/rnn_layers/${i}/cells/0`, i === 1 ? 2 * units : units),
    ),
    encoderBackward: lstm("encoder/rnn_layers/0/cells_reverse/0", units),
    memory,
    attRnn,
    attention: bahdanauWeights(parts, units, { query: attRnn.hidden, memory }),
    decoder: indices(layers - 1).map((i) => lstm(`decoder/rnn_layers/${i}/cells/0`, 2 * units)),
    classifierInput,
    classifier: parts.linear(classifier, [units, vocabulary.target_size], classifierInput),
  };
  parts.end();
  return weights;
}

/** @param sizes inputs and units */
function lstmWeights(
  parts: ExportParts,
  path: string,
  [inputs, units]: readonly [number, number],
): LstmWeights {
  const input = parts.quantizer(`${path}/fc_gate_x/input`);
  const hidden = parts.quantizer(`${path}/eltwisemult_hidden/output`);
  const gates = LSTM_GATES.map((gate) => [gate, parts.quantizer(`${path}/act_${gate}/input`)]);
  return {
    units,
    input,
    gates: Object.fromEntries(gates) as Record<LstmGate, ActivationQuantizer>,
    cell: parts.quantizer(`${path}/eltwiseadd_cell/output`),
    hidden,
    fcGateX: parts.linear(`${path}/fc_gate_x`, [inputs, 4 * units], input),
    fcGateH: parts.linear(`${path}/fc_gate_h`, [units, 4 * units], hidden),
  };
}

function bahdanauWeights(
  parts: ExportParts,
  units: number,
  grids: { readonly query: ActivationQuantizer; readonly memory: ActivationQuantizer },
): BahdanauWeights {
  const path = `${ROOT}/decoder/att_rnn/attn`;
  const tanh = parts.quantizer(`${path}/tanh`);
  return {
    path,
    linearQ: parts.linear(`${path}/linear_q`, [units, units], grids.query),
    linearK: parts.linear(`${path}/linear_k`, [units, units], grids.memory),
    bias: parts.floats(`${path}/normalize_bias`, units),
    scaler: parts.floats(`${path}/normalize_scalar`, 1)[0]!,
    tanh,
    linearAtt: parts.column(`${path}/linear_att`, units, tanh),
    softmax: parts.quantizer(`${path}/softmax_att`),
    memory: grids.memory,
  };
}

function indices(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
