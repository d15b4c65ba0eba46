"""Two people in one picture by masked attention, beside plain attention (the paper's figure 8)."""

from __future__ import annotations

from .bench import Bench
from .several import CANVAS, columns, look, order, scenes, summary
from .table import Table


def two(bench: Bench, count: int) -> list[Table]:
    """Masked attention beside plain attention over both people's tokens."""
    drawn, rows = scenes(bench, count, 2), []
    for name, masked in (("masked by person", True), ("plain: both everywhere", False)):
        made = bench.mesh.paint([order(bench, s, masked) for s in drawn])
        rows.append([name, *summary(bench, [s.given for s in drawn], [look(bench, s, p) for s, p in zip(drawn, made, strict=True)])])
    height, width = CANVAS
    return [Table(f"Two people, {width}x{height}", ["attention", *columns(bench)], rows,
                  "Pictures as in the table of several people. Plain attention gives each of the two half of every place.")]
