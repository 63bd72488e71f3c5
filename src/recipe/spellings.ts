/**
 * NeurST's spellings of one configuration, brought to one form. Accepted for a parameter `p` of a
 * section `X`: `p`, `X.p`, `X: {params: {p}}`, `X.params: {p}`; for its class: `X`, `X.class`,
 * `X: {class}`. Sections may be written inside the parameters of others.
 */
import { ConfigError, UnknownNameError } from "../errors.ts";
import { receivedText } from "./expected-text.ts";
import { misplacedKey } from "./misplaced-key.ts";
import { NO_EFFECT } from "./no-effect.ts";
import { REFUSED_KEYS } from "./refused-keys.ts";
import {
  bareKeys,
  isSectionName,
  KEY_ALIASES,
  ownerOf,
  schemaOf,
  SECTION_NAMES,
  sectionOf,
  type SectionName,
} from "./schema.ts";
import { classNamed, paramNames } from "./section.ts";

/** One value that a source sets. */
export interface Setting {
  readonly section: SectionName;
  /** `class`, or a parameter's name. */
  readonly key: string;
  readonly value: unknown;
  /** The source and its spelling, such as `a.yml: entry.params.train_steps` or `--train_steps`. */
  readonly where: string;
}

/** What a source says, in one form. */
export interface Settings {
  readonly settings: readonly Setting[];
  /** Keys without effect that the source sets, with the reason. */
  readonly notes: readonly string[];
}

/**
 * Reads a configuration document.
 * @param document a mapping, as YAML or flags give it; null values say nothing
 * @param at how messages name a spelling; an empty one is the whole document
 * @throws {UnknownNameError} for an unknown key or class; {@link ConfigError} for a wrong form
 */
export function readSettings(document: unknown, at: (spelling: string) => string): Settings {
  const reader = new SettingsReader(at);
  reader.readTop(mapping(document, at("")), "");
  return { settings: reader.settings, notes: reader.notes };
}

class SettingsReader {
  readonly settings: Setting[] = [];
  readonly notes: string[] = [];
  readonly #at: (spelling: string) => string;

  constructor(at: (spelling: string) => string) {
    this.#at = at;
  }

  readTop(document: Record<string, unknown>, prefix: string): void {
    for (const [name, value] of Object.entries(document)) {
      if (value === null || value === undefined) this.#checkKnown(name, prefix);
      else if (!this.#readSection(name, value, prefix)) this.#readBare(name, value, prefix);
    }
  }

  /** Reads `X`, `X.class`, `X.params` or `X.p`; false if `name` introduces no section. */
  #readSection(name: string, value: unknown, prefix: string): boolean {
    const dot = name.indexOf(".");
    const root = dot < 0 ? name : name.slice(0, dot);
    if (!isSectionName(root)) return false;
    const rest = dot < 0 ? "" : name.slice(dot + 1);
    const spelling = prefix + name;
    if (rest === "class" || (rest === "" && typeof value === "string")) {
      this.#readClass(root, value, spelling);
    } else if (rest === "params") {
      this.#readParams(root, this.#mapping(value, spelling), `${spelling}.`);
    } else if (rest === "") {
      this.#readModule(root, this.#mapping(value, spelling), `${spelling}.`);
    } else {
      this.#readParams(root, { [rest]: value }, `${prefix}${root}.`);
    }
    return true;
  }

  #readModule(section: SectionName, module: Record<string, unknown>, prefix: string): void {
    for (const [name, value] of Object.entries(module)) {
      if (value === null || value === undefined) continue;
      if (name === "class") this.#readClass(section, value, prefix + name);
      else if (name === "params") {
        this.#readParams(section, this.#mapping(value, prefix + name), `${prefix}${name}.`);
      } else throw new UnknownNameError(this.#at(prefix + name), "key", name, ["class", "params"]);
    }
  }

