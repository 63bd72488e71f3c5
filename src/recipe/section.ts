/**
 * A section of a recipe: one concern, with the classes that may serve it and the parameters of each.
 * NeurST calls this a module: `X.class` names the class, `X.params` holds the parameters.
 */
import type { z } from "zod";

/** One choice of a section. */
export interface SectionClass {
  readonly summary: string;
  /** Other spellings of the class name; letter case, `-` and `_` are ignored as well. */
  readonly aliases?: readonly string[];
  readonly params: z.ZodObject;
}

/** A concern of a recipe. */
export interface Section {
  readonly summary: string;
  readonly classes: Readonly<Record<string, SectionClass>>;
  /** The class where none is named. */
  readonly defaultClass: string;
  /** True: the section is null where no source says anything about it. */
  readonly optional?: boolean;
}

/** Complete values of a section: `class` and the parameters of that class. */
export type SectionValue<S extends Section> =
  | { [C in keyof S["classes"]]: ClassValue<C, S["classes"][C]> }[keyof S["classes"]]
  | (S["optional"] extends true ? null : never);

type ClassValue<C, T> = T extends SectionClass
  ? { readonly class: C } & Readonly<z.output<T["params"]>>
  : never;

/** Keeps the literal types of a section's classes. */
export function defineSection<const S extends Section>(section: S): S {
  return section;
}

/** The class that a spelling names, or undefined. */
export function classNamed(section: Section, spelling: string): string | undefined {
  const wanted = comparable(spelling);
  return Object.entries(section.classes).find(([name, { aliases = [] }]) =>
    [name, ...aliases].some((known) => comparable(known) === wanted),
  )?.[0];
}

/** The schema of one parameter in a class of the section, or in any class if none is given. */
export function paramSchema(
  section: Section,
  key: string,
  className?: string,
): z.ZodType | undefined {
  const classes =
    className === undefined ? Object.values(section.classes) : [section.classes[className]];
  for (const sectionClass of classes) {
    const shape = sectionClass?.params.shape;
    if (shape !== undefined && Object.hasOwn(shape, key)) return shape[key] as z.ZodType;
  }
  return undefined;
}

/** Names of all parameters of all classes, without repeats. */
export function paramNames(section: Section): string[] {
  return [...new Set(Object.values(section.classes).flatMap((c) => Object.keys(c.params.shape)))];
}

function comparable(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, "");
}
