"""Lines in many scripts that exercise tokenizers; written for this purpose, no other source."""

import random
import unicodedata

ENGLISH = r"""
The quick answer is "no", but it depends.
"Stop!" she said; 'Why?' he asked.
It's the Jones' house, isn't it? They'd've said so.
We can't, won't and shouldn't: that's what I'm told.
In the '90s, rock 'n' roll wasn't dead.
'Twas the 1980's best-seller.
He said: 'It's 5 o'clock.'
The dogs' owner and the boss's desk aren't here.
Dr. Smith and Mrs. Jones met Prof. Brown on Jan. 5.
See No. 5, Art. 12 and pp. 3-7. No. He did not.
Is it in Fig. 3? See also Sec. 4.
Mr. J. R. Hartley Jr. wrote it, cf. vol. 2.
The U.S. and the U.K. signed; the E.U. did not.
Use e.g. apples, i.e. fruit, etc. and so on.
It works on Sun. at 5 p.m. sharp.
Acme Corp. vs. Foo Bros. and Co. Ltd.
The price is $5,300.50, or 4.900,25 € incl. tax.
Up 3.5%, down .5%, 1,000,000 in total, 7,x and x,7.
Version 1.2.3-rc.1 replaces v1.2.
Call +1 (555) 010-9999 ext. 12.
At 10:30 a.m., 3/4 of them left; and/or not.
Temperatures of -5°C to +12°C, i.e. 23°F.
A low-cost, state-of-the-art, two-thirds-full tank.
x-y -z w- - -- --- 5-6 a-5 5-a
The self-driving car - a first - stopped -- briefly.
pre-1990 and post-2000, A-Z, 0-9
Visit https://www.example.org/a/b?c=d&e=f#g now.
Mail first.last@example.org or see http://example.org.
Files in C:\Users\name\file.txt and /usr/local/bin/x.
Run `ls -la | grep "x" > out.txt` && echo 'done'.
if (a[i] == b[j] && c < d || !e) { return x*y/z; }
f(x) = x^2 + 3x - 1 ~ 0; y != z
<b>bold</b> & <i class="x">italic</i> &amp; &lt;tag&gt;
[1] See [2], {3} and (4).
Wait... what?.. no.... really? Yes!!! Oh?! Hm..
... starts with dots
ends with an ellipsis…
a..b ...c d... .e f.
.
..
...
!
?!
"
'
''
'x'
"x"
``quoted''
`single'
He said "a 'nested' quote".
("brackets") ['and'] {"more"}
She's the CEO's sister-in-law's friend.
100% sure, #1 in @home, 50/50, R&D, AT&T
@user mentioned #hashtag at user@host
C++, C#, .NET, Node.js, F*ck, a_b_c
1st 2nd 3rd 4th 1990s 90's '90
A. B. C. a. b. c.
The end of line is A.
This is Mr. X.
Part I. Part II. Part IV.
Sentence one.Sentence two.Third
word.' and then
it ended.'
it ended.' 
he "left".
he "left."
he 'left.'
one,two , three ,four,5 ,6,
,leading comma and trailing,
12,345 and 12 ,345 and 12, 345 and a,b 5,b b,5
tabs	and  several   blanks
 leading and trailing blanks 
@-@ literal marker a @-@ b @-@ c
DOTMULTI and DOTDOTMULTI are words
Sincerely yours, J.
Dr. Green met Mr. Hill and Mrs. Lane.
Nos. 1 to 4, No. 5 and no. 6; Art. 7, art. 8; pp. 9-10, p. 11. No. That is all, pp. End
Lt. Col. Baker, Sgt. Jones and Capt. Cook saluted Gen. Gordon and Cdr. Shaw.
Sen. Parker wrote to Gov. Hill, Reps. Young and Old.
St. John's Hosp. on Mill Rd. Corner, Bldg. 9
On Dec. 24 or Sept. 24, not on June. 24
Smith v. Jones vs. Brown et al. 2015, approx. 5 in. Text
"""

