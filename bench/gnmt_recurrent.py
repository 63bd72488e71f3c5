"""LSTM layers of gnmt.py: nn.LSTM in float, and an unrolled cell that rounds at seven places."""

import torch
import torch.nn.functional as F
from fake_quant import FakeQuant, FakeQuantSlices
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

# Where activations start: gate sums of small weights are small, states lie in −1 … 1.
INPUT_CLIP, GATE_CLIP, CELL_CLIP, HIDDEN_CLIP = 1.0, 4.0, 2.0, 1.0
CELL_BITS = 16


class Lstm(nn.Module):
    """Dropout and one LSTM, in one direction or two, over [time, batch, inputs]."""

    def __init__(self, inputs, width, dropout, bidirectional=False):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(inputs, width, bidirectional=bidirectional)

    def assign(self, weights, path):
        """Takes the weights of our layer at a path."""
        for cells, suffix in (("cells", ""), ("cells_reverse", "_reverse")):
            if suffix and not self.lstm.bidirectional:
                continue
            for ours, theirs in (("fc_gate_x", "ih_l0"), ("fc_gate_h", "hh_l0")):
                kernel = weights[f"{path}/{cells}/0/{ours}/kernel"]
                getattr(self.lstm, f"weight_{theirs}{suffix}").copy_(kernel.T)
                bias = weights[f"{path}/{cells}/0/{ours}/bias"]
                getattr(self.lstm, f"bias_{theirs}{suffix}").copy_(bias)

    def forward(self, x, lengths=None):
        """x [time, batch, inputs]; lengths [batch], or None where all steps are real."""
        x = self.dropout(x)
        if lengths is None:
            return self.lstm(x)[0]
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], total_length=x.shape[0])[0]


class QuantCell(nn.Module):
    """One direction. Weights are rounded once a sequence, the four gates of a step by one operation."""

    def __init__(self, inputs, width):
        super().__init__()
        self.width = width
        self.kernel = nn.Parameter(torch.empty(4 * width, inputs))
        self.recurrent = nn.Parameter(torch.empty(4 * width, width))
        self.kernel_bias = nn.Parameter(torch.empty(4 * width))
        self.recurrent_bias = nn.Parameter(torch.empty(4 * width))
        self.kernel_quant = FakeQuant(8, 1.0)
        self.recurrent_quant = FakeQuant(8, 1.0)
        self.input_quant = FakeQuant(8, INPUT_CLIP)
        self.gates_quant = FakeQuantSlices(8, GATE_CLIP, slices=4, axis=1)
        self.cell_quant = FakeQuant(CELL_BITS, CELL_CLIP)
        self.hidden_quant = FakeQuant(8, HIDDEN_CLIP)

    def assign(self, weights, path):
        self.kernel.copy_(weights[f"{path}/fc_gate_x/kernel"].T)
        self.kernel_bias.copy_(weights[f"{path}/fc_gate_x/bias"])
        self.recurrent.copy_(weights[f"{path}/fc_gate_h/kernel"].T)
        self.recurrent_bias.copy_(weights[f"{path}/fc_gate_h/bias"])
        self.kernel_quant.cover(self.kernel)
        self.recurrent_quant.cover(self.recurrent)

    def forward(self, x, dropout):
        x = dropout(self.input_quant(x))
        recurrent = self.recurrent_quant(self.recurrent)
        hidden, cell, outputs = None, None, []
        for part in F.linear(x, self.kernel_quant(self.kernel), self.kernel_bias).unbind(0):
            if hidden is None:
                sums = part + self.recurrent_bias
            else:
                sums = part + F.linear(hidden, recurrent, self.recurrent_bias)
            i, f, g, o = self.gates_quant(sums.view(-1, 4, self.width)).unbind(1)
            added = torch.sigmoid(i) * torch.tanh(g)
            cell = self.cell_quant(added if cell is None else torch.sigmoid(f) * cell + added)
            hidden = self.hidden_quant(torch.sigmoid(o) * torch.tanh(cell))
            outputs.append(hidden)
        return torch.stack(outputs)


class QuantLstm(nn.Module):
    """Lstm with fake quantization."""

    def __init__(self, inputs, width, dropout, bidirectional=False):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.forward_cell = QuantCell(inputs, width)
        self.reverse_cell = QuantCell(inputs, width) if bidirectional else None

    def assign(self, weights, path):
        self.forward_cell.assign(weights, f"{path}/cells/0")
        if self.reverse_cell is not None:
            self.reverse_cell.assign(weights, f"{path}/cells_reverse/0")

    def forward(self, x, lengths=None):
        output = self.forward_cell(x, self.dropout)
        if self.reverse_cell is None:
            return output
        reverse = self.reverse_cell(reversed_in(x, lengths), self.dropout)
        both = torch.cat([output, reversed_in(reverse, lengths)], 2)
        if lengths is None:
            return both
        is_real = torch.arange(x.shape[0]).unsqueeze(1) < lengths
        return both * is_real.unsqueeze(2)


def reversed_in(x, lengths):
    """[time, batch, width] with the real steps of each row from last to first."""
    if lengths is None:
        return x.flip(0)
    time = torch.arange(x.shape[0]).unsqueeze(1)
    places = torch.where(time < lengths, lengths - 1 - time, time)
    return x.gather(0, places.unsqueeze(2).expand_as(x))
