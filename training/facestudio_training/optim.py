"""Muon for matrices and convolutions, AdamW for everything else.

Muon steps along the nearest orthogonal matrix to the momentum, so every
direction of a weight moves equally far; on short trainings like ours that is
worth more than its extra arithmetic.
"""

from __future__ import annotations

import torch

from .config import Train
from .device import fast


class Muon(torch.optim.Optimizer):
    """Weights of two or more dimensions, seen as [out, rest]. lr is the RMS change of an entry
    per step relative to a unit-RMS orthogonal update, comparable with AdamW's."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.01, iterations: int = 5):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay,
                                  "iterations": iterations})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            updates = [self._momentum(p, group["momentum"]) for p in params]
            for members in alike(updates):
                stacked = torch.stack([updates[i] for i in members])
                for i, update in zip(members, orthogonal(stacked, group["iterations"]), strict=True):
                    p = params[i]
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update.view_as(p), alpha=-group["lr"] * 0.2 * max(update.shape) ** 0.5)

    def _momentum(self, p: torch.Tensor, momentum: float) -> torch.Tensor:
        """The gradient looking ahead along its running mean, [out, rest]."""
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        held = state["momentum"]
        held.lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(held, momentum).flatten(1)


def alike(updates: list[torch.Tensor]) -> list[list[int]]:
    """Indices of matrices of one shape together, on a GPU, where a few large products are faster than
    many small ones; each alone on a processor."""
    groups: dict[tuple, list[int]] = {}
    for i, x in enumerate(updates):
        groups.setdefault((x.shape, i if x.device.type == "cpu" else 0), []).append(i)
    return list(groups.values())


def orthogonal(matrix: torch.Tensor, iterations: int) -> torch.Tensor:
    """About U V^T of each matrix's U S V^T, [..., out, rest], by quintic Newton-Schulz,
    in bf16 where that is computed and not emulated, which takes ten times as long as float32."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = (matrix.mT if tall else matrix).to(fast(matrix.device))
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix.dtype)


def mixed(module: torch.nn.Module, train: Train, outside: tuple[str, ...] = (),
          hidden_lr: float | None = None) -> list[torch.optim.Optimizer]:
    """Muon for the module's weights, AdamW for biases, norms and parameters whose names hold a
    part listed in outside (first and last layers, whose rows are not directions of one kind).
    train.lr is AdamW's rate, and Muon's too unless hidden_lr says otherwise."""
    hidden, rest = [], []
    for name, p in module.named_parameters():
        if p.requires_grad:
            (hidden if p.ndim >= 2 and not any(part in name for part in outside) else rest).append(p)
    return [Muon(hidden, lr=hidden_lr or train.lr, weight_decay=train.weight_decay),
            torch.optim.AdamW(rest, lr=train.lr, weight_decay=0.0, betas=(0.9, 0.98), fused=True)]
