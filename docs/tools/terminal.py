"""The picture of a terminal in the README: `python -m docs.tools.terminal docs/pictures/terminal.svg`.

Searches on the demo's tickets as `xautolm fit tickets.csv --budget 4m` does, and draws the last moment in which a
training had a score so far, below what was printed until then; then how the search ended, without the table of the
Pareto front, whose hyperparameters would fill the picture.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import tempfile
from pathlib import Path

from rich.console import Console, RenderableType
from rich.terminal_theme import DIMMED_MONOKAI

from xautolm.best_folder import best_of, front_of
from xautolm.data.demo import support_tickets
from xautolm.operations import fit_run, report_run
from xautolm.options import FitOptions
from xautolm.report.result import print_result
from xautolm.report.screen import LiveTable, Standing
from xautolm.run_folder import RunFolder
from xautolm.trial_folder import TrialFolder, score_so_far

COLUMNS = 96
"""Width of the terminal, in characters."""
DATA = "tickets.csv"
OUT = "runs/tickets"
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich lets a picture fetch its font from elsewhere; without, it takes the reader's own of equal widths."""


class Photographer(LiveTable):
    """Show a search as a terminal does, and keep what it showed."""

    def __init__(self) -> None:
        super().__init__(terminal())
        self.notes: list[str] = []
        self.moment: RenderableType = ""
        """The last drawing with a training that had a score so far."""

    def note(self, text: str) -> None:
        """Print a line above the table, and keep it."""
        super().note(text)
        self.notes.append(text)

    def update(self, standing: Standing) -> None:
        """Redraw, and keep the drawing where a training has a score."""
        super().update(standing)
        for number in standing.running:
            folder = standing.folder.trial(number)
            steps = TrialFolder(folder).progress_lines()
            score = score_so_far(steps, standing.lead)
            if score is not None:
                self.moment = self.live.get_renderable()


def terminal() -> Console:
    """Return a terminal that is on no screen."""
    return Console(
        file=io.StringIO(),
        width=COLUMNS,
        force_terminal=True,
        color_system="truecolor",
        record=True,
    )


def searched(budget: str, screen: Photographer) -> RunFolder:
    """Search in the working folder, and return the run's folder."""
    support_tickets().to_csv(DATA, index=False)
    options = FitOptions.parse({"budget": budget, "out": OUT, "store": "experience.db"})
    folder = fit_run(DATA, None, options, screen=screen)
    report_run(folder)
    return folder


def last_lines(folder: RunFolder) -> str:
    """Return what a search prints below the table of the Pareto front."""
    info = folder.info()
    experiences = folder.experiences()
    console = terminal()
    best = best_of(info, experiences)
    front = front_of(info, experiences)
    print_result(folder, best, front, None, ("text",), console=console)
    _, start, lines = console.export_text().partition("best: ")
    return start + lines


def drawing(command: str, screen: Photographer, folder: RunFolder) -> str:
    """Return the picture as SVG."""
    console = terminal()
    # Not highlighted: a terminal shows these lines as they are.
    console.print(f"$ {command}", style="bold", highlight=False)
    # The working folder of this program is a temporary one, of no use to a reader.
    temporary = f"{Path.cwd()}/"
    for note in screen.notes:
        line = note.replace(temporary, "")
        console.print(line, style="dim", highlight=False)
    console.print(screen.moment)
    # Stands for the table of the Pareto front.
    console.print("⋮", style="dim")
    ending = last_lines(folder)
    console.print(ending, highlight=False)
    # The identifier is part of every name in the picture: fixed, so that a new picture differs by what it shows.
    picture = console.export_svg(title="xautolm", theme=DIMMED_MONOKAI, unique_id="terminal")
    return WEB_FONT.sub("", picture)


def main() -> None:
    """Search, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--budget", default="4m")
    options = parser.parse_args()
    picture = options.picture.resolve()
    screen = Photographer()
    with tempfile.TemporaryDirectory() as working_folder:
        os.chdir(working_folder)
        folder = searched(options.budget, screen)
        command = f"xautolm fit {DATA} --budget {options.budget}"
        picture.write_text(drawing(command, screen, folder), encoding="utf-8")


if __name__ == "__main__":
    main()
