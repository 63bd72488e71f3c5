/** Checks that the options of all searches share. */
import { ConfigError } from "../errors.ts";
import type { SpecialIds } from "./decode-options.ts";

/** True for a whole number from `least` on. */
export function isCount(value: number, least: number): boolean {
  return Number.isInteger(value) && value >= least;
}

/** Throws unless an option is good. */
export type OptionCheck = (
  isGood: boolean,
  name: string,
  expected: string,
  received: number,
) => void;

/** The check of a search's options. @param where names the search in messages */
export function optionCheck(where: string): OptionCheck {
  return (isGood, name, expected, received) => {
    if (isGood) return;
    throw new ConfigError(
      `${where}: ${name}: expected ${expected}, received ${received}. Change ${name}.`,
    );
  };
}

/** Checks that the special ids are ids. */
export function checkSpecial(special: SpecialIds, vocabSize: number, check: OptionCheck): void {
  for (const name of ["unk", "bos", "eos"] as const) {
    const id = special[name];
    check(isCount(id, 0) && id < vocabSize, `special.${name}`, `an id below ${vocabSize}`, id);
  }
}
