/**
 * Words after which a full stop belongs to the word: it marks an abbreviation, an initial or an
 * ordinal, not the end of a sentence.
 *
 * Provenance: arranged by group for this package, with the lists of sacremoses 0.2.0 (which come
 * from Moses) consulted, so that exactly the same English and German words keep their full stop; a
 * test compares them. Abbreviations with a full stop inside (`e.g.`, `z.B.`) have no entry, because
 * the tokenizer keeps the last one by rule.
 */

/** The prefixes of one language. */
export interface NonBreakingPrefixes {
  /** Words that always keep a following full stop. */
  readonly always: ReadonlySet<string>;
  /** Words that keep it only before a number, as in `No. 5`. */
  readonly beforeNumber: ReadonlySet<string>;
}

const CAPITALS = Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ");

/** Titles and forms of address; German texts use many of the English ones. */
const TITLES = words(`
  Dr DR Mr MR Mrs MRS Ms MS MM Mme Mlle Messrs Msgr Prof Ph Hon Rev Bart Sr St Supt Surg Asst
  Gen Col Maj Capt Cmdr Comdr Lt Sgt Sfc Cpl Pfc Pvt Adm Brig Ens Insp
  Gov Sen Sens Rep Reps Res Op Ord Rt`);

/** Companies, buildings, parts of speech. */
const NOUNS = words("Adj Adv Bldg Bros Con Corp Hosp");

const MONTHS = words("Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec");

const ENGLISH: NonBreakingPrefixes = {
  always: new Set([
    ...CAPITALS,
    ...TITLES,
    ...NOUNS,
    ...MONTHS,
    ...words("Drs Hr v vs rev Rs Nos Nr"),
  ]),
  beforeNumber: new Set(words("No Art pp")),
};

const GERMAN: NonBreakingPrefixes = {
  always: new Set([
    ...CAPITALS,
    ...CAPITALS.map((letter) => letter.toLowerCase()),
    ...TITLES,
    ...NOUNS,
    ...romanNumerals(20),
    ...romanNumerals(20).map((numeral) => numeral.toLowerCase()),
    ...Array.from({ length: 99 }, (_, index) => String(index + 1)),
    // Amounts, time, companies.
    ...words("Mio Mrd MwSt Dkr Std Zt Chr Co Ltd SA BSE"),
    // Running text.
    ...words("bzw bzgl ca Ca etc evtl ff ggf jun sen sog sogen spp usf usw v vgl vs zzt dgl dergl"),
    // References and spelling.
    ...words("Art Buchst No Nos Nr pp"),
  ]),
  beforeNumber: new Set(),
};

const BY_LANGUAGE: ReadonlyMap<string, NonBreakingPrefixes> = new Map([
  ["en", ENGLISH],
  ["de", GERMAN],
]);

/**
 * The prefixes of a language; a language without a list of its own gets the English one.
 *
 * @param language a two-letter code such as `de`
 */
export function nonBreakingPrefixes(language: string): NonBreakingPrefixes {
  return BY_LANGUAGE.get(language) ?? ENGLISH;
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** The Roman numerals from 1 to `last` (below 40). */
function romanNumerals(last: number): string[] {
  const ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"];
  return Array.from({ length: last }, (_, index) => {
    const value = index + 1;
    return "X".repeat(Math.floor(value / 10)) + ones[value % 10]!;
  });
}
