"""Losses of GNMT over its first training steps, as bench/gnmt.py computes them in PyTorch.

Reads test/fixtures/models/gnmt.safetensors (weights under the names of MLPerf's state_dict) and
gnmt.json (two batches are made of its sentences). Writes test/fixtures/bench/gnmt-training.json:

    {source, labelSmoothing, clipNorm, batches: [batch], order: [index of a batch], losses: [loss]}
    batch = {size, sourceTime, targetTime, source, sourceLengths, target, targetLengths,
             targetInput}    ids row by row, padded with 0

losses[i] is the loss before step i on batches[order[i]]: per token, label-smoothed, 0 for a perfect
model. A step clips the gradients' norm and updates by Adam with rate 1e-4, β 0.9 and 0.999, ε 1e-8.
Dropout is off.

    python scripts/oracles/gnmt_training.py
"""

import json
import re
import struct
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test" / "fixtures"
sys.path.insert(0, str(ROOT / "bench"))

from gnmt import make_trainer  # noqa: E402

LABEL_SMOOTHING, CLIP_NORM = 0.1, 5.0
ORDER = [0, 1, 0, 0, 1, 1, 0, 1, 0, 0]


def read_safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    return {
        name: torch.frombuffer(
            bytearray(data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]]),
            dtype=torch.float32,
        ).view(entry["shape"])
        for name, entry in header.items()
    }


def our_name(name):
    parts = re.fullmatch(r"(.*)\.(weight|bias)_(ih|hh)_l0(_reverse)?", name)
    if parts:
        path, kind, gate, reverse = parts.groups()
        side = "x" if gate == "ih" else "h"
        name = f"{path}.cells{reverse or ''}.0.fc_gate_{side}.{kind}"
    name = re.sub(r"^encoder\.embedder\.weight$", "embedder.weights", name)
    return "SequenceToSequence/" + re.sub(r"/weight$", "/kernel", name.replace(".", "/"))


def write_safetensors(path, tensors):
    header, blocks, at = {}, [], 0
    for name, tensor in tensors.items():
        block = tensor.contiguous().numpy().tobytes()
        offsets = [at, at + len(block)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        blocks.append(block)
        at += len(block)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def padded(rows):
    time = max(map(len, rows))
    return time, [i for row in rows for i in row + [0] * (time - len(row))]


def make_batch(sources, targets):
    source_time, source = padded(sources)
    target_time, target = padded([ids[1:] for ids in targets])
    _, target_input = padded([ids[:-1] for ids in targets])
    return {
        "size": len(sources),
        "sourceTime": source_time,
        "targetTime": target_time,
        "source": source,
        "sourceLengths": [len(ids) for ids in sources],
        "target": target,
        "targetLengths": [len(ids) - 1 for ids in targets],
        "targetInput": target_input,
    }


def main():
    torch.set_num_threads(1)
    golden = json.loads((FIXTURES / "models" / "gnmt.json").read_text(encoding="utf-8"))
    sizes, sentences = golden["sizes"], golden["teacherForced"]
    sources, targets = sentences["sources"], sentences["targets"]
    batches = [make_batch(sources, targets), make_batch(sources[1:3], targets[2:0:-1])]
    weights = read_safetensors(FIXTURES / "models" / "gnmt.safetensors")
    with tempfile.TemporaryDirectory() as directory:
        ours = {}
        for name, tensor in weights.items():
            is_map = tensor.dim() == 2 and "embedder" not in name
            ours[our_name(name)] = tensor.T if is_map else tensor
        write_safetensors(Path(directory, "weights.safetensors"), ours)
        Path(directory, "batches.json").write_text(json.dumps(batches), encoding="utf-8")
        size = {
            "vocabulary": sizes["vocab"],
            "width": sizes["hidden"],
            "layers": sizes["layers"],
            "dropout": 0,
        }
        workload = {"size": size, "labelSmoothing": LABEL_SMOOTHING, "clipNorm": CLIP_NORM}
        job = {"workload": workload, "directory": directory, "quantized": False, "compiled": False}
        trainer = make_trainer(job)
        losses = [trainer.step(i) for i in ORDER]
    fixture = {
        "source": f"bench/gnmt.py, PyTorch {torch.__version__} (CPU), scripts/oracles/gnmt_training.py",
        "labelSmoothing": LABEL_SMOOTHING,
        "clipNorm": CLIP_NORM,
        "batches": batches,
        "order": ORDER,
        "losses": losses,
    }
    out = FIXTURES / "bench" / "gnmt-training.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(fixture) + "\n", encoding="utf-8")


main()
