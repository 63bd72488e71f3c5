"""Training steps of the LSTM stack of lstm-stack.ts in PyTorch: float, or with fake quantization.

Float is nn.LSTM, whose layers run as fused operations. With quantizers inside, no fused operation
does: the same cell is unrolled over time, with its input products made for all steps at once.
"""

import json
import os

import numpy
import torch
import torch.nn.functional as F
from fake_quant import FakeQuant
from measured import serve
from torch import nn


def read(directory, name, shape):
    """An array that lstm-data.ts has written."""
    values = numpy.fromfile(os.path.join(directory, f"{name}.f32"), dtype="<f4")
    return torch.from_numpy(values.reshape(shape))


class Lstm(nn.Module):
    def __init__(self, size, weights):
        super().__init__()
        self.lstm = nn.LSTM(size["width"], size["width"], size["layers"])
        with torch.no_grad():
            for layer, (kernel, recurrent) in enumerate(weights):
                getattr(self.lstm, f"weight_ih_l{layer}").copy_(kernel.T)
                getattr(self.lstm, f"weight_hh_l{layer}").copy_(recurrent.T)
                getattr(self.lstm, f"bias_ih_l{layer}").zero_()
                getattr(self.lstm, f"bias_hh_l{layer}").zero_()

    def forward(self, x):
        return self.lstm(x)[0]


class QuantLayer(nn.Module):
    def __init__(self, size, kernel, recurrent):
        super().__init__()
        self.width = size["width"]
        self.kernel = nn.Parameter(kernel.T.contiguous())
        self.recurrent = nn.Parameter(recurrent.T.contiguous())
        self.bias = nn.Parameter(torch.zeros(4 * self.width))
        self.gates_quant = FakeQuant(8, size["gatesClip"])
        self.hidden_quant = FakeQuant(8, size["hiddenClip"])

    def forward(self, x):
        hidden = x.new_zeros(x.shape[1], self.width)
        cell = hidden
        outputs = []
        for part in F.linear(x, self.kernel, self.bias).unbind(0):
            gates = self.gates_quant(part + F.linear(hidden, self.recurrent))
            i, f, g, o = gates.chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = self.hidden_quant(torch.sigmoid(o) * torch.tanh(cell))
            outputs.append(hidden)
        return torch.stack(outputs)


class Trainer:
    def __init__(self, job):
        directory = job["directory"]
        with open(os.path.join(directory, "size.json"), encoding="utf-8") as file:
            size = json.load(file)
        width = size["width"]
        steps = (size["batches"], size["time"], size["batch"], width)
        self.inputs = read(directory, "inputs", steps)
        self.targets = read(directory, "targets", steps)
        shape = (size["layers"], width, 4 * width)
        weights = list(
            zip(read(directory, "kernels", shape), read(directory, "recurrent", shape), strict=True)
        )
        if job["quantized"]:
            model = nn.Sequential(*(QuantLayer(size, *pair) for pair in weights))
        else:
            model = Lstm(size, weights)
        self.model = torch.compile(model) if job["compiled"] else model
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True
        )

    def step(self, i):
        """Step i of a turn; returns the loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.mse_loss(self.model(self.inputs[i]), self.targets[i])
        loss.backward()
        self.optimizer.step()
        return loss.item()


serve(Trainer)
