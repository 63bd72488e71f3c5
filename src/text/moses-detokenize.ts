/**
 * The detokenizer of the Moses toolkit: joins tokens to running text, as sacremoses 0.2.0 does
 * (without its special rules for Czech and Finnish).
 */
import { classSource } from "./unicode-classes.ts";
import { splitWhitespace, stripWhitespace } from "./whitespace.ts";

const ALPHA = classSource("alphabetic");

const OPENING = new RegExp(`^[${classSource("currency")}(\\[{¿¡]+$`, "u");
const CLOSING = /^[,.?!:;\\%}\])]+$/;
const FRENCH_SPACED = /^[?!:;\\%]$/;
const ENGLISH_CONTRACTION = new RegExp(`^'[${ALPHA}]`, "u");
const ELISION = new RegExp(`[${ALPHA}]'$`, "u");
const STARTS_ALPHABETIC = new RegExp(`^[${ALPHA}]`, "u");
const QUOTES = /^['"„“`]+$/;
const TYPOGRAPHIC_QUOTES = /^[„“”]+$/;

const ENTITY = /&(?:bar|#124|lt|gt|bra|ket|quot|apos|#91|#93|amp);/g;
const CHARACTERS: Readonly<Record<string, string>> = {
  "&bar;": "|",
  "&#124;": "|",
  "&lt;": "<",
  "&gt;": ">",
  "&bra;": "[",
  "&ket;": "]",
  "&quot;": '"',
  "&apos;": "'",
  "&#91;": "[",
  "&#93;": "]",
  "&amp;": "&",
};

/** Scripts whose words are written without blanks, by first and last code point. */
const UNSPACED_SCRIPTS: readonly (readonly [number, number])[] = [
  [0x1100, 0x11ff], // Hangul letters
  [0x2e80, 0xa4cf], // radicals to Yi
  [0xa840, 0xa87f], // Phags-pa
  [0xac00, 0xd7af], // Hangul syllables
  [0xf900, 0xfaff], // compatibility ideographs
  [0xfe30, 0xfe4f], // compatibility forms
  [0xff65, 0xffdc], // half-width Katakana and Hangul
  [0x17000, 0x18aff], // Tangut
  [0x1b000, 0x1b12f], // Kana supplement
  [0x1b170, 0x1b2ff], // Nushu
  [0x20000, 0x2ffff], // supplementary ideographs
];

/** Where a token goes: its blank before it, and whether the next token follows without one. */
interface Placement {
  readonly before: string;
  readonly joinsNext: boolean;
}

const ATTACHED: Placement = { before: "", joinsNext: false };

/** Joins tokens of one language to running text. */
export class MosesDetokenizer {
  readonly language: string;

  /** @param language a two-letter code such as `de`; it selects the rules for apostrophes */
  constructor(language: string) {
    this.language = language;
  }

  /**
   * The running text of a line of tokens. Entities are unescaped, and a hyphen marked as `@-@`
   * joins its neighbours.
   */
  detokenize(line: string): string {
    const joined = ` ${splitWhitespace(line).join(" ")} `.replaceAll(" @-@ ", "-");
    const tokens = splitWhitespace(joined.replace(ENTITY, (entity) => CHARACTERS[entity]!));
    const quotes = new Map<string, number>();
    let text = "";
    let blank = " ";
    for (let i = 0; i < tokens.length; i++) {
      const { before, joinsNext } = this.#place(tokens, i, blank, quotes);
      text += before + tokens[i]!;
      blank = joinsNext ? "" : " ";
    }
    return stripWhitespace(text.replace(/ {2,}/g, " "));
  }

  #place(
    tokens: readonly string[],
    index: number,
    blank: string,
    quotes: Map<string, number>,
  ): Placement {
    const token = tokens[index]!;
    const previous = tokens[index - 1];
    if (this.language !== "ko" && isUnspaced(token.codePointAt(0)!)) {
      const attached = previous !== undefined && isUnspaced(lastPoint(previous));
      return { before: attached ? "" : blank, joinsNext: false };
    }
    if (OPENING.test(token)) return { before: blank, joinsNext: true };
    if (CLOSING.test(token)) {
      const spaced = this.language === "fr" && FRENCH_SPACED.test(token);
      return spaced ? { before: " ", joinsNext: false } : ATTACHED;
    }
    if (this.language === "en" && previous !== undefined && ENGLISH_CONTRACTION.test(token)) {
      return ATTACHED;
    }
    if (this.#isElision(token, tokens[index + 1])) return { before: blank, joinsNext: true };
    if (QUOTES.test(token)) return this.#placeQuote(token, previous, blank, quotes);
    return { before: blank, joinsNext: false };
  }

  /** Quotation marks open and close in turn, each kind counted by itself. */
  #placeQuote(
    token: string,
    previous: string | undefined,
    blank: string,
    quotes: Map<string, number>,
  ): Placement {
    const kind = TYPOGRAPHIC_QUOTES.test(token) ? '"' : token;
    const count = quotes.get(kind) ?? 0;
    const possessive = this.language === "en" && token === "'" && previous?.endsWith("s");
    if (count % 2 === 0 && possessive === true) return ATTACHED;
    quotes.set(kind, count + 1);
    return count % 2 === 0 ? { before: blank, joinsNext: true } : ATTACHED;
  }

  #isElision(token: string, next: string | undefined): boolean {
    if (this.language !== "fr" && this.language !== "it" && this.language !== "ga") return false;
    return next !== undefined && ELISION.test(token) && STARTS_ALPHABETIC.test(next);
  }
}

function isUnspaced(point: number): boolean {
  return UNSPACED_SCRIPTS.some(([first, last]) => first <= point && point <= last);
}

function lastPoint(text: string): number {
  const low = text.length > 1 ? text.codePointAt(text.length - 2)! : 0;
  return low > 0xffff ? low : text.codePointAt(text.length - 1)!;
}
