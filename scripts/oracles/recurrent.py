"""Outputs, final states and gradients of PyTorch's nn.LSTM and nn.GRU, float32 on the CPU.

Writes test/fixtures/layers/recurrent.json:

    {source, cases: [case]}
    tensor = {shape, data}: float32, row-major; each number is the shortest that reads back the same
    case = {
      name, kind: "lstm" | "gru", inputSize, hiddenSize, layers, bidirectional, batch, time,
      lengths: [batch] numbers of real time steps, or null where every sequence is full,
      weights: {PyTorch's name: tensor},      gates on the first axis: lstm i f g o, gru r z n
      inputs: tensor [batch, time, input],    padding holds numbers that must not matter
      initialH, initialC: tensor [layers * directions, batch, hidden], or null for zeros,
      output: tensor [batch, time, hidden * directions], zero on padding,
      finalH, finalC: tensor like initialH; finalC is null for a GRU,
      factors: {output, finalH, finalC}: what the loss multiplies each result by,
      loss: sum(output * factors.output) + sum(finalH * factors.finalH) + (same for finalC),
      gradients: {inputs, initialH, initialC, weights: {name: tensor}} of the loss
    }
    States are ordered layer by layer, forward before backward.

    python scripts/oracles/recurrent.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "layers" / "recurrent.json"
INPUT, HIDDEN = 5, 4
# Wider than PyTorch's own start, so that gates leave their linear middle.
WEIGHT_RANGE = 0.9


def tensor(value):
    if value is None:
        return None
    array = value.detach().numpy().astype(np.float32)
    return {"shape": list(array.shape), "data": [float(str(x)) for x in array.ravel()]}


def run_layer(layer, inputs, lengths, initial):
    if lengths is None:
        return layer(inputs, initial)
    packed = pack_padded_sequence(
        inputs, torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    output, final = layer(packed, initial)
    output, _ = pad_packed_sequence(output, batch_first=True, total_length=inputs.shape[1])
    return output, final


def make_case(name, kind, seed, batch, time, layers=1, bidirectional=False, lengths=None, initial=False):
    torch.manual_seed(seed)
    make = {"lstm": nn.LSTM, "gru": nn.GRU}[kind]
    layer = make(INPUT, HIDDEN, num_layers=layers, bidirectional=bidirectional, batch_first=True)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -WEIGHT_RANGE, WEIGHT_RANGE)
    inputs = torch.randn(batch, time, INPUT, requires_grad=True)
    states = [None, None]
    if initial:
        shape = (layers * (2 if bidirectional else 1), batch, HIDDEN)
        states = [torch.randn(shape, requires_grad=True) for _ in states]
    given = None if not initial else tuple(states) if kind == "lstm" else states[0]
    output, final = run_layer(layer, inputs, lengths, given)
    results = {"output": output, **dict(zip(["finalH", "finalC"], final if kind == "lstm" else [final]))}
    factors = {key: torch.randn_like(value) for key, value in results.items()}
    loss = sum((results[key] * factors[key]).sum() for key in results)
    loss.backward()
    return {
        "name": name,
        "kind": kind,
        "inputSize": INPUT,
        "hiddenSize": HIDDEN,
        "layers": layers,
        "bidirectional": bidirectional,
        "batch": batch,
        "time": time,
        "lengths": lengths,
        "weights": {key: tensor(value) for key, value in layer.named_parameters()},
        "inputs": tensor(inputs),
        "initialH": tensor(states[0]),
        "initialC": tensor(states[1]) if kind == "lstm" else None,
        **{key: tensor(results.get(key)) for key in ["output", "finalH", "finalC"]},
        "factors": {key: tensor(factors.get(key)) for key in ["output", "finalH", "finalC"]},
        "loss": float(str(np.float32(loss.item()))),
        "gradients": {
            "inputs": tensor(inputs.grad),
            "initialH": tensor(None if states[0] is None else states[0].grad),
            "initialC": tensor(states[1].grad if initial and kind == "lstm" else None),
            "weights": {key: tensor(value.grad) for key, value in layer.named_parameters()},
        },
    }


def main():
    lengths = [3, 6, 1, 4]
    packed = {"batch": 4, "time": 6, "layers": 2, "bidirectional": True, "lengths": lengths}
    cases = [
        make_case("lstm, one layer", "lstm", 1, batch=2, time=5),
        make_case("lstm, two layers, bidirectional, packed", "lstm", 2, **packed),
        make_case("lstm, initial state", "lstm", 3, batch=3, time=4, initial=True),
        make_case("gru, one layer", "gru", 4, batch=2, time=5),
        make_case("gru, two layers, bidirectional, packed", "gru", 5, **packed),
        make_case("gru, initial state", "gru", 6, batch=3, time=4, initial=True),
    ]
    source = f"torch.nn.LSTM and torch.nn.GRU of PyTorch {torch.__version__} (CPU), scripts/oracles/recurrent.py"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"source": source, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
