"""`xautolm export`: the winner in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xautolm.cli.options import option
from xautolm.vocabulary import ModelFormat

Run = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
To = Annotated[
    ModelFormat,
    typer.Option(help="Format; onnx-int8 has weights of 8 bits, setfit a head of scikit-learn."),
]
Out = Annotated[
    Path | None, option("Folder for the export", "one in the run, called as the format")
]


def export(run: Run, to: To = ModelFormat.ONNX, out: Out = None) -> None:
    """Write the best model of a run in another format, compared with it: answers, score, size, time a text."""
    from xautolm.exporting import export as write
    from xautolm.exporting import summary
    from xautolm.report.console import say
    from xautolm.run_folder import RunFolder

    folder = RunFolder(run.absolute())
    exported = write(folder, to, out)
    # What was measured is for people, the folder for scripts.
    say(summary(exported), is_error=True)
    say(str(out or folder.root / to.value))
