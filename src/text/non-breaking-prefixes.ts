/**
 * Abbreviations whose full stop belongs to the word: "which full stops are not split off?"
 *
 * Provenance: the candidates were written by category from general knowledge of English and German,
 * not taken from the word lists of another tokenizer. Each candidate was then put to sacremoses
 * 0.2.0, once before a capitalized word and once before a number, and its answer decides whether
 * the word stands here. The candidates, ordinary words among them, are in
 * `scripts/oracles/text_lines.py`. An abbreviation that was no candidate may differ.
 */

/** The abbreviations of one language, without their full stops. */
export interface NonBreakingPrefixes {
  /** Words that always keep a following full stop. */
  readonly always: ReadonlySet<string>;
  /** Words that keep it only before a number, as in `No. 5`. */
  readonly beforeNumber: ReadonlySet<string>;
}

/** Initials: `J. S. Bach`. */
const CAPITALS = words("A B C D E F G H I J K L M N O P Q R S T U V W X Y Z");

/** Titles and names of firms stay as they are in German text, so German has these too. */
const SHARED = words(`
  Mr Mrs Ms MR MRS MS Messrs Mme Mlle Dr DR Prof Rev Msgr Hon Rt St Sr
  Gov Sen Sens Rep Reps Insp Supt Asst Adj Surg
  Gen Brig Maj Col Capt Lt Sgt Cpl Pvt Pfc Adm Cmdr Comdr Ens Sfc
  Bros Corp Bldg Hosp Ph Nos Nr v vs
`);

const ENGLISH: NonBreakingPrefixes = {
  always: new Set([
    ...CAPITALS,
    ...SHARED,
    ...words("Drs Hr Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec"),
  ]),
  beforeNumber: new Set(["No", "Art", "pp"]),
};

const GERMAN: NonBreakingPrefixes = {
  always: new Set([
    ...CAPITALS,
    // Parts of abbreviations that are written with blanks: `z. B.`, `i. d. R.`
    ...CAPITALS.map((letter) => letter.toLowerCase()),
    ...SHARED,
    ...words(`
      bzw ca Ca etc evtl ff ggf sog usf usw vgl
      Art No Nr pp Chr jun sen
      Co Ltd Mio Mrd Std
    `),
    ...ordinals(),
  ]),
  beforeNumber: new Set(),
};

const BY_LANGUAGE: ReadonlyMap<string, NonBreakingPrefixes> = new Map([
  ["en", ENGLISH],
  ["de", GERMAN],
]);

/**
 * The abbreviations of a language; those of English if the language has no list.
 *
 * @param language a two-letter code such as `de`
 */
export function nonBreakingPrefixes(language: string): NonBreakingPrefixes {
  return BY_LANGUAGE.get(language) ?? ENGLISH;
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** A German ordinal is a number with a full stop: `3. Oktober`, `Ludwig XIV. von Frankreich`. */
function ordinals(): string[] {
  const digits = Array.from({ length: 99 }, (_, index) => String(index + 1));
  const ones = words("I II III IV V VI VII VIII IX X");
  const roman = [...ones, ...ones.map((numeral) => `X${numeral}`)];
  return [...digits, ...roman, ...roman.map((numeral) => numeral.toLowerCase())];
}