GERMAN = r"""
Wählen Sie Datei - Öffnen.
Klicken Sie auf „OK“, um fortzufahren.
Siehe Kapitel 3.2, Abs. 4 und Abb. 5.
Das kostet z.B. 5 Mio. Euro bzw. 4,3 Mrd. Euro.
Dr. Müller, Prof. Weiß u.a. trafen sich am 3. Oktober.
Am 24. Dez. 2020 und am 1. Mai.
Ludwig XIV. und Heinrich VIII. waren Könige.
Dies gilt d.h. auch usw. und so fort etc. pp.
Die Größe beträgt ca. 5,5 cm (ggf. mehr).
Das geht's nicht, 's ist so, hab' ich gesagt.
Straße, straße, STRASSE, STRAẞE
Über Äpfel, Öl und ähnliche Übel.
E-Mail-Adresse: max.mustermann@example.org
Die Nord-Süd-Verbindung, 10-jährig, A4-Format
»Hallo«, sagte sie, ›leise‹.
‚einfach‘ und „doppelt“ und "gerade"
Strg+Umschalt+F5, Alt+Eingabe
Nr. 5, Nrn. 6 und 7, Art. 3 GG, § 5 Abs. 2
vgl. S. 5 ff. und S. 9 f.
Fa. Muster GmbH & Co. KG
Jan. Feb. Apr. Aug. Okt. Dez. Mo. Di. Ende
a) erstens b) zweitens
Der 1. Mai. Der 99. Tag. Der 100. Tag. Der 5.
z. B. Anna, i. d. R. Otto, u. a. Emil, s. S. 5
Er kam um 8.30 Uhr an. Dann ging er.
Hans' Auto und Max' Haus
3,5 % bis 4 % der Fälle
Preise evtl. zzgl. Versand, inkl. 19% Rabatt, ca. 20 Std. Arbeit.
Abb. 3 Tab. 4 Kap. 5 Nr. 6 Art. 7
Wie geht's? Gut! Und dir?!
...und dann… kam er...
O. Foo und o. foo
3 Mio. Euro, 4 Mrd. Euro, 5 Tsd. Euro, Muster Ltd. Berlin, Adams jun. London
"""

OTHERS = r"""
L'été, c'est l'eau d'ici qu'on aime aujourd'hui.
« Bonjour », dit-il ; « ça va ? » Oui !
M. Dupont a 3,50 € et 1 000 F.
Où est-ce ? Là-bas, peut-être…
L'amico dell'uomo è un po' stanco. Perché?
¿Dónde está? ¡Aquí! El niño n.º 5.
A ação não é só coração: pé-de-moleque.
Ik heb 's avonds foto's gemaakt.
Příliš žluťoučký kůň úpěl ďábelské ódy.
Zażółć gęślą jaźń, np. tak.
Čeština, slovenščina, hrvatski: š, ž, č.
Șapte țări, București, în română.
Árvíztűrő tükörfúrógép, kb. 5 db.
Türkçe: İstanbul, ışık, ağaç, gül'ün.
Þetta er íslenska, með ð og æ.
Det är på svenska, å ä ö. USA:s EU:n
Tiếng Việt có dấu: ước, đường, nghĩa.
Привет, мир! Как дела?
Это «цитата», а это „другая“.
Т.е. так, и т.д. и т.п. в 2020 г.
Ёлка, съезд, объём — всё-таки 5-й этаж.
Їжак, ґанок, об'єкт, м'яч: українська.
Здраво, свете; ово је ћирилица.
Γειά σου, Κόσμε! Τι κάνεις;
Η τιμή είναι 5,5 €· δεν είναι λίγο.
ἐν ἀρχῇ ἦν ὁ λόγος
Ο ΣΊΣΥΦΟΣ και ο Σίσυφος
مرحبا بالعالم! كيف حالك؟
هذا نص عربي، مع فاصلة؛ وأرقام ١٢٣٫٤٥.
السَّلامُ عَلَيْكُمْ
این متن فارسی است: ۱۲۳۴، می‌خواهم.
یہ اردو ہے۔
שלום עולם! מה שלומך?
צה"ל, ארה"ב, ג'ירפה, תל־אביב
בְּרֵאשִׁית בָּרָא
नमस्ते दुनिया! आप कैसे हैं?
यह हिन्दी है। क्या? हाँ, १२३।
विद्या, क्षेत्र, ज़रूर, पढ़ाई
বাংলা ভাষা, ১২৩।
தமிழ் மொழி, எண் 5.
తెలుగు భాష, కన్నಡ
ਪੰਜਾਬੀ ਅਤੇ ગુજરાતી
മലയാളം, සිංහල
你好，世界！今天是2020年5月1日。
他说：“可以。”《书名》、【括号】……
我有3.5个苹果,和4个orange。
繁體中文：臺灣「引號」與『雙引號』。
𠀀𠀁 是扩展B区汉字
こんにちは、世界！元気ですか？
「日本語」と『二重』、ｶﾀｶﾅとカタカナー。
東京タワーは333mです。ＡＢＣ１２３
안녕하세요, 세계! 잘 지내세요?
한국어는 "띄어쓰기"가 있습니다. 5-6월
ㄱㄴㄷ 가나다 ᄒᆞᆫ글
สวัสดีชาวโลก ราคา ๑๒๓ บาท
ภาษาไทยไม่มีช่องว่าง เช่น นี้
ສະບາຍດີ ຂໍ້າ
မင်္ဂလာပါ ကမ္ဘာ
សួស្តី​ពិភពលោក។
བཀྲ་ཤིས་བདེ་ལེགས།
Բարև, աշխարհ։ Ինչպե՞ս ես։
გამარჯობა, მსოფლიო!
ሰላም ዓለም። እንዴት ነህ፧
ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ꮳꮃꭹ
ᐃᓄᒃᑎᑐᑦ
Mixed: English и русский и 中文 und Deutsch.
Smile 😀😃, family 👩‍👩‍👧, flag 🇩🇪, thumbs 👍🏽!
I ❤️ NY ☕ ✓ ✗ → ⇒ ≤ ≥ ≠ ∞ ∑ √2 π≈3.14
♠♣♥♦ ★☆ ①②③ Ⅳ ⅷ ½ ¼ ² ³ ⁵ ₂
© 2020 ™ ® ° § ¶ † ‡ • ◌ №5
£5 ¥100 €1 ₹50 ₽10 ₿1 ¢5 ₩900 元5 5€ 5$ ($5) [€6]
𝒜𝓃𝒸𝒾𝑒𝓃𝓉 𝟙𝟚𝟛 𝐁𝐨𝐥𝐝
ﬁne ﬂow ﬃ Ǆ ǆ ǅ ĳ
naïve café résumé coöperate façade
´acute` ‘x’ ‚y‘ “z” „w” ‹v› «u» ‐ ‑ ‒ – — ― − ⁃
a‐b a‑b a–b a—b a−b a·b a‧b
"""

