/** The rows of the table: what the notebook tries, one after the other, and what this package does by itself. */
import type { QuantizeOptions } from "tfjs-qat";

/** One way to quantize. */
export interface Row {
  readonly name: string;
  readonly quantParams: NonNullable<QuantizeOptions["quantParams"]>;
  /** A file of overrides as it stands in the notebook; null: none. */
  readonly overrides: string | null;
}

const ATTENTION = `
.*att_rnn.attn.*:
    clip_acts: NONE # Quantize without clipping
`;
const ATTENTION_AND_CLASSIFIER = `${ATTENTION}
decoder.classifier.classifier:
    clip_acts: NONE # Quantize without clipping
`;

/** Distiller's placement of the time: after every operation, scales 127/max. */
const DISTILLER = { quant_compat: "distiller-2019" } as const;
const ASYMMETRIC = {
  ...DISTILLER,
  quant_weight_mode: "asymmetric_signed",
  quant_act_mode: "asymmetric_signed",
} as const;
const AVERAGE = { ...ASYMMETRIC, quant_per_channel: true, quant_act_clip: "avg" } as const;

export const ROWS: readonly Row[] = [
  { name: "symmetric", quantParams: DISTILLER, overrides: null },
  { name: "asymmetric", quantParams: ASYMMETRIC, overrides: null },
  { name: "asymmetric, per channel, average clips", quantParams: AVERAGE, overrides: null },
  { name: "… but none in the attention", quantParams: AVERAGE, overrides: ATTENTION },
  { name: "… nor in the classifier", quantParams: AVERAGE, overrides: ATTENTION_AND_CLASSIFIER },
  { name: "tfjs-qat by default", quantParams: {}, overrides: null },
];
