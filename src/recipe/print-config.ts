/** A resolved recipe for reading: every value and where it came from. */
import type { ResolvedRecipe } from "./resolve.ts";
import { fullKey, SECTION_NAMES } from "./schema.ts";

/** One value of a recipe. */
export interface RecipeEntry {
  readonly value: unknown;
  /** The source's name, or `default …`. */
  readonly origin: string;
}

/** Every value of a recipe by its full key, sections in their order. */
export function recipeEntries({ recipe, origins }: ResolvedRecipe): Record<string, RecipeEntry> {
  const entries: Record<string, RecipeEntry> = {};
  const add = (key: string, value: unknown): void => {
    entries[key] = { value, origin: origins.get(key) ?? "default" };
  };
  for (const section of SECTION_NAMES) {
    for (const [key, value] of Object.entries(recipe[section] ?? {})) {
      if (section === "run" && key === "class") continue;
      if (key !== "quant_params") add(fullKey(section, key), value);
      else for (const [k, v] of Object.entries(value as object)) add(`quant_params.${k}`, v);
    }
  }
  return entries;
}

/** {@link recipeEntries} as YAML lines, each with its origin in a comment. */
export function recipeText(resolved: ResolvedRecipe): string {
  const lines = Object.entries(recipeEntries(resolved)).map(([key, { value, origin }]) => [
    `${key}: ${JSON.stringify(value)}`,
    `# ${origin}`,
  ]);
  const width = Math.min(72, Math.max(...lines.map(([text]) => text!.length)));
  return lines.map(([text, origin]) => `${text!.padEnd(width)}  ${origin!}`).join("\n");
}