ESCAPED = r"""
cafe\u0301 nai\u0308ve n\u0303 e\u0301\u0302\u0303
A\u030angstro\u0308m vs. \u00c5ngstr\u00f6m
no\u00a0break 5\u00a0% \u00ab\u00a0oui\u00a0\u00bb 1\u00a0000
thin\u2009space\u2003em\u2002en\u202fnarrow\u205fmath\u3000ideographic
zero\u200bwidth\u200cjoin\u200der \ufeffbom\ufeff
left\u200eto\u200fright \u202abidi\u202c \u2066isolate\u2069
line\u2028separator\u2029paragraph
next\u0085line vertical\u000btab form\u000cfeed
bell\u0007 escape\u001b[31mred\u001b[0m null\u0000byte
unit\u001fseparator group\u001dseparator file\u001cseparator
delete\u007f c1\u0080control\u009f
\u00adsoft\u00adhyphen\u00ad
\t\ttabs\tonly\t
\u0020\u0020
\u00a0\u3000
combining alone: \u0301 \u20dd \ufe0f
private use: \ue000 \uf8ff
final period.\u00a0
quote at end"\u2009
tag \U000e0041\U000e0042 and \U0001F1E9
virama \u0915\u094d\u0930 nukta \u0915\u093c \U00011103\U00011133\U00011122
\u135f \u25cc \u0f0b \u05f3 \u05be \u055a \u02bc \u2019s
\u0130 \u0131 \u017f \u1e9e \u03c2 \u03a3
"""

