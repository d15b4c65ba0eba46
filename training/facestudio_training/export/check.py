"""What an exported graph must satisfy, measured with ONNX Runtime's CPU provider."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import nn

from .roles import Role

# Largest difference of the float32 graph to PyTorch, over max(1, |value|).
PARITY = 2e-4
# Largest change by storing the weights small: root mean square, as a share of the output's spread.
ROUNDING = {"fp16": 5e-3, "int8": 5e-2}
SEED = 11


@dataclass
class Report:
    """What was measured of one role."""

    key: str
    bytes: int
    nodes: int
    stored: str  # how the weights are stored: fp16 or int8
    parity: float  # of the float32 graph to PyTorch
    rounding: float  # what storing the weights so changes, relative to the output's spread
    batch_invariant: bool  # the same bits in batches of 2 and 8
    one_differs: bool  # batch 1 gives other bits than batch 2
    milliseconds: float  # one run at batch 2

    def line(self) -> str:
        return (f"{self.key:20s} {self.bytes / 1e6:6.2f} MB {self.nodes:4d} nodes  parity {self.parity:.1e}  "
                f"{self.stored} {self.rounding:.1e}  batch {'same bits' if self.batch_invariant else 'DIFFERS'}"
                f"{', 1 differs' if self.one_differs else ''}  {self.milliseconds:.1f} ms at 2")


class Failed(ValueError):
    """A graph that must not go into a bundle; the text names the role and what is wrong."""


def open_session(model: onnx.ModelProto | bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, inputs: dict[str, torch.Tensor]) -> np.ndarray:
    """The first output."""
    return session.run(None, {k: v.numpy() for k, v in inputs.items()})[0]


def check(module: nn.Module, role: Role, exact: onnx.ModelProto, stored: onnx.ModelProto, kind: str,
          threads: int) -> Report:
    """Measures a role's float32 graph and the one that is kept; raises Failed when either is off."""
    data = stored.SerializeToString()
    whole, session = open_session(exact, threads), open_session(data, threads)
    parity, rounding = 0.0, 0.0
    for turn in (0, 1):
        inputs = role.example(SEED + turn, **{axis: pair[turn] for axis, pair in role.sizes.items()})
        with torch.no_grad():
            want = module(**inputs).numpy()
        got, kept = run(whole, inputs), run(session, inputs)
        if got.shape != want.shape:
            raise Failed(f"{role.key}: output is {got.shape}, PyTorch gives {want.shape}")
        parity = max(parity, float((np.abs(got - want) / np.maximum(1, np.abs(want))).max()))
        rounding = max(rounding, float(np.sqrt(((kept - got) ** 2).mean()) / max(1e-6, got.std())))
    if not parity < PARITY:
        raise Failed(f"{role.key}: differs from PyTorch by {parity:.2e}, more than {PARITY:.0e}")
    if not rounding < ROUNDING[kind]:
        raise Failed(f"{role.key}: weights as {kind} change it by {rounding:.2e}, more than {ROUNDING[kind]:.0e}")
    invariant, one_differs = batches(session, role)
    if role.role == "unet":
        padding(session, role)
    return Report(role.key, len(data), len(stored.graph.node), kind, parity, rounding, invariant, one_differs,
                  clock(session, role.example(SEED, batch=2)))


def batches(session: ort.InferenceSession, role: Role) -> tuple[bool, bool]:
    """Whether rows have the same bits in batches of 2 and of 8; whether batch 1 differs."""
    eight = role.example(SEED, batch=8)
    whole = run(session, eight)
    pairs = [run(session, {k: v[i:i + 2].contiguous() for k, v in eight.items()}) for i in range(0, 8, 2)]
    three = run(session, {k: v[3:6].contiguous() for k, v in eight.items()})
    one = run(session, {k: v[:1].contiguous() for k, v in eight.items()})
    invariant = np.array_equal(np.concatenate(pairs), whole) and np.array_equal(three, whole[3:6])
    return invariant, not np.array_equal(one[0], whole[0])


def padding(session: ort.InferenceSession, role: Role) -> None:
    """People added with an all-zero mask must not change a bit, whatever their context."""
    inputs = role.example(SEED, people=2)
    other = role.example(SEED + 1, people=5)
    padded = dict(inputs)
    padded["context"] = torch.cat([inputs["context"], other["context"][:, 2:]], 1)
    padded["mask"] = torch.cat([inputs["mask"], torch.zeros_like(other["mask"][:, 2:])], 1)
    if not np.array_equal(run(session, inputs), run(session, padded)):
        raise Failed(f"{role.key}: people with an empty mask change the prediction")


def clock(session: ort.InferenceSession, inputs: dict[str, torch.Tensor]) -> float:
    """Milliseconds of one run: the least of several, so that other work on the machine counts little."""
    feed, best = {k: v.numpy() for k, v in inputs.items()}, float("inf")
    for _ in range(8):
        started = time.perf_counter()
        session.run(None, feed)
        best = min(best, time.perf_counter() - started)
    return best * 1000
