"""The measuring end of a benchmark in Python: trains when it is told to, and tells the times.

Answers lines of JSON on standard output, one for each line on standard input; see child-process.ts.
"""

import json
import resource
import sys
import time

import torch


def serve(make_trainer):
    """Runs steps of make_trainer(job) until the input ends."""
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    torch.manual_seed(1)
    trainer = make_trainer(job)
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "start":
            answer({"version": torch.__version__, "kernels": None, "fallbacks": None})
        elif request["command"] == "warm":
            answer({**steps(trainer, request["steps"]), "notices": notices(job)})
        elif request["command"] == "turn":
            turn = steps(trainer, request["steps"])
            # The first step of a turn finds cold caches.
            answer({**turn, "milliseconds": turn["milliseconds"][1:]})
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            answer({"peakBytes": peak, "heapBytes": None})


def steps(trainer, count):
    milliseconds, losses = [], []
    for i in range(count):
        start = time.perf_counter()
        losses.append(trainer.step(i))
        milliseconds.append(1000 * (time.perf_counter() - start))
    return {"milliseconds": milliseconds, "losses": losses}


def notices(job):
    """What torch.compile could not keep in one graph."""
    if not job["compiled"]:
        return []
    from torch._dynamo.utils import counters

    breaks = sum(counters["graph_break"].values())
    graphs = counters["stats"]["unique_graphs"]
    reasons = "; ".join(" ".join(reason.split())[:120] for reason in counters["graph_break"])
    details = "" if reasons == "" else f" ({reasons})"
    return [f"graphs compiled: {graphs}, breaks: {breaks}{details}"]


def answer(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