# Words that may keep a full stop, compiled by category from general knowledge of English and
# German, and ordinary words. More than the tokenizer keeps, so that lists are seen to end too.
ABBREVIATIONS = """
Mr Mrs Ms Mx Messrs Mme Mmes Mlle Dr Drs Prof Profs Rev Revd Fr Msgr Hon Rt St Sts Sr Jr Esq
Pres Gov Govs Sen Sens Rep Reps Amb Atty Insp Supt Det Sec Asst Assoc Adj Dir Treas Surg Cllr
Gen Brig Maj Col Capt Lt Sgt Cpl Pvt Pfc Adm Cmdr Comdr Cdr Ens Sfc Cmdt
Bros Co Corp Inc Ltd Assn Dept Univ Inst Bldg Hosp Ave Blvd Rd Mt Ft
vs viz etc cf ie eg al approx ibid incl excl esp est Ph op cit resp max
Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri Sat Sun
No Nos Nr Art Arts pp Fig Figs Eq Eqs Vol Vols vol Ch Chap Sect Par Para Pt Tab Ref App ver ed ca
Lieut Commr Gens Cols Majs Lts Revs Hons Sgts Plc Pty PhD MSc MA BA Jct Sq Pl Ln Hwy Ste Apt tel
ext fig figs eq eqs sec sect ch para no nos art dept misc temp avg orig trans ff Mgr Mss ms
Hr Hrn Frl Dipl Ing Mag Lic Doz habil med phil jur rer nat theol Hl hl
Abg Präs Vors Bgm Stv stv Hptm Oblt Kapt Uffz Feldw
Gebr Cie Ges
bzw usw usf vgl evtl ggf inkl exkl zzgl abzgl bspw sog gem lt einschl insb bes entspr ehem allg
bez betr ebd ders geb gest zit Anm Abk Bsp Hrsg Verf Red Übers min mind lfd Chr
Nrn Abs Abschn Abb Bd Bde Kap Aufl Jg Jh Jhd Ziff Rn Pos Tel Str Ausg Lit Seite
Mio Mrd Tsd Std Sek Min Stk Pkt Pf
Jän Febr Mrz Mär Okt Dez Mo Di Mi Do Sa So
Vgl Ca Evtl Ggf Sog Bzw Etc Inkl zB dh idR iVm ua uä oä Fa Nachf Inh Mill Bill Mia Gr kl Kl gr od
jun sen Anh Anl Az Adr Bem Beil Bl Ders Einf Erg Forts Hs Kt Reg Slg Sp Taf Verz Zs Hbf Bhf tgl
jährl urspr eigtl einschließl verh gegr Ltn Obstlt Brosch hrsg überarb verb dt engl frz lat Pfd
Ztr Dtzd km qm Rdnr Lfg zus zw wg
the and house water is end work street red war sun may march man cat file line table error open
window der die das und ist Haus Wasser Ende gut Mai März Juni Juli rot Mann Datei Zeile Tabelle
Fehler Fenster Berlin London Smith Müller NATO GmbH AG KG USA EU ok OK an in am to on mm cm kg hr
ft oz lb lbs MR MRS MS DR PROF mr mrs dr prof ST NO nr NR ART PP Pp FIG JAN jan ETC Usw USW CA
""".split()


def abbreviations():
    letters = [chr(point) for point in range(ord("A"), ord("Z") + 1)]
    numerals = "I II III IV V VI VII VIII IX X".split()
    numerals += ["X" + numeral for numeral in numerals] + ["XXI", "XXX", "L", "C", "M"]
    words = ABBREVIATIONS + letters + numerals + ["Ä", "ß", "0", "00", "007", "1a"]
    words += [str(number) for number in range(1, 103)]
    return list(dict.fromkeys(words + [word.lower() for word in letters + numerals]))


PIECES = (
    list(" ,.;:!?'\"`-–—…()[]{}<>&|@#$%€£*_=+~/\\«»„“”‘’‚¿¡´") * 2
    + list(" " * 40)
    + "... .. 's n't -- `` '' &quot; &amp;lt; &#91; <skipped> a b Z x foo Bar Wort 1 23 4,5".split()
    + "6.7 U.S z.B d' l' 's Mr. Nr. No. bzw. ca. Jan. 12. xiv. A. ß Ä é 漢 字 か 한 ไ م ש Ж Ω".split()
    + ["\u00a0", "\u2009", "\u3000", "\t", "्", "\u0308", "½", "Ⅷ", "٣", "😀", "。", "，", "@-@"]
)


def random_lines(count):
    generator = random.Random(20)
    assigned = [
        chr(point)
        for point in range(0x20, 0x30000)
        if unicodedata.category(chr(point)) not in ("Cn", "Cs", "Co")
    ]
    lines = []
    for _ in range(count):
        parts = []
        for _ in range(generator.randint(4, 18)):
            rare = generator.random() < 0.06
            parts.append(generator.choice(assigned if rare else PIECES))
            if generator.random() < 0.2:
                parts.append(" ")
        lines.append("".join(parts))
    return lines


def split(block):
    return block.strip("\n").split("\n")


def all_lines(data_lines):
    escaped = [line.encode("ascii").decode("unicode_escape") for line in split(ESCAPED)]
    return (
        [""] + split(ENGLISH) + split(GERMAN) + split(OTHERS) + escaped + data_lines
        + random_lines(80)
    )
