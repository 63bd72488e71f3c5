"""Training steps of a translation model in PyTorch: loss, clipped gradients, Adam."""

import json
import os

import torch
from smoothed_loss import SmoothedLoss


class Seq2SeqTrainer:
    """
    Trains `model` on the batches of a job. `tensors` makes a batch's inputs, `target` among them; parameters
    whose names end with "scale" are step sizes of quantizers, which the norm of the gradients leaves out.
    """

    def __init__(self, job, model, tensors, betas, eps):
        workload = job["workload"]
        with open(os.path.join(job["directory"], "batches.json"), encoding="utf-8") as file:
            self.batches = json.load(file)
        self.tensors = tensors
        self.model = torch.compile(model) if job["compiled"] else model
        self.model.train()
        self.clip_norm = workload["clipNorm"]
        self.loss = SmoothedLoss(workload["labelSmoothing"], workload["size"]["vocabulary"])
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=1e-4, betas=betas, eps=eps, fused=True
        )
        self.weights = [p for name, p in model.named_parameters() if not name.endswith("scale")]

    def step(self, i):
        """Step i of a turn; returns the loss before it, zero for a perfect model."""
        inputs = self.tensors(self.batches[i])
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.model(inputs).flatten(0, 1)
        loss = self.loss(logits, inputs["target"].flatten())
        loss.backward()
        if self.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.weights, self.clip_norm)
        self.optimizer.step()
        return loss.item() - self.loss.least
