/** What quantization-aware training can do. */
import { ConfigError } from "../errors.ts";
import { ClipQuantizer, type Quantizer } from "./quantizers.ts";

/**
 * Checks that training learns every range of a model: only symmetric clips have gradients.
 * @throws {ConfigError} naming the first quantizer whose range is observed or live, or which has none
 */
export function assertLearnable(
  layers: Iterable<{ readonly quantizers: ReadonlyMap<string, Quantizer> }>,
): void {
  for (const layer of layers) {
    for (const quantizer of layer.quantizers.values()) {
      if (quantizer instanceof ClipQuantizer) continue;
      throw new ConfigError(
        `quant_params: training learns symmetric clips, expected no other quantizer, received one ` +
          `at "${quantizer.path}" without a clip. Leave out quant_weight_mode, quant_act_mode, ` +
          `quant_dynamic, quant_float_bits, quant_scale_approx_mult_bits and quant_compat ` +
          `distiller-2020, or quantize the trained model without training.`,
      );
    }
  }
}
