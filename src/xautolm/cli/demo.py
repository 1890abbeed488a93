"""`xautolm demo`: all of it in a few minutes on a laptop's processor, with nothing to download."""

from __future__ import annotations

from typing import Annotated

import typer

SENTENCES = (
    "I was charged twice for my order.",
    "The app crashes when I open the camera.",
    "Where is my parcel?",
)

Out = Annotated[str, typer.Option(help="Folder of the run.")]
Budget = Annotated[str, typer.Option(help="Wall time for the search.")]


def demo(out: Out = "runs/demo", budget: Budget = "1m30s") -> None:
    """Search on generated support tickets, show the front, and predict some sentences."""
    import pandas as pd

    from xautolm.best_model import BestModel
    from xautolm.cli.fit import say_result
    from xautolm.cli.signals import ending_in_order
    from xautolm.data.demo import support_tickets
    from xautolm.operations import fit_run, report_run
    from xautolm.options import FitOptions
    from xautolm.vocabulary import Architecture, Origin
    from xautolm.zoo import ZOO, local_models

    # With nothing to download, wherever it runs: `auto` would fetch what a hub that answers has.
    encoders = local_models(ZOO.things, (Architecture.ENCODER,))
    models = [card.name for card in encoders if card.origin != Origin.HUB]
    options = FitOptions.parse(
        {"task": "text-classification", "models": models, "budget": budget, "out": out}
    )
    with ending_in_order():
        folder = fit_run(support_tickets(), None, options)
        report_run(folder)
    say_result(folder, as_json=False, quiet=False)
    typer.echo("")
    # Loaded from the run's folder, as any program would do.
    model = BestModel(folder)
    answers = model.predictions(pd.DataFrame({"text": SENTENCES}))
    for sentence, label in zip(SENTENCES, answers.values, strict=True):
        typer.echo(f"{label:<10} {sentence}")
