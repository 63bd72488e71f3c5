/** Whether the architecture that is asked for is the one that an existing model has. */
import { ConfigError } from "../errors.ts";
import { sameValue, type Source } from "./resolve.ts";
import type { Setting } from "./spellings.ts";

/** Rates may change from run to run; everything else decides the shape or meaning of weights. */
const CHANGEABLE = /dropout(_rate)?$/;

/**
 * Compares what explicit sources ask of the model with what an existing model says of itself.
 * @param existing the settings of its model_configs.yml
 * @param explicit hparams_set, configuration files and flags, weakest first
 * @throws {ConfigError} that names the key, both values and both sources
 */
export function checkArchitecture(existing: Source, explicit: readonly Source[]): void {
  const has = modelSettings(existing);
  const wanted = new Map<string, Setting>();
  for (const source of explicit) {
    for (const [key, setting] of modelSettings(source)) wanted.set(key, setting);
  }
  for (const [key, { value, where }] of wanted) {
    const own = has.get(key);
    if (own === undefined || CHANGEABLE.test(key) || sameValue(own.value, value)) continue;
    throw new ConfigError(
      `${where}: expected ${JSON.stringify(own.value)} for "${key}" as in ${existing.name}, ` +
        `received ${JSON.stringify(value)}. Ask for the architecture of the existing model, or ` +
        `use another model directory.`,
    );
  }
}

function modelSettings(source: Source): Map<string, Setting> {
  const own = source.settings.filter((setting) => setting.section === "model");
  return new Map(own.map((setting) => [setting.key, setting]));
}
