/** Moses' normalisation of punctuation, with the substitutions of sacremoses 0.2.0 in its order. */
import { stripWhitespace, WHITESPACE } from "./whitespace.ts";

type Substitution = readonly [pattern: RegExp, replacement: string];

/** Brackets and blanks around punctuation. */
const SPACING: readonly Substitution[] = [
  [/\r/g, ""],
  [/\(/g, " ("],
  [/\)/g, ") "],
  [/ +/g, " "],
  [/\) ([.!:?;,])/g, ")$1"],
  [/\( /g, "("],
  [/ \)/g, ")"],
  [/(\p{Nd}) %/gu, "$1%"],
  [/ ([:;])/g, "$1"],
];

/** Quotes and dashes to ASCII. */
const TYPOGRAPHY: readonly Substitution[] = [
  [/`/g, "'"],
  [/''/g, ' " '],
  [/[„“”]/g, '"'],
  [/–/g, "-"],
  [/—/g, " - "],
  [/ +/g, " "],
  [/´/g, "'"],
  [/[‘‚’]/g, "'"],
  [/''/g, '"'],
  [/…/g, "..."],
  [/\u00a0«\u00a0|«\u00a0?/g, '"'],
  [/\u00a0»\u00a0|\u00a0?»/g, '"'],
];

/** Spaces that do not break. */
const NO_BREAK_SPACES: readonly Substitution[] = [
  [/\u00a0%/g, "%"],
  [/nº\u00a0/g, "nº "],
  [/\u00a0:/g, ":"],
  [/\u00a0(ºC|cm)/g, " $1"],
  [/\u00a0([?!;])/g, "$1"],
  [/,\u00a0/g, ", "],
  [/ +/g, " "],
];

/** English: a comma or full stop goes inside of the quotes. */
const ENGLISH_QUOTES: readonly Substitution[] = [[/"([,.]+)/g, '$1"']];

/** German, Spanish, French: it goes outside, but for a full stop at the end of the line. */
const CONTINENTAL_QUOTES: readonly Substitution[] = [
  [/,"/g, '",'],
  [new RegExp(`(\\.+)"([${WHITESPACE}]*[^<])`, "gu"), '"$1$2'],
];

/** Normalises the punctuation of one language. */
export class MosesPunctuationNormalizer {
  readonly #substitutions: readonly Substitution[];

  /** @param language a two-letter code; it selects the order of quotes and the decimal mark */
  constructor(language: string) {
    const decimalMark = ["de", "es", "cz", "cs", "fr"].includes(language) ? "," : ".";
    this.#substitutions = [
      ...SPACING,
      ...TYPOGRAPHY,
      ...NO_BREAK_SPACES,
      ...quoteRules(language),
      [/(\p{Nd})\u00a0(\p{Nd})/gu, `$1${decimalMark}$2`],
    ];
  }

  /** The line with plain quotes, dashes and spaces, without whitespace at its ends. */
  normalize(line: string): string {
    let text = line;
    for (const [pattern, replacement] of this.#substitutions) {
      text = text.replace(pattern, replacement);
    }
    return stripWhitespace(text);
  }
}

function quoteRules(language: string): readonly Substitution[] {
  if (language === "en") return ENGLISH_QUOTES;
  return ["de", "es", "fr"].includes(language) ? CONTINENTAL_QUOTES : [];
}
