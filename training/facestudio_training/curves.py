"""Curves of a run: what was logged on the way, against the pictures seen."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from .files import replacing

LEFT_OUT = ("step", "seconds", "images")


def draw(log: list[dict], title: str, path: Path) -> None:
    """Writes one panel for each figure of the log's lines to path (PNG); nothing where there are fewer than two lines."""
    names = list(dict.fromkeys(name for line in log for name in line if name not in LEFT_OUT))
    if len(log) < 2 or not names:
        return
    figure = Figure(figsize=(6, 1 + 1.9 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    for panel, name in zip(panels, names, strict=True):
        told = [line for line in log if name in line]
        panel.plot([line["images"] for line in told], [line[name] for line in told], linewidth=1)
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
    panels[0].set_title(f"{title}, {log[-1]['seconds'] / 60:.1f} min")
    panels[-1].set_xlabel("pictures seen")
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=100)
