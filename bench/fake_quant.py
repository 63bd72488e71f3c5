"""Fake quantization in PyTorch with a learned step size, as quantization-aware training there has it."""

import torch
from torch import nn

HAS_LEARNABLE = hasattr(torch, "_fake_quantize_learnable_per_tensor_affine")


class FakeQuant(nn.Module):
    """One learned step size for a tensor; signed, or from zero up after ReLU."""

    def __init__(self, bits, clip, unsigned=False):
        super().__init__()
        self.low = 0 if unsigned else -(2 ** (bits - 1))
        self.high = 2**bits - 1 if unsigned else 2 ** (bits - 1) - 1
        self.scale = nn.Parameter(torch.tensor([clip / self.high]))
        self.register_buffer("zero", torch.zeros(1))

    @torch.no_grad()
    def cover(self, x):
        """Sets the step size so that x just fits."""
        self.scale.fill_(x.abs().max() / self.high)

    def forward(self, x):
        if HAS_LEARNABLE:
            return torch._fake_quantize_learnable_per_tensor_affine(
                x, self.scale, self.zero, self.low, self.high, 1.0
            )
        return torch.fake_quantize_per_tensor_affine(x, self.scale.item(), 0, self.low, self.high)


class FakeQuantSlices(nn.Module):
    """A learned step size for each slice of a tensor along an axis, all in one operation; signed."""

    def __init__(self, bits, clip, slices, axis):
        super().__init__()
        self.low, self.high, self.axis = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, axis
        self.scale = nn.Parameter(torch.full((slices,), clip / self.high))
        self.register_buffer("zero", torch.zeros(slices))

    def forward(self, x):
        if HAS_LEARNABLE:
            return torch._fake_quantize_learnable_per_channel_affine(
                x, self.scale, self.zero, self.axis, self.low, self.high, 1.0
            )
        zero = self.zero.int()
        return torch.fake_quantize_per_channel_affine(
            x, self.scale, zero, self.axis, self.low, self.high
        )


class FakeQuantProbabilities(nn.Module):
    """The fixed grid of probabilities: steps of 1/256."""

    def forward(self, x):
        return torch.fake_quantize_per_tensor_affine(x, 1 / 256, 0, 0, 255)
