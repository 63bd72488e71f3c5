"""GNMT as MLPerf's reference code computes it: logits, loss, gradients, search, learning rates.

Writes test/fixtures/models/gnmt.safetensors: the weights of a tiny model under the names of its
state_dict (float32), and test/fixtures/models/gnmt.json:

    {source, commit, sizes: {vocab, hidden, layers}, special: {pad, unk, bos, eos},
     shared: {decoder's embedding name: name of the tensor in the weights file it shares},
     teacherForced, searches: [search], schedules: [schedule]}
    tensor = {shape, data}: float32, row-major; each number is the shortest that reads back the same

    teacherForced = {                        dropout off; the batch is sorted by source length
      sources: [ids], targets: [ids],        both [BOS, ..., EOS], not padded
      context: tensor [batch, source, hidden],      encoder output, padding included
      attention: tensor [batch, target - 1, source],   0 on padding
      logits: tensor [batch, target - 1, vocab],    of inputs target[:-1]
      smoothing: 0.1, loss,                  label-smoothed sum over target[1:] / sentences
      gradientNorms: {name: 2-norm}          of loss; PAD's embedding row has no gradient
    }
    search = {
      sources: [ids],                        [BOS, ..., EOS], longest first
      beamSize, lenNormFactor, lenNormConst, covPenaltyFactor, maxSeqLen,
      tokens: [[maxSeqLen ids]],             BOS first, 0 after the last; EOS rows of a live beam
                                             go on with EOS
      lengths: [sentence],                   BOS and EOS counted
      scores: [sentence] or null,            of the row returned; null for k = 1 (greedy: no scores)
      beams: per sentence its k rows (null for k = 1) {tokens, length, score} in slot order
    }
    schedule = {options: {iterations, warmupSteps, remainSteps, decayInterval, decaySteps,
                decayFactor, baseRate}, rates: [[t, rate]]}
      A number given as a fraction of the run is {fraction: x}. t is the scheduler's own count
      (last_epoch). MLPerf steps the scheduler before the optimizer: the first update has the rate
      of t = 1; that of t = 0 is never used.

MLPERF_DIR is retired_benchmarks/gnmt/pytorch of mlcommons/training; COMMIT names its revision. Two
edits are made to what is run, neither changes a number: the search divides indices with //, as the
/ of the PyTorch it was written for did; and the search's last scores are kept where they can be
read. Logging (mlperf_compliance) is replaced by nothing.

    python scripts/oracles/gnmt.py MLPERF_DIR COMMIT
"""

import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "models"
VOCAB, HIDDEN, LAYERS = 60, 16, 4
PAD, UNK, BOS, EOS = 0, 1, 2, 3
# Found by trial: weights so much wider than MLPerf's ±0.1 make outputs depend on the source and
# vary, and with this seed and bias some end with EOS and some do not.
SEED, SCALE, EOS_BIAS = 5, 10.0, 1.0
LENGTH_RULES = {"lenNormFactor": 0.6, "lenNormConst": 5.0, "covPenaltyFactor": 0.1}
PLAIN_RULES = {"lenNormFactor": 0.0, "lenNormConst": 5.0, "covPenaltyFactor": 0.0}


def number(value):
    return float(str(np.float32(value)))


def tensor(value):
    array = value.detach().contiguous().numpy().astype(np.float32)
    return {"shape": list(array.shape), "data": [number(x) for x in array.ravel()]}


def load_mlperf(folder):
    log = types.ModuleType("mlperf_compliance.mlperf_log")
    log.__getattr__ = lambda name: (lambda *args, **kwargs: None) if name == "gnmt_print" else name
    package = types.ModuleType("mlperf_compliance")
    package.mlperf_log = log
    sys.modules.update({"mlperf_compliance": package, "mlperf_compliance.mlperf_log": log})
    sys.path.insert(0, str(folder))
    code = (folder / "seq2seq" / "inference" / "beam_search.py").read_text()
    for old, new in [
        ("source_beam = index / beam_size", "source_beam = index // beam_size"),
        (
            "        _, idx = scores.max(dim=1)\n",
            "        _, idx = scores.max(dim=1)\n"
            "        self.beams = (translation, lengths, scores, idx)\n",
        ),
    ]:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    search = types.ModuleType("edited_beam_search")
    exec(compile(code, "beam_search.py", "exec"), search.__dict__)
    return search.SequenceGenerator


def make_model():
    from seq2seq.models.gnmt import GNMT

    torch.manual_seed(SEED)
    model = GNMT(VOCAB, hidden_size=HIDDEN, num_layers=LAYERS, dropout=0.2, batch_first=False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("normalize_scalar", "normalize_bias")) or "bias_hh" in name:
                parameter.uniform_(-1, 1)  # theirs start at constants, which would hide mistakes
            else:
                parameter.mul_(SCALE)
        model.decoder.att_rnn.attn.normalize_scalar.fill_(2.5)
        model.decoder.classifier.classifier.bias[EOS] += EOS_BIAS
    return model.eval()


def sentences(rng, lengths):
    return [[BOS, *rng.integers(4, VOCAB, length).tolist(), EOS] for length in lengths]


def padded(rows):
    """[time, batch], as their code has it by default."""
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows]).t().contiguous()


