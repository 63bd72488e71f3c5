"""Training steps of the same Transformer in PyTorch, in float and with fake quantization.

Every matrix product gets two fake-quantized operands, as in src/layers: weights (and the tied
table) once a step, activations where they enter a product.
"""

import torch
import torch.nn.functional as F
from fake_quant import FakeQuant, FakeQuantProbabilities
from measured import serve
from seq2seq_trainer import Seq2SeqTrainer
from smoothed_loss import IGNORED
from torch import nn

EPSILON = 1e-6


class Settings:
    def __init__(self, size, quantized):
        self.size = size
        self.quantized = quantized

    def weight(self, clip=1.0):
        return FakeQuant(8, clip) if self.quantized else nn.Identity()

    def activation(self, unsigned=False):
        return FakeQuant(8, 16.0, unsigned) if self.quantized else nn.Identity()

    def probabilities(self):
        return FakeQuantProbabilities() if self.quantized else nn.Identity()


class Dense(nn.Module):
    def __init__(self, settings, inputs, outputs):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.kernel)
        self.quant = settings.weight()

    def forward(self, x):
        return F.linear(x, self.quant(self.kernel), self.bias)


class Norm(nn.Module):
    """Layer normalization and the quantizer of its result."""

    def __init__(self, settings):
        super().__init__()
        self.norm = nn.LayerNorm(settings.size["width"], eps=EPSILON)
        self.quant = settings.activation()

    def forward(self, x):
        return self.quant(self.norm(x))


class Attention(nn.Module):
    def __init__(self, settings, cross):
        super().__init__()
        width = settings.size["width"]
        self.heads = settings.size["heads"]
        self.width = width
        self.dropout = settings.size["dropout"]
        self.cross = cross
        if cross:
            self.q = Dense(settings, width, width)
            self.q_quant = settings.activation()
            self.kv = Dense(settings, width, 2 * width)
        else:
            self.qkv = Dense(settings, width, 3 * width)
        self.kv_quant = settings.activation()
        self.softmax_quant = settings.probabilities()
        self.joined_quant = settings.activation()
        self.output = Dense(settings, width, width)
        self.output_quant = settings.activation()

    def split(self, x, parts):
        batch, time_steps, _ = x.shape
        shape = (batch, time_steps, parts, self.heads, self.width // self.heads)
        return x.view(shape).permute(2, 0, 3, 1, 4)

    def forward(self, x, memory, mask):
        if self.cross:
            (q,) = self.split(self.q_quant(self.q(x)), 1)
            k, v = self.split(self.kv_quant(self.kv(memory)), 2)
        else:
            q, k, v = self.split(self.kv_quant(self.qkv(x)), 3)
        scores = torch.matmul(q, k.transpose(-1, -2)) * (self.width // self.heads) ** -0.5
        p = self.softmax_quant(torch.softmax(scores + mask, -1))
        p = F.dropout(p, self.dropout, self.training)
        joined = torch.matmul(p, v).transpose(1, 2).reshape(x.shape)
        return self.output_quant(self.output(self.joined_quant(joined)))


class FeedForward(nn.Module):
    def __init__(self, settings):
        super().__init__()
        size = settings.size
        self.dropout = size["dropout"]
        self.dense1 = Dense(settings, size["width"], size["filter"])
        self.quant = settings.activation(unsigned=True)
        self.dense2 = Dense(settings, size["filter"], size["width"])

    def forward(self, x):
        hidden = self.quant(torch.relu(self.dense1(x)))
        return self.dense2(F.dropout(hidden, self.dropout, self.training))


class Layer(nn.Module):
    def __init__(self, settings, cross):
        super().__init__()
        self.dropout = settings.size["dropout"]
        self.self_norm = Norm(settings)
        self.self_attention = Attention(settings, cross=False)
        self.cross_norm = Norm(settings) if cross else None
        self.cross_attention = Attention(settings, cross=True) if cross else None
        self.ffn_norm = Norm(settings)
        self.ffn = FeedForward(settings)

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)

    def forward(self, x, mask, memory=None, memory_mask=None):
        x = x + self.drop(self.self_attention(self.self_norm(x), None, mask))
        if self.cross_attention is not None:
            x = x + self.drop(self.cross_attention(self.cross_norm(x), memory, memory_mask))
        return x + self.drop(self.ffn(self.ffn_norm(x)))


class Transformer(nn.Module):
    """Pre-norm, sinusoids, one table for both sides and the logits."""

    def __init__(self, size, quantized):
        super().__init__()
        settings = Settings(size, quantized)
        width = size["width"]
        self.width = width
        self.dropout = size["dropout"]
        self.table = nn.Parameter(torch.randn(size["vocabulary"], width) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(size["vocabulary"]))
        self.table_quant = settings.weight()
        self.encoder = nn.ModuleList(Layer(settings, False) for _ in range(size["encoderLayers"]))
        self.decoder = nn.ModuleList(Layer(settings, True) for _ in range(size["decoderLayers"]))
        self.encoder_norm = Norm(settings)
        self.decoder_norm = Norm(settings)
        self.register_buffer("signal", sinusoids(256, width))

    def embed(self, table, ids):
        x = F.embedding(ids, table) * self.width**0.5 + self.signal[: ids.shape[1]]
        return F.dropout(x, self.dropout, self.training)

    def forward(self, batch):
        table = self.table_quant(self.table)
        x = self.embed(table, batch["source"])
        for layer in self.encoder:
            x = layer(x, batch["source_mask"])
        memory = self.encoder_norm(x)
        y = self.embed(table, batch["target_input"])
        for layer in self.decoder:
            y = layer(y, batch["causal"], memory, batch["source_mask"])
        return F.linear(self.decoder_norm(y), table, self.bias)


def sinusoids(length, width):
    position = torch.arange(length).unsqueeze(1)
    rates = torch.exp(torch.arange(width // 2) * -(torch.log(torch.tensor(1e4)) / (width // 2 - 1)))
    return torch.cat([torch.sin(position * rates), torch.cos(position * rates)], 1)


def tensors(batch):
    size, source_time, target_time = batch["size"], batch["sourceTime"], batch["targetTime"]
    lengths = torch.tensor(batch["sourceLengths"])
    hidden = torch.arange(source_time) >= lengths.unsqueeze(1)
    target = torch.tensor(batch["target"]).view(size, target_time)
    padding = torch.arange(target_time) >= torch.tensor(batch["targetLengths"]).unsqueeze(1)
    return {
        "source": torch.tensor(batch["source"]).view(size, source_time),
        "target_input": torch.tensor(batch["targetInput"]).view(size, target_time),
        "target": target.masked_fill(padding, IGNORED),
        "source_mask": torch.zeros(size, 1, 1, source_time).masked_fill(
            hidden[:, None, None, :], float("-inf")
        ),
        "causal": torch.full((target_time, target_time), float("-inf")).triu(1),
    }


def make_trainer(job):
    model = Transformer(job["workload"]["size"], job["quantized"])
    return Seq2SeqTrainer(job, model, tensors, betas=(0.9, 0.98), eps=1e-9)


serve(make_trainer)
