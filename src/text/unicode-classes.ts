/**
 * The character classes of Moses' tokenizer as fixed tables, so that tokens do not depend on the
 * Unicode version of the JavaScript engine.
 *
 * Source: the Unicode character properties Alphabetic, Nd, N and Sc of Unicode 7.0 (basic plane) and
 * Lowercase of a later version, as Perl saw them and sacremoses 0.2.0 has them; Han and Hangul
 * syllables are not among the alphabetic ones, U+135F and U+25CC are. The joining signs are the
 * viramas and nuktas of the Indic scripts. Made with scripts/oracles/unicode_classes.py.
 */

/** Code point ranges, `gap` or `gap.length` in base 36, gap counted from the end of the one before. */
const RANGES = {
  alphabetic:
    "1t.q 6.q 1b a 4 5.n 1.v 1.cq 4.c e.5 7 1 2e 16.5 1.2 2.4 1 6 1.3 1 1.k 1.2b 1.3v 8.4m " +
    "1.12 2 7.13 14.e 1 1.2 1.2 1 8.r 5.3 t.b 5.1k 1.7 e.2u 1.8 4.8 4.3 a.3 2 g.1c d.2t o.x " +
    "9.2 4 5.o 2.j j.p 1z.j 1d.6 6.24 1.g 1.3 4.f d.j 1.8 2.2 2.m 1.7 1 3.4 3.8 2.2 2.2 1 8 " +
    "4.2 1.5 c.2 f.3 1.6 4.2 2.m 1.7 1.2 1.2 1.2 4.5 4.2 2.2 4 7.4 1 h.6 b.3 1.9 1.3 1.m " +
    "1.7 1.2 1.5 3.9 1.3 1.2 3 f.4 t.3 1.8 2.2 2.m 1.7 1.2 1.5 3.8 2.2 2.2 9.2 4.2 1.5 d " +
    "g.2 1.6 3.3 1.4 3.2 1 1.2 3.2 3.3 3.c 4.5 3.3 1.3 3 6 14.4 1.8 1.3 1.n 1.g 3.8 1.3 1.3 " +
    "8.2 1.2 6.4 t.3 1.8 1.3 1.n 1.a 1.5 3.8 1.3 1.3 8.2 7 1.4 d.2 e.3 1.8 1.3 1.15 2.8 1.3 " +
    "1.3 1 8 8.4 m.6 2.2 1.i 3.o 1.9 1 2.7 8.6 1 1.8 i.2 d.1m 5.7 6 1f.2 1 2.2 1 2 6.4 1.7 " +
    "1.3 1 1 2.2 1.d 1.3 2.5 1 6 e.4 w 1r.8 1.10 4.h 6.g 1.10 1v.1j 1 2.5 g.j 2.4 5.p 7 d.2 " +
    "2.12 1 5 2.17 1.99 1.4 2.7 1 1.4 2.15 1.4 2.x 1.4 2.7 1 1.4 2.f 1.1l 1.4 2.1v 4 w.g " +
    "g.2d c.h8 2.h 1.q 5.23 3.b 7.d 1.6 c.k c.k c.d 1.3 1.2 c.1g 2.j e 4 1v.2g 8.17 5.1y " +
    "a.v 1.c 4.9 n.u 2.5 b.18 4.q 1i.s 4.1r 2.k 1e 2g.1g 1.f 1.7 1g.16 2.4 a.18 1.b e.1i " +
    "n.3 a.10 2z.4 1.6 1.2 9.5c 13.e b.7q 2.6 2.12 2.6 2.8 1 1 1 1.v 2.1h 1.7 1 3.3 1.7 3.4 " +
    "2.6 4.d 5.3 1.7 38 d g.d 2t 4 2.a 1 3.5 6 1 1 1.4 1.b 2.4 5.5 4 h.15 ml.1g 6a 183.1b " +
    "1.1b 1.3p 6.4 3.2 c.12 1 5 2.1k 7 g.n 9.7 1.7 1.7 1.7 1.7 1.7 1.7 1.7 1.w 1b d2 16.5 6 " +
    "4.2e 6.3 1.2i 1.4 5.15 3.2m h.r 1h.g lq8.wd 1v.1a 2.7h 3.g a.2 k.1b 5.8 3.v 1.29 13.9 " +
    "2.2v 2.4 1.u 2.2 1x.b 1.3 1.4 1.s o.1g c.1w 1a.6 3 e.x 5.z d.t 3.1f 1.c f g.5 1.a a.5 " +
    "1.1j 9.e i.n 3 3.1t 1 1 o.3 2.g 2.4 b.6 2.6 2.6 9.7 1.7 1.17 1.4 4.2 2i.17 8n9.n 4.1d " +
    "6x0.7 c.5 5.c 1.d 1.5 1 1.2 1.2 1.30 x.a3 i.1s 2.1i 14.c 38.5 1.3r 10.q 6.q b.2h 3.6 " +
    "2.6 2.6 2.3",
  decimal:
    "1c.a 17q.a 3q.a 5i.a bg.a 3a.a 3a.a 3a.a 3a.a 3a.a 3a.a 3a.a 3a.a 3a.a 2o.a 3a.a 1y.a " +
    "7q.a 1y.a 1fq.a 12.a 8c.a 3k.a 4m.a 6.a 52.a 2e.a 3q.a 6.a r7q.a iu.a 12.a 5i.a m.a " +
    "2e.a ba.a geu.a",
  joining:
    "1to g 32 g 32 g 32 g 1b.3 1o g 3j 3j 32 g 31.2 g 3g 6n am 1cq wm 3v rrg 1a.2 2m bm itk " +
    "16u 36.2 3c 1r 24 9 2y.2 4y.2 29 g 6s 3 3f.2 6z.2 3i 3a.2 ap.2 bp 2b ei 76 2 29 148i",
  number:
    "1c.a 3c.2 5 2.3 141.a 3q.a 5i.a bg.a 3a.a 4.6 30.a 3a.a 3a.a 2.6 32.d 37.a 8.7 2v.a " +
    "3a.g 34.a 2o.a 3a.a 1y.k 7g.a 1y.a jz.k oh.3 6n.a 6.a m.a 8c.a 3k.b 4l.a 6.a 52.a 2e.a " +
    "3q.a 6.a t2 3.6 6.a 5i.1f 2.5 k6.1o 26.m hi.u 12h wk.4 3u.a u.8 1.f w.a 13.f msg.a " +
    "58.a 8w.6 4a.a 12.a 5i.a m.a 2e.a ba.a geu.a",
  currency: "10 3h.4 yx 3f rq.2 7 6t 7b g5 1wb 1qc.u qre gxv 30 4a 63.2 3.2",
  lower:
    "2p.q 1b a 4 10.o 1.8 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1.2 1 1 1 1 " +
    "1 1 1 1.2 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 2 1 1.3 2 1 2 3.2 4 2 3.3 2 2 " +
    "1 1 2 1.2 1 2 3 1 2.2 2.3 6 2 2 1 1 1 1 1 1 1 1.2 1 1 1 1 1 1 1 1 1.2 2 1 3 1 1 1 1 1 " +
    "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1.7 2 2.2 1 4 1 1 1 1.1x 1.10 7.2 u.5 2o " +
    "17 1 3 2.4 i r.z 1.2 3.3 1 1 1 1 1 1 1 1 1 1 1 1.5 1 2 2.2 1f.1c 1 1 1 1 1 1 1 1 1 1 1 " +
    "1 1 1 1 1 1 9 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 2 1 1 1 1 1 1.2 1 1 " +
    "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 " +
    "1 1 1 1d.13 2uo.6 1oi.9 3b.5c 1t 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 " +
    "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 " +
    "1 1 1 1.9 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 " +
    "1 1 1 1 1 1 1 1 1 1 1.9 8.6 a.8 8.8 8.6 a.8 8.8 8.e 2.8 8.8 8.8 8.5 1.2 6 3.3 1.2 8.4 " +
    "2.2 8.8 a.3 1.2 3d d g.d 31 3.2 3 r 4 4 2.2 8.4 4 x.g 4 nf.q 6a 19f.1b 2 3.2 1 1 1 4 " +
    "1.2 1.8 3 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 " +
    "1 1 1 1 1 1 1 1 1 1 1.2 7 1 4 c.12 1 5 nwz 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 " +
    "j 1 1 1 1 1 1 1 1 1 1 1 1 1.3 3p 1 1 1 1 1 1.3 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 " +
    "1 1 1 1 1 1 1 1 1 1 1.a 1 1 2 1 1 1 1 4 1 2 1.3 1 1 1 1 1 1 1 1 1 1 b 1 1s.3 mt.17 1.a " +
    "a.28 fnk.7 c.5 tl.q y5.14 3s.10 1j8.1f 2bx.w 10ze.q q.7 1.i q.q q.4 1 1.7 1.b q.q q.q " +
    "q.q q.q q.q q.q q.q q.q q.s s.p 1.6 q.p 1.6 q.p 1.6 q.p 1.6 q.p 1.6 1 3fa.y",
} as const;

/** Name of one class: letters, decimal digits, Indic joining signs, numbers, currency, lower case. */
export type CharacterClass = keyof typeof RANGES;

/**
 * Inside of a regular expression's brackets (flag `u`) that matches the characters of the classes.
 *
 * @param classes the classes to unite
 */
export function classSource(...classes: CharacterClass[]): string {
  let source = "";
  for (const name of classes) {
    let end = 0;
    for (const pair of RANGES[name].split(" ")) {
      const [gap, length] = pair.split(".");
      const first = end + parseInt(gap!, 36);
      end = first + (length === undefined ? 1 : parseInt(length, 36));
      source += escapePoint(first);
      if (end - first > 1) source += "-" + escapePoint(end - 1);
    }
  }
  return source;
}

function escapePoint(point: number): string {
  return `\\u{${point.toString(16)}}`;
}
