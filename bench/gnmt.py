"""Training steps of GNMT in PyTorch, in float and with fake quantization.

Float has nn.LSTM, as MLPerf's reference has it. With quantizers inside, no fused operation does: see
gnmt_recurrent.py. Weights and activations are rounded where src/layers rounds them, each with a
learned step size.
"""

import json
import os
import struct

import numpy
import torch
import torch.nn.functional as F
from fake_quant import FakeQuant, FakeQuantProbabilities
from gnmt_recurrent import HIDDEN_CLIP, INPUT_CLIP, Lstm, QuantLstm
from measured import serve
from seq2seq_trainer import Seq2SeqTrainer
from smoothed_loss import IGNORED
from torch import nn


class Weight(nn.Module):
    """A matrix or vector and its quantizer."""

    def __init__(self, shape, quantized):
        super().__init__()
        self.value = nn.Parameter(torch.empty(shape))
        self.quant = FakeQuant(8, 1.0) if quantized else None

    def assign(self, values):
        self.value.copy_(values)
        if self.quant is not None:
            self.quant.cover(self.value)

    def forward(self):
        return self.value if self.quant is None else self.quant(self.value)


def activation(quantized, clip):
    return FakeQuant(8, clip) if quantized else nn.Identity()


class Attention(nn.Module):
    """Bahdanau's, normalised."""

    def __init__(self, width, quantized):
        super().__init__()
        self.q = Weight((width, width), quantized)
        self.k = Weight((width, width), quantized)
        self.v = Weight((width,), quantized)
        self.factor = nn.Parameter(torch.empty(1))
        self.bias = nn.Parameter(torch.empty(width))
        self.tanh_quant = activation(quantized, 1.0)
        self.softmax_quant = FakeQuantProbabilities() if quantized else nn.Identity()

    def assign(self, weights, path):
        self.q.assign(weights[f"{path}/linear_q/kernel"].T)
        self.k.assign(weights[f"{path}/linear_k/kernel"].T)
        self.v.assign(weights[f"{path}/linear_att"])
        self.factor.copy_(weights[f"{path}/normalize_scalar"])
        self.bias.copy_(weights[f"{path}/normalize_bias"])

    def forward(self, r, memory, mask):
        """The contexts of r [batch, time, width]."""
        queries, keys = F.linear(r, self.q()), F.linear(memory, self.k())
        sums = queries.unsqueeze(2) + keys.unsqueeze(1) + self.bias
        v = self.v()
        scores = torch.matmul(self.tanh_quant(torch.tanh(sums)), v * (self.factor / v.norm()))
        return torch.bmm(self.softmax_quant(torch.softmax(scores + mask, -1)), memory)


class Gnmt(nn.Module):
    def __init__(self, size, quantized):
        super().__init__()
        width, layers, dropout = size["width"], size["layers"], size["dropout"]
        lstm = QuantLstm if quantized else Lstm
        self.table = Weight((size["vocabulary"], width), quantized)
        widths = [width, 2 * width] + [width] * (layers - 2)
        self.encoder = nn.ModuleList(
            lstm(inputs, width, dropout, bidirectional=i == 0) for i, inputs in enumerate(widths)
        )
        self.memory_quant = activation(quantized, 4 * HIDDEN_CLIP)
        self.first = lstm(width, width, dropout)
        self.attention = Attention(width, quantized)
        self.decoder = nn.ModuleList(lstm(2 * width, width, dropout) for _ in range(layers - 1))
        self.classifier_quant = activation(quantized, 4 * INPUT_CLIP)
        self.classifier = Weight((size["vocabulary"], width), quantized)
        self.bias = nn.Parameter(torch.empty(size["vocabulary"]))

    @torch.no_grad()
    def assign(self, weights):
        """Takes the weights of our model by name."""
        self.table.assign(weights["embedder/weights"])
        for i, layer in enumerate(self.encoder):
            layer.assign(weights, f"encoder/rnn_layers/{i}")
        self.first.assign(weights, "decoder/att_rnn/rnn")
        self.attention.assign(weights, "decoder/att_rnn/attn")
        for i, layer in enumerate(self.decoder):
            layer.assign(weights, f"decoder/rnn_layers/{i}")
        self.classifier.assign(weights["decoder/classifier/classifier/kernel"].T)
        self.bias.copy_(weights["decoder/classifier/classifier/bias"])

    def forward(self, batch):
        """Logits [batch, time, vocabulary]; inside, time comes first but in the attention."""
        table = self.table()
        x = F.embedding(batch["source"].T, table)
        for i, layer in enumerate(self.encoder):
            y = layer(x, batch["source_lengths"]) if i == 0 else layer(x)
            x = y + x if i >= 2 else y
        memory = self.memory_quant(x.transpose(0, 1))
        y = self.first(F.embedding(batch["target_input"].T, table))
        context = self.attention(y.transpose(0, 1), memory, batch["source_mask"]).transpose(0, 1)
        for i, layer in enumerate(self.decoder):
            z = layer(torch.cat([y, context], 2))
            y = z + y if i >= 1 else z
        return F.linear(self.classifier_quant(y.transpose(0, 1)), self.classifier(), self.bias)


def read_weights(directory):
    """Tensors of weights.safetensors by name, without the model's."""
    with open(os.path.join(directory, "weights.safetensors"), "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    weights = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        values = numpy.frombuffer(data[8 + size + start : 8 + size + end], dtype="<f4")
        tensor = torch.from_numpy(values.reshape(entry["shape"]).copy())
        weights[name.split("/", 1)[1]] = tensor
    return weights


def tensors(batch):
    size, source_time, target_time = batch["size"], batch["sourceTime"], batch["targetTime"]
    lengths = torch.tensor(batch["sourceLengths"])
    hidden = torch.arange(source_time) >= lengths.unsqueeze(1)
    padding = torch.arange(target_time) >= torch.tensor(batch["targetLengths"]).unsqueeze(1)
    return {
        "source": torch.tensor(batch["source"]).view(size, source_time),
        "source_lengths": lengths if hidden.any() else None,
        "source_mask": torch.zeros(size, 1, source_time).masked_fill(
            hidden.unsqueeze(1), float("-inf")
        ),
        "target_input": torch.tensor(batch["targetInput"]).view(size, target_time),
        "target": torch.tensor(batch["target"])
        .view(size, target_time)
        .masked_fill(padding, IGNORED),
    }


def make_trainer(job):
    model = Gnmt(job["workload"]["size"], job["quantized"])
    model.assign(read_weights(job["directory"]))
    return Seq2SeqTrainer(job, model, tensors, betas=(0.9, 0.999), eps=1e-8)


if __name__ == "__main__":
    serve(make_trainer)