  #readClass(section: SectionName, value: unknown, spelling: string): void {
    const definition = sectionOf(section);
    const name = classNamed(definition, typeof value === "string" ? value : JSON.stringify(value));
    if (name === undefined) {
      const known = Object.keys(definition.classes);
      throw new UnknownNameError(this.#at(spelling), "class", String(value), known);
    }
    this.settings.push({ section, key: "class", value: name, where: this.#at(spelling) });
  }

  #readParams(section: SectionName, params: Record<string, unknown>, prefix: string): void {
    for (const [written, value] of Object.entries(params)) {
      const name = KEY_ALIASES.get(written) ?? written;
      if (schemaOf(section, name) !== undefined) {
        if (value !== null && value !== undefined) {
          this.settings.push({ section, key: name, value, where: this.#at(prefix + written) });
        }
      } else if (Object.hasOwn(NO_EFFECT, name)) this.#note(prefix + written, name);
      else if (Object.hasOwn(REFUSED_KEYS, name)) this.#refuse(prefix + written, name, value);
      else if (isNested(section, name, value)) {
        this.#readParams(section, dotted(name, value), prefix);
      } else if (value === null || !this.#readSection(name, value, prefix)) {
        const known = [...paramNames(sectionOf(section)), ...sectionNames()];
        throw new UnknownNameError(this.#at(prefix + written), "key", written, known);
      }
    }
  }

  #readBare(written: string, value: unknown, prefix: string): void {
    const name = KEY_ALIASES.get(written) ?? written;
    const section = ownerOf(name);
    if (section !== undefined) {
      this.settings.push({ section, key: name, value, where: this.#at(prefix + written) });
    } else if (Object.hasOwn(NO_EFFECT, name)) this.#note(prefix + written, name);
    else if (Object.hasOwn(REFUSED_KEYS, name)) this.#refuse(prefix + written, name, value);
    else if (isNested("model", name, value)) this.#readParams("model", dotted(name, value), prefix);
    else throw this.#unknown(written, prefix);
  }

  #checkKnown(written: string, prefix: string): void {
    const name = KEY_ALIASES.get(written) ?? written;
    const root = name.split(".")[0]!;
    const isForeign = Object.hasOwn(NO_EFFECT, name) || Object.hasOwn(REFUSED_KEYS, name);
    const known = ownerOf(name) !== undefined || isSectionName(root) || isForeign;
    if (!known) throw this.#unknown(written, prefix);
  }

  #unknown(written: string, prefix: string): Error {
    const where = this.#at(prefix + written);
    const known = [...bareKeys(), ...sectionNames(), ...Object.keys(NO_EFFECT)];
    const remedy = '"tfjs-qat run_exp --help" lists the keys.';
    return (
      misplacedKey(written, where) ?? new UnknownNameError(where, "key", written, known, remedy)
    );
  }

  #note(spelling: string, name: string): void {
    this.notes.push(`${this.#at(spelling)} has no effect here: ${NO_EFFECT[name]!}.`);
  }

  /** NeurST writes null for what is not set: that asks for nothing. */
  #refuse(spelling: string, name: string, value: unknown): void {
    if (value === null || value === undefined) return;
    throw new ConfigError(
      `${this.#at(spelling)}: expected no "${name}", received ${receivedText(value)}. ` +
        `${REFUSED_KEYS[name]!}.`,
    );
  }

  #mapping(value: unknown, spelling: string): Record<string, unknown> {
    return mapping(value, this.#at(spelling));
  }
}

function mapping(value: unknown, where: string): Record<string, unknown> {
  if (value === null || value === undefined) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ConfigError(
    `${where}: expected keys and values, received ${JSON.stringify(value)}. ` +
      `Write "key: value" lines, or {key: value}.`,
  );
}

/** True for `encoder: {num_layers: 3}` and the like: a nested spelling of dotted names. */
function isNested(section: SectionName, name: string, value: unknown): boolean {
  const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
  return isMapping && paramNames(sectionOf(section)).some((known) => known.startsWith(`${name}.`));
}

function dotted(name: string, value: unknown): Record<string, unknown> {
  const entries = Object.entries(value as Record<string, unknown>);
  return Object.fromEntries(entries.map(([key, inner]) => [`${name}.${key}`, inner]));
}

function sectionNames(): string[] {
  return SECTION_NAMES.filter((name) => name !== "run");
}
