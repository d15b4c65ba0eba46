"""What every training stage shares: schedule, EMA, checkpoints, progress, time limit."""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .config import Train

PROGRESS_SECONDS = 15.0
SAVE_SECONDS = 120.0


def setup(threads: int, seed: int = 0) -> torch.Generator:
    """Sets threads and seeds; returns the generator for a stage's random draws."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def autocast():
    """bf16 where the processor computes in it, else plain float32."""
    flags = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return nullcontext()


def save(path: Path, tensors: dict[str, torch.Tensor], meta: dict | None = None) -> None:
    """Writes path (safetensors) and path.json beside it, each whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, str(beside))
    os.replace(beside, path)
    if meta is not None:
        text = path.with_name(path.name + ".json.part")
        text.write_text(json.dumps(meta, indent=1))
        os.replace(text, path.with_suffix(".json"))


def load_weights(module: torch.nn.Module, path: Path) -> dict:
    """Fills the module from a checkpoint written by save; returns its json, {} if none."""
    if not path.exists():
        raise SystemExit(f"{path} is missing: run the stage that makes it first")
    module.load_state_dict(load_file(str(path)))
    text = path.with_suffix(".json")
    return json.loads(text.read_text()) if text.exists() else {}


class Trainer:
    """Runs steps over one or several modules until the steps or the minutes are used up.

        t = Trainer(cfg.state("vae"), "vae", {"encoder": enc, "decoder": dec}, cfg.vae.train,
                    minutes, fresh=cfg.fresh)
        for step in t:
            with autocast(): loss = ...
            t.step(loss, images=len(batch))

    The learning rate warms up, stays, and falls along a cosine; its position is the
    larger of the share of steps and the share of minutes used, so a stage that is cut
    short by the clock still ends at a low rate. Files in `folder`: <name>.safetensors
    (EMA weights, keys "<module>.<parameter>", what other stages load), <name>.json, and
    <name>.resume.pt (raw weights, optimiser, counters), written beside and renamed. Without the last
    the stage starts from the first, with a fresh optimiser and schedule.
    """

    def __init__(self, folder: Path, name: str, modules: dict[str, torch.nn.Module], train: Train,
                 minutes: float | None = None, fresh: bool = False, optimizers=None, clip: float = 1.0,
                 floor: float = 0.02):
        self.folder, self.name, self.train, self.clip, self.floor = folder, name, train, clip, floor
        self.modules = torch.nn.ModuleDict(modules)
        self.limit = 60.0 * (train.minutes if minutes is None else minutes)
        params = [p for p in self.modules.parameters() if p.requires_grad]
        self.optimizers = optimizers or [torch.optim.AdamW(
            params, lr=train.lr, weight_decay=train.weight_decay, betas=(0.9, 0.98), fused=True)]
        self.rates = [[g["lr"] for g in o.param_groups] for o in self.optimizers]
        self.params = params
        self.at, self.images, self.spent, self.log = 0, 0, 0.0, []
        self.ema = {k: v.detach().clone() for k, v in self.modules.state_dict().items()}
        self.meta: dict = {}
        if not fresh and self.resume_path.exists():
            self._resume()
        elif not fresh and self.path.exists():
            self._start()
        self.sum, self.count = {}, 0

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.safetensors"

    @property
    def resume_path(self) -> Path:
        return self.folder / f"{self.name}.resume.pt"

    @property
    def progress(self) -> float:
        """Share of the stage done, 0..1, by steps or by the clock, whichever is further."""
        return min(1.0, max(self.at / self.train.steps, self.spent / self.limit if self.limit else 1.0))

    def rate(self) -> float:
        """Factor on every group's learning rate at this step."""
        warm = min(1.0, (self.at + 1) / max(1, self.train.warmup))
        return warm * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * self.progress)))

    def __iter__(self):
        self.started = self.shown = self.saved = time.monotonic()
        self.before = self.spent
        self.modules.train()
        while self.progress < 1.0:
            factor = self.rate()
            for opt, rates in zip(self.optimizers, self.rates):
                for group, lr in zip(opt.param_groups, rates):
                    group["lr"] = lr * factor
            yield self.at
            now = time.monotonic()
            self.spent = self.before + now - self.started
            if now - self.shown > PROGRESS_SECONDS:
                self.show()
            if now - self.saved > SAVE_SECONDS:
                self.save()
                self.saved = time.monotonic()
        self.show()
        self.save()
        self.modules.eval()

    def step(self, loss: torch.Tensor, images: int = 0, **figures) -> None:
        """Backward, clip, update, EMA. `figures` are averaged into the progress line."""
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.params, self.clip)
        for opt in self.optimizers:
            opt.step()
            opt.zero_grad(set_to_none=True)
        decay = min(self.train.ema, (1 + self.at) / (10 + self.at))
        with torch.no_grad():
            floats, others = [], []
            for k, v in self.modules.state_dict().items():
                if v.is_floating_point():
                    floats.append((self.ema[k], v))
                else:
                    self.ema[k].copy_(v)
            if floats:
                torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)
        self.at += 1
        self.images += images
        self.count += 1
        for k, v in {"loss": loss, "norm": norm, **figures}.items():
            self.sum[k] = self.sum.get(k, 0.0) + float(v.detach() if torch.is_tensor(v) else v)

    def show(self) -> None:
        now = time.monotonic()
        if not self.count:
            return
        figures = {k: v / self.count for k, v in self.sum.items()}
        left = self.spent / self.progress - self.spent if self.progress > 0 else 0
        self.log.append({"step": self.at, "seconds": round(self.spent), "images": self.images, **figures})
        text = " ".join(f"{k} {v:.4f}" for k, v in figures.items())
        print(f"{self.name}: step {self.at} {text} {self.count / (now - self.shown):.2f} step/s "
              f"{self.images} images {100 * self.progress:.0f}% {left / 60:.1f} min left", flush=True)
        self.sum, self.count, self.shown = {}, 0, now

    def save(self) -> None:
        self.meta.update(step=self.at, images=self.images, seconds=round(self.spent),
                         done=self.progress >= 1.0, log=self.log)
        save(self.path, self.ema, self.meta)
        beside = self.resume_path.with_suffix(".part")
        torch.save({"model": self.modules.state_dict(), "ema": self.ema,
                    "optimizers": [o.state_dict() for o in self.optimizers], "meta": self.meta}, beside)
        os.replace(beside, self.resume_path)

    def load_ema(self) -> None:
        """Puts the EMA weights into the modules, for measuring after training."""
        self.modules.load_state_dict(self.ema)

    def _start(self) -> None:
        """From the averaged weights alone: another machine's, or a bundle's."""
        self.modules.load_state_dict(load_file(str(self.path)))
        self.ema = {k: v.detach().clone() for k, v in self.modules.state_dict().items()}
        text = self.path.with_suffix(".json")
        before = json.loads(text.read_text()) if text.exists() else {}
        self.images = before.get("images", 0)
        self.meta = {"seconds_before": before.get("seconds", 0) + before.get("seconds_before", 0)}
        print(f"{self.name}: started from {self.path.name}, {self.images} images seen before", flush=True)

    def _resume(self) -> None:
        held = torch.load(self.resume_path, weights_only=True)
        self.modules.load_state_dict(held["model"])
        self.ema, self.meta = held["ema"], held["meta"]
        for opt, state in zip(self.optimizers, held["optimizers"]):
            opt.load_state_dict(state)
        self.at, self.images, self.spent = self.meta["step"], self.meta["images"], self.meta["seconds"]
        self.log = self.meta["log"]
        print(f"{self.name}: resumed at step {self.at}, {self.spent / 60:.1f} min spent", flush=True)
