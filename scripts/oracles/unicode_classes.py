"""Prints the code point ranges behind the Perl character classes that sacremoses 0.2.0 ships.

Usage: python scripts/oracles/unicode_classes.py
The output is the body of RANGES in src/text/unicode-classes.ts: for each class, ranges as pairs
`gap.length` in base 36, gap counted from the end of the range before.
"""

from sacremoses.corpus import Perluniprops
from sacremoses.indic import NUKTAS, VIRAMAS


def ranges(characters):
    found = []
    for point in sorted({ord(c) for c in characters} - {0x0A}):
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return found


def base36(number):
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
        if number == 0:
            return digits


def encode(characters):
    pairs, end = [], 0
    for first, last in ranges(characters):
        gap, length = base36(first - end), base36(last - first + 1)
        pairs.append(gap if length == "1" else f"{gap}.{length}")
        end = last + 1
    return " ".join(pairs)


def main():
    properties = Perluniprops()
    alphabetic = set("".join(properties.chars("IsAlpha")))
    classes = {
        "alphabetic": alphabetic,
        "decimal": set("".join(properties.chars("IsAlnum"))) - alphabetic,
        "joining": set("".join(VIRAMAS) + "".join(NUKTAS)),
        "number": set("".join(properties.chars("IsN"))),
        "currency": set("".join(properties.chars("IsSc"))),
        "lower": set("".join(properties.chars("IsLower"))),
    }
    for name, characters in classes.items():
        words, line = encode(characters).split(" "), ""
        print(f"  {name}:")
        lines = []
        for word in words:
            if len(line) + len(word) > 86:
                lines.append(line)
                line = ""
            line += word + " "
        lines.append(line.rstrip())
        for index, text in enumerate(lines):
            print(f'    "{text}"' + ("," if index == len(lines) - 1 else " +"))


main()
