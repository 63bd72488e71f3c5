"""Cross-entropy with label smoothing as src/ops/cross-entropy.ts has it."""

import math

import torch.nn.functional as F

IGNORED = -100


class SmoothedLoss:
    """Mean over the targets that are not IGNORED; zero for a perfect model."""

    def __init__(self, smoothing, classes):
        others = classes - 1
        # PyTorch gives ε/V to every class, the target included; here the others get ε/(V−1).
        self.smoothing = smoothing * classes / others
        self.least = entropy(smoothing, others)

    def __call__(self, logits, target):
        """Loss to go backward from; `least` is still to be taken off."""
        return F.cross_entropy(logits, target, label_smoothing=self.smoothing)


def entropy(smoothing, others):
    """Entropy of a smoothed target: ε spread evenly over the other classes."""
    if smoothing == 0:
        return 0
    return -(1 - smoothing) * math.log(1 - smoothing) - smoothing * math.log(smoothing / others)
