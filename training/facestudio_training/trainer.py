"""What every training stage shares: schedule, EMA, checkpoints, progress, time limit."""

from __future__ import annotations

import json
import math
import pickle
import signal
import threading
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from . import curves
from .config import Train
from .device import CPU, generator
from .files import replacing, write_json

PROGRESS_SECONDS = 15.0
SAVE_SECONDS = 120.0


def setup(threads: int, seed: int = 0, device: torch.device = CPU) -> torch.Generator:
    """Sets threads and seeds; returns the generator, on the device, for a stage's random draws."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU; without meaning on a processor
    return generator(device, seed)


def save(path: Path, tensors: dict[str, torch.Tensor], meta: dict | None = None) -> None:
    """Writes path (safetensors) and path.json beside it, each whole or not at all."""
    with replacing(path) as beside:
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, str(beside))
    if meta is not None:
        write_json(path.with_suffix(".json"), meta)


def load_weights(module: torch.nn.Module, path: Path) -> dict:
    """Fills the module from a checkpoint written by save; returns its json, {} if none."""
    if not path.exists():
        raise SystemExit(f"{path} is missing: run the stage that makes it first")
    weights = load_file(str(path))
    if told := misfit(module, weights):
        raise SystemExit(f"{path} belongs to another configuration: {told}")
    module.load_state_dict(weights)
    text = path.with_suffix(".json")
    return json.loads(text.read_text()) if text.exists() else {}


class Trainer:
    """Runs steps over one or several modules until the steps or the minutes are used up.

        t = Trainer(cfg.state("vae"), "vae", {"encoder": enc, "decoder": dec}, cfg.vae.train,
                    minutes, fresh=cfg.fresh)
        for step in t:
            with autocast(device): loss = ...
            t.step(loss, images=len(batch))

    The learning rate warms up, stays, and falls along a cosine; its position is the
    larger of the share of steps and the share of minutes used, so a stage that is cut
    short by the clock still ends at a low rate. Files in `folder`: <name>.safetensors
    (EMA weights, keys "<module>.<parameter>", what other stages load), <name>.json, <name>-curves.png, and
    <name>.resume.pt (raw weights, optimiser, counters), written beside and renamed. Without the last
    the stage starts from the first, with a fresh optimiser and schedule. The state of `random` and of
    PyTorch's own generators is kept too, so a stage that goes on draws what it would have drawn.

    SIGINT and SIGTERM end the step in hand, save, and exit with 130: run again to go on.
    """

    def __init__(self, folder: Path, name: str, modules: dict[str, torch.nn.Module], train: Train,
                 minutes: float | None = None, fresh: bool = False, optimizers=None, clip: float = 1.0,
                 floor: float = 0.02, random: torch.Generator | None = None):
        self.folder, self.name, self.train, self.clip, self.floor = folder, name, train, clip, floor
        self.modules = torch.nn.ModuleDict(modules)
        self.limit = 60.0 * (train.minutes if minutes is None else minutes)
        params = [p for p in self.modules.parameters() if p.requires_grad]
        self.optimizers = optimizers or [torch.optim.AdamW(
            params, lr=train.lr, weight_decay=train.weight_decay, betas=(0.9, 0.98), fused=True)]
        self.rates = [[g["lr"] for g in o.param_groups] for o in self.optimizers]
        self.params, self.device, self.random = params, params[0].device, random
        self.at, self.images, self.spent, self.log = 0, 0, 0.0, []
        self.before = 0  # images seen in schedules before this one, so that it draws others than they did
        self.ema = {k: v.detach().clone() for k, v in self.modules.state_dict().items()}
        self.meta: dict = {}
        self.stop = 0
        if not fresh and self.resume_path.exists():
            self._resume()
        elif not fresh and self.path.exists():
            self._start()
        self.sum, self.count = {}, 0
        held = self.modules.state_dict()
        names = [k for k, v in held.items() if v.is_floating_point()]
        self.floats = [self.ema[k] for k in names], [held[k] for k in names]
        self.others = {k: v for k, v in held.items() if k not in names}

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
        self.earlier = self.spent
        self.modules.train()
        before = self._catch()
        try:
            yield from self._steps()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self.show()
        self.save()
        self.modules.eval()
        if self.stop:
            print(f"{self.name}: stopped at step {self.at}, saved: run again to go on", flush=True)
            raise SystemExit(128 + self.stop)

    def _catch(self) -> dict:
        """Takes over the signals that end a run; returns what they did before. Only the main thread may."""
        def note(number: int, _frame) -> None:
            if self.stop:  # the second one does not wait for the step
                raise KeyboardInterrupt
            self.stop = number

        if threading.current_thread() is not threading.main_thread():
            return {}
        return {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}

    def _steps(self):
        while self.progress < 1.0 and not self.stop:
            factor = self.rate()
            for opt, rates in zip(self.optimizers, self.rates):
                for group, lr in zip(opt.param_groups, rates):
                    group["lr"] = lr * factor
            yield self.at
            now = time.monotonic()
            self.spent = self.earlier + now - self.started
            if now - self.shown > PROGRESS_SECONDS:
                self.show()
            if now - self.saved > SAVE_SECONDS:
                self.save()
                self.saved = time.monotonic()

    def step(self, loss: torch.Tensor, images: int = 0, **figures) -> None:
        """Backward, clip, update, EMA. `figures` are averaged into the progress line."""
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.params, self.clip)
        for opt in self.optimizers:
            opt.step()
            opt.zero_grad(set_to_none=True)
        decay = min(self.train.ema, (1 + self.at) / (10 + self.at))
        with torch.no_grad():
            averaged, latest = self.floats
            torch._foreach_lerp_(averaged, latest, 1 - decay)
            for k, v in self.others.items():
                self.ema[k].copy_(v)
        self.at += 1
        self.images += images
        self.count += 1
        for k, v in {"loss": loss, "norm": norm, **figures}.items():
            # Not made a number yet: that would wait for the GPU at every step.
            self.sum[k] = self.sum.get(k, 0.0) + (v.detach() if torch.is_tensor(v) else v)

    def show(self) -> None:
        now = time.monotonic()
        if not self.count:
            return
        figures = {k: float(v) / self.count for k, v in self.sum.items()}
        left = self.spent / self.progress - self.spent if self.progress > 0 else 0
        self.log.append({"step": self.at, "seconds": round(self.spent), "images": self.images, **figures})
        text = " ".join(f"{k} {v:.4f}" for k, v in figures.items())
        print(f"{self.name}: step {self.at} {text} {self.count / (now - self.shown):.2f} step/s "
              f"{self.images} images {100 * self.progress:.0f}% {left / 60:.1f} min left", flush=True)
        self.sum, self.count, self.shown = {}, 0, now

    def save(self) -> None:
        self.meta.update(step=self.at, images=self.images, images_before=self.before, seconds=round(self.spent),
                         done=self.progress >= 1.0, log=self.log)
        save(self.path, self.ema, self.meta)
        with replacing(self.resume_path) as beside:
            torch.save({"model": self.modules.state_dict(), "ema": self.ema, "random": self._randomness(),
                        "optimizers": [o.state_dict() for o in self.optimizers], "meta": self.meta}, beside)
        curves.draw(self.log, self.name, self.folder / f"{self.name}-curves.png")

    def load_ema(self) -> None:
        """Puts the EMA weights into the modules, for measuring after training."""
        self.modules.load_state_dict(self.ema)

    def _start(self) -> None:
        """From the averaged weights alone: another machine's, or a bundle's."""
        self._fill(load_file(str(self.path), device=str(self.device)), self.path)
        self.ema = {k: v.detach().clone() for k, v in self.modules.state_dict().items()}
        text = self.path.with_suffix(".json")
        before = json.loads(text.read_text()) if text.exists() else {}
        self.images = self.before = before.get("images", 0)
        self._settle({})
        self.meta = {"seconds_before": before.get("seconds", 0) + before.get("seconds_before", 0)}
        print(f"{self.name}: started from {self.path.name}, {self.images} images seen before", flush=True)

    def _resume(self) -> None:
        try:
            held = torch.load(self.resume_path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as err:
            raise SystemExit(f"{self.resume_path} is damaged ({err}): remove it to go on from {self.path.name} with a fresh "
                             "optimiser, or run with --fresh") from err
        self._fill(held["model"], self.resume_path)
        held["ema"] = {k: v.to(self.device) for k, v in held["ema"].items()}
        self.ema, self.meta = held["ema"], held["meta"]
        for opt, state in zip(self.optimizers, held["optimizers"]):
            opt.load_state_dict(state)
        self.at, self.images, self.spent = self.meta["step"], self.meta["images"], self.meta["seconds"]
        self.log, self.before = self.meta["log"], self.meta.get("images_before", 0)
        self._settle(held.get("random", {}))
        print(f"{self.name}: resumed at step {self.at}, {self.spent / 60:.1f} min spent", flush=True)

    def _fill(self, weights: dict[str, torch.Tensor], path: Path) -> None:
        """Puts weights of a checkpoint into the modules, or says why they do not fit."""
        if told := misfit(self.modules, weights):
            raise SystemExit(f"{path} belongs to another configuration: {told}. Run with the configuration it was made "
                             "with, or with --fresh to start anew, or name another folder in [paths] state")
        self.modules.load_state_dict(weights)

    def _randomness(self) -> dict[str, torch.Tensor]:
        """The states of all generators that draws come from."""
        held = {"torch": torch.get_rng_state()}
        if self.random is not None:
            held[f"stage on {self.device.type}"] = self.random.get_state()
        if self.device.type == "cuda":
            held["cuda"] = torch.cuda.get_rng_state(self.device)
        return held

    def _settle(self, held: dict[str, torch.Tensor]) -> None:
        """Puts the generators where they were. A checkpoint of another kind of device, or an older
        one, has none that fit, nor has a schedule that begins: then draws start anew from how much was seen."""
        wanted = set(self._randomness())
        if not wanted <= held.keys():
            torch.manual_seed(self.train.seed + self.images + self.at)
            if self.random is not None:
                self.random.manual_seed(self.train.seed + self.images + self.at)
            return
        torch.set_rng_state(held["torch"])
        if self.random is not None:
            self.random.set_state(held[f"stage on {self.device.type}"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(held["cuda"], self.device)


def misfit(module: torch.nn.Module, weights: dict[str, torch.Tensor]) -> str:
    """What of a checkpoint does not fit the module, "" if all does."""
    wanted = module.state_dict()
    for name, value in wanted.items():
        if name in weights and weights[name].shape != value.shape:
            return f"{name} is {list(weights[name].shape)} there and {list(value.shape)} here"
    missing, extra = wanted.keys() - weights.keys(), weights.keys() - wanted.keys()
    if missing:
        return f"it has no {sorted(missing)[0]}" + (f" and {len(missing) - 1} others" if len(missing) > 1 else "")
    if extra:
        return f"it has {sorted(extra)[0]}, which is not known here"
    return ""
