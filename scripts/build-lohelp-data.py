#!/usr/bin/env python3
"""Rebuilds the parallel text of data/lohelp-en-de from Debian's LibreOffice help packages.

    apt-get download libreoffice-help-en-us libreoffice-help-de
    for f in libreoffice-help-*.deb; do dpkg-deb -x "$f" help; done
    python3 scripts/build-lohelp-data.py help out

Writes out/{train,dev,test}.{en,de}. Version 4:7.4.7-1+deb12u14 gives the shipped files byte for byte
(`--check data/lohelp-en-de` compares). Standard library only; not needed to use or test the package.
"""

import argparse
import hashlib
import os
import re
import sys
from html.parser import HTMLParser

TEXT_TAGS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "td", "span"}
TEXT_ID = re.compile(r"^(par|hd|N0|tit)")
VOID_TAGS = {"br", "img", "meta", "input", "link", "hr", "area", "base", "col", "source", "wbr"}
BOUNDARY = re.compile(r'(?<=[.!?])\s+(?=[A-ZÄÖÜ"„“(])')
PAGES = os.path.join(os.path.dirname(__file__), "../data/lohelp-en-de/pages.txt")
UNWANTED = re.compile(r"[{}=;\\_]|::|\(\)")


class Paragraphs(HTMLParser):
    """Collects the text of every element with a translatable id; spans of class MAC are skipped."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.stack = []  # (tag, id or None, is skipped)
        self.text_by_id = {}

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "br":
            self.handle_data(" ")
        if tag in VOID_TAGS:
            return
        identifier = attributes.get("id") or ""
        # A page may embed the same paragraph twice: only its first copy counts.
        is_new = TEXT_ID.match(identifier) and identifier not in self.text_by_id
        collected = identifier if tag in TEXT_TAGS and is_new else None
        if collected is not None:
            self.text_by_id[collected] = []
        skipped = tag == "span" and attributes.get("class") == "MAC"
        self.stack.append((tag, collected, skipped))

    def handle_startendtag(self, tag, attrs):
        if tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag):
        for depth in range(len(self.stack) - 1, -1, -1):
            if self.stack[depth][0] == tag:
                del self.stack[depth:]
                return

    def handle_data(self, data):
        if any(skipped for _, _, skipped in self.stack):
            return
        for _, identifier, _ in self.stack:
            if identifier is not None:
                self.text_by_id[identifier].append(data)


def paragraphs(path):
    parser = Paragraphs()
    with open(path, encoding="utf-8") as file:
        parser.feed(file.read())
    parser.close()
    return {key: " ".join("".join(parts).split()) for key, parts in parser.text_by_id.items()}


def is_kept(source, target):
    words = source.split(), target.split()
    if not all(3 <= len(w) <= 60 for w in words):
        return False
    if not 0.45 <= len(source) / len(target) <= 2:
        return False
    if any(sum(c.isalpha() for c in s) < 0.65 * len(s) for s in (source, target)):
        return False
    return not UNWANTED.search(source)


def pages(root, order):
    base = os.path.join(root, "usr/share/libreoffice/help")
    with open(order, encoding="utf-8") as file:
        for page in file.read().split():
            source = os.path.join(base, "en-US", "text", page)
            target = os.path.join(base, "de", "text", page)
            yield page, paragraphs(source), paragraphs(target)


def split_of(page):
    bucket = int(hashlib.md5(page.encode()).hexdigest(), 16) % 100
    return "test" if bucket < 4 else "dev" if bucket < 8 else "train"


def build(root, order):
    seen_pairs, seen_sources = set(), set()
    result = {"train": [], "dev": [], "test": []}
    counts = {"ids": 0, "paragraphs": 0, "clean": 0}
    for page, english, german in pages(root, order):
        for identifier, source_text in english.items():
            target_text = german.get(identifier)
            if target_text is None:
                continue
            counts["ids"] += 1
            pair = (source_text, target_text)
            if not source_text or not target_text or source_text == target_text or pair in seen_pairs:
                continue
            seen_pairs.add(pair)
            counts["paragraphs"] += 1
            sources, targets = BOUNDARY.split(source_text), BOUNDARY.split(target_text)
            if len(sources) != len(targets):
                sources, targets = [source_text], [target_text]
            for source, target in zip(sources, targets):
                if source == target or not is_kept(source, target) or source.lower() in seen_sources:
                    continue
                seen_sources.add(source.lower())
                counts["clean"] += 1
                if len(source.split()) <= 18 and len(target.split()) <= 18:
                    result[split_of(page)].append((source, target))
    result["test"] = result["test"][:700]
    return result, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("help_root", help="folder where both packages were unpacked")
    parser.add_argument("output", help="folder to write")
    parser.add_argument("--pages", default=PAGES, help="reading order of the pages")
    parser.add_argument("--check", metavar="DIR", help="compare with the files of this folder")
    arguments = parser.parse_args()
    result, counts = build(arguments.help_root, arguments.pages)
    print(counts, {name: len(rows) for name, rows in result.items()}, file=sys.stderr)
    os.makedirs(arguments.output, exist_ok=True)
    differing = 0
    for name, rows in result.items():
        for column, language in enumerate(("en", "de")):
            text = "".join(row[column] + "\n" for row in rows)
            with open(os.path.join(arguments.output, f"{name}.{language}"), "w", encoding="utf-8") as file:
                file.write(text)
            if arguments.check:
                with open(os.path.join(arguments.check, f"{name}.{language}"), encoding="utf-8") as file:
                    same = file.read() == text
                differing += not same
                print(f"{name}.{language}: {'same' if same else 'different'}", file=sys.stderr)
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
