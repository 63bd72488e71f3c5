/** Keys that belong inside another one. */
import { ConfigError } from "../errors.ts";
import { quantParamsSchema } from "../quant/config.ts";

/**
 * The error for a key of `quant_params` that stands outside of it; null for any other key.
 * @param where the key as it was written
 */
export function misplacedKey(name: string, where: string): ConfigError | null {
  if (!Object.hasOwn(quantParamsSchema.shape, name)) return null;
  const inside = where.startsWith("--")
    ? `--quant_params "{${name}: …}"`
    : `quant_params: {${name}: …}`;
  return new ConfigError(
    `${where}: expected ${name} inside quant_params, received it on its own. Write ${inside}.`,
  );
}