def teacher_forced(model):
    from seq2seq.train.smoothing import LabelSmoothing

    rng = np.random.default_rng(1)
    sources, targets = sentences(rng, [9, 6, 3, 1]), sentences(rng, [5, 8, 2, 6])
    lengths, tgt = torch.tensor([len(row) for row in sources]), padded(targets)
    context = model.encode(padded(sources), lengths)
    logits, attention, _ = model.decode(tgt[:-1], (context, lengths, None))
    output = model(padded(sources), lengths, tgt[:-1])
    assert torch.equal(output, logits)
    loss = LabelSmoothing(PAD, 0.1)(output.view(-1, VOCAB), tgt[1:].contiguous().view(-1))
    loss = loss / len(sources)
    loss.backward()
    norms = {name: number(p.grad.norm()) for name, p in model.named_parameters()}
    return {
        "sources": sources,
        "targets": targets,
        "context": tensor(context.transpose(0, 1)),
        "attention": tensor(attention.transpose(0, 1)),
        "logits": tensor(logits.transpose(0, 1)),
        "smoothing": 0.1,
        "loss": number(loss.item()),
        "gradientNorms": norms,
    }


def run_search(make_generator, model, sources, beam_size, rules, max_seq_len):
    generator = make_generator(
        model,
        beam_size=beam_size,
        max_seq_len=max_seq_len,
        len_norm_factor=rules["lenNormFactor"],
        len_norm_const=rules["lenNormConst"],
        cov_penalty_factor=rules["covPenaltyFactor"],
    )
    lengths = torch.tensor([len(row) for row in sources])
    bos = torch.full((1, len(sources) * beam_size), BOS)
    with torch.no_grad():
        context = [model.encode(padded(sources), lengths), lengths, None]
        search = generator.greedy_search if beam_size == 1 else generator.beam_search
        tokens, lengths, _ = search(len(sources), bos, context)
    if beam_size == 1:
        return tokens.tolist(), lengths.tolist(), None, None
    all_tokens, all_lengths, scores, best = generator.beams
    beams = [
        [
            {"tokens": all_tokens[row].tolist(), "length": int(all_lengths[row]), "score": number(scores[i][k])}
            for k, row in enumerate(range(i * beam_size, (i + 1) * beam_size))
        ]
        for i in range(len(sources))
    ]
    best_scores = [number(scores[i][k]) for i, k in enumerate(best)]
    return tokens.tolist(), lengths.tolist(), best_scores, beams


def searches(make_generator, model):
    sources = sentences(np.random.default_rng(2), [11, 8, 8, 7, 5, 4, 2, 1])
    results = []
    for beam_size in [1, 3, 5, 10]:
        for rules in [LENGTH_RULES, PLAIN_RULES]:
            for max_seq_len in [30, 7]:
                found = run_search(make_generator, model, sources, beam_size, rules, max_seq_len)
                for i, source in enumerate(sources):  # batch mates must not matter
                    alone = run_search(make_generator, model, [source], beam_size, rules, max_seq_len)
                    assert alone[0][0] == found[0][i], "the search is not stable"
                tokens, lengths, scores, beams = found
                results.append(
                    {
                        "sources": sources,
                        "beamSize": beam_size,
                        **rules,
                        "maxSeqLen": max_seq_len,
                        "tokens": tokens,
                        "lengths": lengths,
                        "scores": scores,
                        "beams": beams,
                    }
                )
    return results


def fraction(value):
    return {"fraction": value} if isinstance(value, float) else value


def schedules():
    from seq2seq.train.lr_scheduler import WarmupMultiStepLR

    results = []
    for iterations, warmup, remain, interval, steps, factor in [
        (1000, 200, 0.666, None, 4, 0.5),  # their defaults
        (100, 200, 0.666, None, 4, 0.5),  # warm-up longer than the constant part
        (1000, 0.1, 500, 60, 3, 0.7),
        (1000, 0, 0.5, 0.125, 4, 0.5),
        (5, 2, 0.666, None, 4, 0.5),  # an interval below one step
    ]:
        optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        scheduler = WarmupMultiStepLR(
            optimizer, iterations, warmup, remain, interval, steps, factor
        )
        rates = []
        for t in range(iterations + 50):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        turns = {t + d for t in [0, 66, 200, 500, 560, 625, 666, 749, 832, 915] for d in range(-2, 3)}
        kept = [t for t in range(len(rates)) if t < 12 or t % 50 == 0 or t in turns]
        results.append(
            {
                "options": {
                    "iterations": iterations,
                    "warmupSteps": fraction(warmup),
                    "remainSteps": fraction(remain),
                    "decayInterval": fraction(interval),
                    "decaySteps": steps,
                    "decayFactor": factor,
                    "baseRate": 1e-3,
                },
                "rates": [[t, rates[t]] for t in kept],
            }
        )
    return results


def main():
    folder, commit = Path(sys.argv[1]).resolve(), sys.argv[2]
    make_generator = load_mlperf(folder)
    model = make_model()
    weights = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    assert np.array_equal(
        weights.pop("decoder.embedder.weight"), weights["encoder.embedder.weight"]
    )
    fixture = {
        "source": "retired_benchmarks/gnmt/pytorch of github.com/mlcommons/training, "
        f"PyTorch {torch.__version__} (CPU), scripts/oracles/gnmt.py",
        "commit": commit,
        "sizes": {"vocab": VOCAB, "hidden": HIDDEN, "layers": LAYERS},
        "special": {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS},
        "shared": {"decoder.embedder.weight": "encoder.embedder.weight"},
        "teacherForced": teacher_forced(model),
        "searches": searches(make_generator, model),
        "schedules": schedules(),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(weights, OUT / "gnmt.safetensors")
    (OUT / "gnmt.json").write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
