"""Draw how a real run spent its budget, from the files in its folder, as an SVG.

python -m benchmarks.first_minute.timeline runs/first docs/budget.svg
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, LANE, LEFT, RIGHT, TOP = 900, 26, 150, 170, 34
"""Pixels: of the picture, of a trial's lane, and of the margins."""
COLOURS = {
    "probe": "#2a9d8f",
    "zero_shot": "#2a9d8f",
    "full": "#3a6ea5",
    "partial": "#7b6fb0",
    "lora": "#c77d3a",
}
"""Fill of a bar by the method's name without its version."""
OTHER_COLOUR = "#999999"
TICKS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A trial on the time axis."""

    number: int
    method: str
    model: str
    start: float
    """Seconds from the command."""
    seconds: float
    score: float | None
    status: str


def main() -> None:
    """Read a run's folder and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    options.picture.write_text(
        drawn(bars_of(options.run), seconds_of(options.run)), encoding="utf-8"
    )


def seconds_of(run: Path) -> float:
    """Return the seconds that a run used, from the command to its last trial's end."""
    return float(json.loads((run / "clock.json").read_text(encoding="utf-8"))["seconds"])


def bars_of(run: Path) -> list[Bar]:
    """Return the trials of a run in the order of their start."""
    # The clock counts from the command; its file is written last at the end of the search.
    began = (run / "clock.json").stat().st_mtime - seconds_of(run)
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    metric = next(name for name in info["objectives"] if name != "evaluation_time")
    bars = []
    for folder in sorted((run / "trials").iterdir()):
        result_file = folder / "result.json"
        if not result_file.exists():
            continue
        spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        result = json.loads(result_file.read_text(encoding="utf-8"))
        values = spec["configuration"]["values"]
        started = (folder / "spec.json").stat().st_mtime
        bar = Bar(
            number=spec["number"],
            method=values["method"].partition(".")[0],
            model=values["model"],
            start=started - began,
            seconds=result["wall_time"],
            score=(result.get("metrics") or {}).get(metric),
            status=result["status"],
        )
        bars.append(bar)
    return bars


def drawn(bars: list[Bar], seconds: float) -> str:
    """Return the SVG.

    Args:
        bars: The trials.
        seconds: What the run used of its budget.
    """
    height = TOP + LANE * (len(bars) + 1) + 30
    scale = (WIDTH - LEFT - RIGHT) / seconds
    view = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {view}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for tick in range(TICKS + 1):
        time = seconds * tick / TICKS
        place = LEFT + scale * time
        parts.append(
            f'<line x1="{place:.1f}" y1="{TOP}" x2="{place:.1f}" y2="{height - 24}" stroke="#dddddd"/>'
        )
        parts.append(
            f'<text x="{place:.1f}" y="{height - 8}" text-anchor="middle">{time:.0f} s</text>'
        )
    first_start = bars[0].start if bars else seconds
    parts += lane(0, "start-up", 0.0, first_start, "#bbbbbb", "data, machine, space", scale)
    best = float("-inf")
    for position, bar in enumerate(bars, start=1):
        label = bar.status if bar.score is None else f"{bar.score:.3f}"
        is_better = bar.score is not None and bar.score > best and bar.status != "pruned"
        if is_better and bar.score is not None:
            best = bar.score
            label += ", the best so far"
        elif bar.status == "pruned":
            label += ", stopped"
        colour = COLOURS.get(bar.method, OTHER_COLOUR)
        parts += lane(
            position, f"{bar.method} {bar.model}", bar.start, bar.seconds, colour, label, scale
        )
    parts.append("</svg>\n")
    return "\n".join(parts)


def lane(
    position: int, name: str, start: float, seconds: float, colour: str, label: str, scale: float
) -> list[str]:
    """Return a bar with its name on the left and its label on the right of it."""
    top = TOP + LANE * position
    left, width = LEFT + scale * start, max(1.0, scale * seconds)
    return [
        f'<text x="{LEFT - 8}" y="{top + 15}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{left:.1f}" y="{top + 3}" width="{width:.1f}" height="{LANE - 8}" rx="2" fill="{colour}"/>',
        f'<text x="{left + width + 6:.1f}" y="{top + 15}">{escape(label)}</text>',
    ]


if __name__ == "__main__":
    main()
