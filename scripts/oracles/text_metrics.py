"""Makes the fixtures of text and metrics with sacremoses 0.2.0, subword-nmt 0.3.8, sacrebleu 2.6.0.

Usage, from the repository root: python scripts/oracles/text_metrics.py
Writes test/fixtures/text/*.json and test/fixtures/metrics/*.json.
"""

import io
import json
import os
import random
import sys
from importlib.metadata import version

import numpy as np
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest
from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

sys.path.insert(0, os.path.dirname(__file__))
from text_lines import abbreviations, all_lines  # noqa: E402

DATA = "data/lohelp-en-de"
MODEL = "pretrained/transformer-lohelp"
MADE_BY = "scripts/oracles/text_metrics.py"


def source(*packages):
    return ", ".join(f"{name} {version(name)}" for name in packages) + f"; {MADE_BY}"


def read_lines(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return file.read().split("\n")[:-1]


def write(path, content):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")
    print(path, os.path.getsize(path))


def changes(base, lines):
    """Only the lines that differ from the base, by index."""
    return {i: line for i, (old, line) in enumerate(zip(base, lines)) if old != line}


def moses(lines):
    tokenized, detokenized, normalized = {}, {}, {}
    for language in ("en", "de"):
        tokenizer = MosesTokenizer(language)

        def run(dashes, escape):
            return [
                tokenizer.tokenize(
                    line, aggressive_dash_splits=dashes, return_str=True, escape=escape
                )
                for line in lines
            ]

        plain = run(False, False)
        both = run(True, True)
        tokenized[language] = {
            "plain": plain,
            "dashes": changes(plain, run(True, False)),
            "escape": changes(plain, run(False, True)),
            "both": changes(plain, both),
        }
        detokenizer = MosesDetokenizer(language)
        detokenized[language] = {
            "plain": changes(lines, [detokenizer.detokenize(t.split()) for t in plain]),
            "both": changes(lines, [detokenizer.detokenize(t.split()) for t in both]),
            "raw": changes(lines, [detokenizer.detokenize(t.split()) for t in lines]),
        }
    english = MosesTokenizer("en")
    others = {}
    for language in ("fr", "it", "nl"):
        tokenizer = MosesTokenizer(language)
        # Only the rules are compared: other languages have no prefix lists of their own here.
        tokenizer.NONBREAKING_PREFIXES = english.NONBREAKING_PREFIXES
        tokenizer.NUMERIC_ONLY_PREFIXES = english.NUMERIC_ONLY_PREFIXES
        tokens = [tokenizer.tokenize(line, return_str=True, escape=False) for line in lines]
        others[language] = changes(tokenized["en"]["plain"], tokens)
    for language in ("fr", "it", "ko", "zh"):
        detokenizer = MosesDetokenizer(language)
        plain = tokenized["en"]["plain"]
        detokenized[language] = {
            "plain": changes(lines, [detokenizer.detokenize(t.split()) for t in plain])
        }
    for language in ("en", "de", "fr", "pt"):
        normalizer = MosesPunctNormalizer(language)
        normalized[language] = changes(lines, [normalizer.normalize(line) for line in lines])
    return {
        "tokenized": tokenized,
        "other_languages": others,
        "detokenized": detokenized,
        "normalized": normalized,
    }


def subwords(lines, tokenized):
    def segment(codes, **options):
        bpe = BPE(io.StringIO(codes), **options)
        return [bpe.segment(line) for line in tokenized]

    with open(f"{DATA}/codes.bpe", encoding="utf-8") as file:
        codes = file.read()
    vocabulary = {line.split()[0] for line in read_lines(f"{DATA}/vocab.txt")}
    plain = segment(codes)
    few = {line.split()[0] for line in read_lines(f"{DATA}/vocab.txt")[:700]}
    learnt = {}
    for merges, min_frequency in ((400, 2), (30, 3), (5000, 4)):
        output = io.StringIO()
        learn_bpe(io.StringIO("\n".join(tokenized)), output, merges, min_frequency)
        learnt[f"{merges} {min_frequency}"] = output.getvalue()
    words = repetitive_words()
    output = io.StringIO()
    dictionary = io.StringIO("\n".join(f"{word} {count}" for word, count in words.items()))
    learn_bpe(dictionary, output, 3000, 1, is_dict=True)
    repetitive = {"words": words, "codes": output.getvalue()}
    old_codes = codes.split("\n", 1)[1]
    return {
        "plain": plain,
        "vocabulary": changes(plain, segment(codes, vocab=vocabulary)),
        "vocabulary_700": changes(plain, segment(codes, vocab=few)),
        "version_0.1": changes(plain, segment(old_codes)),
        "merges_500": changes(plain, segment(codes, merges=500)),
        "separator": {"value": "__", "lines": segment(codes, separator="__")[:40]},
        "learnt": learnt,
        "repetitive": repetitive,
    }


def prefixes():
    """Which words keep a full stop before a capital and before a digit."""
    words = abbreviations()
    kept = {}
    # xx: a language without a list.
    for language in ("en", "de", "xx"):
        tokenizer = MosesTokenizer(language)
        kept[language] = {
            next_word: [w for w in words if tokenizer.tokenize(f"{w}. {next_word}")[0] == w + "."]
            for next_word in ("End", "5")
        }
    return {"words": words, "kept": kept}


def repetitive_words():
    """Counts of words of few letters, where pairs overlap and tie."""
    generator = random.Random(3)
    words = {}
    for rank in range(1, 400):
        letters = generator.choice(["ab", "abc", "aab\U0001f600\uff21"])
        word = "".join(generator.choice(letters) for _ in range(generator.randint(1, 14)))
        words[word] = words.get(word, 0) + 2000 // rank
    return words


def degrade(lines, seed):
    """Lines with words dropped, doubled, swapped and cut, as a bad translation."""
    generator = random.Random(seed)
    result = []
    for line in lines:
        words = []
        for word in line.split(" "):
            chance = generator.random()
            if chance < 0.1:
                continue
            if chance < 0.15:
                words.append(word)
            words.append(word[:-1] if 0.15 <= chance < 0.2 else word)
        if len(words) > 3 and generator.random() < 0.4:
            i = generator.randrange(len(words) - 1)
            words[i], words[i + 1] = words[i + 1], words[i]
        result.append(" ".join(words))
    return result


def scores(hypotheses, references):
    def bleu(start, end, sets=references, **options):
        metric = BLEU(force=True, **options)
        result = metric.corpus_score(hypotheses[start:end], [s[start:end] for s in sets])
        return {
            "from": start,
            "to": end,
            "sets": len(sets),
            "options": options,
            "score": result.score,
            "precisions": result.precisions,
            "bp": result.bp,
            "lengths": [result.sys_len, result.ref_len],
            "signature": str(metric.get_signature()),
        }

    def chrf(start, end, sets=references, **options):
        metric = CHRF(**options)
        result = metric.corpus_score(hypotheses[start:end], [s[start:end] for s in sets])
        return {
            "from": start,
            "to": end,
            "sets": len(sets),
            "options": options,
            "score": result.score,
            "name": result.name,
            "signature": str(metric.get_signature()),
        }

    end = len(hypotheses)
    one = references[:1]
    bleus = [bleu(0, end, tokenize=t) for t in ("13a", "intl", "char", "zh", "none")]
    bleus += [bleu(0, end, one, tokenize=t, lowercase=True) for t in ("13a", "intl", "char")]
    smoothings = [("exp", None), ("floor", None), ("floor", 0.5), ("add-k", None), ("add-k", 2)]
    for method, value in smoothings + [("none", None)]:
        options = {"smooth_method": method, "smooth_value": value}
        bleus += [bleu(0, end, one, **options), bleu(40, 44, one, **options)]
        bleus.append(bleu(4, 5, one, effective_order=True, **options))
    bleus += [bleu(0, end, one, max_ngram_order=n) for n in (1, 2, 6)]
    bleus += [bleu(i, i + 1, effective_order=True) for i in range(0, end, 5)]
    bleus += [bleu(i, i + 30, one, tokenize="intl") for i in range(0, end - 30, 60)]
    chrfs = [chrf(0, end), chrf(0, end, word_order=2), chrf(0, end, one, word_order=1, beta=3)]
    chrfs += [chrf(0, end, one, lowercase=True, whitespace=True), chrf(0, end, char_order=4)]
    chrfs += [chrf(0, end, one, eps_smoothing=True, word_order=2)]
    chrfs += [chrf(i, i + 1, word_order=2) for i in range(0, end, 5)]
    return {"bleu": bleus, "chrf": chrfs}


def bootstrap():
    """Figures of numpy's resamples of 300 lines, for agreement within the error of resampling."""
    references = [read_lines(f"{DATA}/dev.de")[:300]]
    system = read_lines(f"{MODEL}/dev.greedy.de")[:300]
    baseline = degrade(system, 7)
    pairs = list(enumerate(zip(system, baseline)))
    variants = {
        "system": system,
        "worse": [d if i % 4 == 0 else s for i, (s, d) in pairs],
        "even": [d if i % 8 == 0 else s for i, (s, d) in pairs],
        "odd": [d if i % 8 == 4 else s for i, (s, d) in pairs],
    }
    result = {"source": source("sacrebleu", "numpy"), "degraded": baseline[::4], "pairs": []}
    for name, other_name in (("worse", "system"), ("even", "odd"), ("even", "worse")):
        metrics = {"BLEU": BLEU(references=references), "chrF2": CHRF(references=references)}
        systems = [(name, variants[name]), (other_name, variants[other_name])]
        test = PairedTest(systems, metrics, None, test_type="bs", n_samples=1000)
        _, outcomes = test()
        for metric in metrics:
            base, other = outcomes[metric]
            result["pairs"].append(
                {
                    "baseline": name,
                    "system": other_name,
                    "metric": metric,
                    "scores": [base.score, other.score],
                    "means": [float(base.mean), float(other.mean)],
                    "half_widths": [float(base.ci), float(other.ci)],
                    "p_value": other.p_value,
                }
            )
    return result


def main():
    np.seterr(all="raise")
    every = lambda name, step: read_lines(f"{DATA}/{name}")[::step]  # noqa: E731
    lines = all_lines(every("dev.en", 30) + every("dev.de", 30))
    print(len(lines), "lines")
    content = moses(lines)
    tokens = content["tokenized"]["de"]
    dashes = [tokens["dashes"].get(i, line) for i, line in enumerate(tokens["plain"])]
    write(
        "test/fixtures/text/moses.json",
        {"source": source("sacremoses"), "lines": lines, **content},
    )
    write("test/fixtures/text/prefixes.json", {"source": source("sacremoses"), **prefixes()})
    write(
        "test/fixtures/text/subwords.json",
        {"source": source("subword-nmt"), **subwords(lines, dashes)},
    )
    hypotheses = degrade(lines, 1)
    references = [lines, degrade(lines, 2)]
    metric_tokens = {}
    for name in ("13a", "intl", "zh", "char"):
        preprocess = BLEU(tokenize=name)._preprocess_segment
        metric_tokens[name] = changes(lines, [preprocess(line) for line in lines])
    metric_tokens["char"] = {i: line for i, line in metric_tokens["char"].items() if i % 4 == 0}
    write(
        "test/fixtures/metrics/scores.json",
        {
            "source": source("sacrebleu"),
            "hypotheses": changes(lines, hypotheses),
            "second_references": changes(lines, references[1]),
            "tokens": metric_tokens,
            **scores(hypotheses, references),
        },
    )
    write("test/fixtures/metrics/bootstrap.json", bootstrap())
    with open(f"{MODEL}/golden-neurst.json", encoding="utf-8") as file:
        golden = json.load(file)
    write(
        "test/fixtures/text/pipeline.json",
        {
            "source": f"{MODEL}/golden-neurst.json ({golden['notes'].split(' with ')[0]}); {MADE_BY}",
            "source_ids": golden["source_ids"],
            "target_ids": golden["target_ids"],
            "greedy": golden["float"]["greedy"]["tokens"],
        },
    )


main()
