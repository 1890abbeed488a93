"""Which hyperparameters mattered: a study of Optuna over a run's trials, and what Optuna draws of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xautolm.objectives import Objective
from xautolm.records import Experience, Scalar
from xautolm.report.page.blocks import Chart
from xautolm.report.page.content import spoken_metric
from xautolm.report.page.figures import ACCENT, MUTED, escaped, style
from xautolm.report.page.words import (
    CONFIGURATION_PARTS,
    counted,
    listed,
    method_name,
    parameter_name,
    trains,
)
from xautolm.report.tables import number

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna import Study
    from optuna.distributions import BaseDistribution

LEAST_TRIALS = 8
"""Trials from which anything is said of hyperparameters: of fewer, chance says more than they do."""
MOST_COMPARED = 150
"""Trials of which functional ANOVA is asked: it takes 1.0 s of a processor for these, and 2.2 s for twice as many."""
MOST_AXES = 9
"""Of parallel coordinates, the score's besides."""
LOG_RATIO = 20
"""From which ratio of the largest to the smallest value on an axis is logarithmic, as learning rates are drawn."""
MOST_LINES = 100
"""The best trials; more lines hide each other, and make the page slow."""
AXIS_WIDTH = 110
"""Pixels for each axis, so that its values can be read."""
LEAF_SEED = 0
"""Of the forest that tells importances: the page of a run is the same each time."""


def importance_chart(scored: Sequence[Experience], lead: Objective) -> Chart | None:
    """Return how much of the differences in quality each hyperparameter explains; None for too few trials."""
    trials = comparable(scored)
    names = varied(trials)
    if len(trials) < LEAST_TRIALS or len(names) < 2:
        return None
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.visualization import plot_param_importances

    # From the best to the worst, evenly.
    step = math.ceil(len(trials) / MOST_COMPARED)
    trials = trials[::step]
    study = study_of(trials, names, lead)
    evaluator = FanovaImportanceEvaluator(seed=LEAF_SEED)
    picture = plot_param_importances(
        study, evaluator=evaluator, target_name=spoken_metric(lead.name)
    )
    style(picture)
    picture.update_traces(marker_color=ACCENT)
    picture.update_layout(showlegend=False)
    # Room for the numbers behind the bars.
    longest = 1.15 * max(picture.data[0].x)
    picture.update_xaxes(
        title_text="share of the differences explained", tickformat=".0%", range=[0, longest]
    )
    picture.update_yaxes(title_text="")
    strongest = list(picture.data[0].y)[-1]
    caption = (
        f"Over {counted(len(trials), 'trial')} that trained a model, functional ANOVA finds that "
        f"{strongest} explains most. Of so few trials this is a hint, not a law."
    )
    height = 90 + 28 * len(names)
    return Chart(
        name="importance",
        title="Which hyperparameters mattered",
        figure=picture,
        caption=caption,
        height=height,
    )


def parallel_chart(scored: Sequence[Experience], lead: Objective) -> Chart | None:
    """Return each trial as a line through the values of its hyperparameters; None for too few trials."""
    trials = comparable(scored)[:MOST_LINES]
    names = varied(trials)[:MOST_AXES]
    if len(trials) < LEAST_TRIALS or len(names) < 2:
        return None
    from optuna.visualization import plot_parallel_coordinate

    study = study_of(trials, names, lead)
    spoken = [parameter_name(name) for name in names]
    picture = plot_parallel_coordinate(study, params=spoken, target_name=spoken_metric(lead.name))
    style(picture)
    _recolour(picture, lead)
    # Half of the names below the outer axes: Plotly leaves out a name that has no room.
    picture.update_layout(margin={"l": 52, "r": 52, "t": 16, "b": 16})
    best = trials[0]
    pairs = [f"{parameter_name(name)} {number(_spoken(name, best))}" for name in names]
    caption = f"Each line is a trial, the better the stronger; the best, trial {best.trial}, has {listed(pairs)}."
    return Chart(
        name="parallel",
        title="Hyperparameters and quality",
        figure=picture,
        caption=caption,
        height=340,
        is_wide=True,
        least_width=AXIS_WIDTH * (len(names) + 1),
    )


def _recolour(picture: go.Figure, lead: Objective) -> None:
    """Give the lines colours that are seen on white and on black, the better the stronger; Optuna's are for white."""
    from plotly.colors import sample_colorscale

    for trace in picture.data:
        if trace.mode != "lines":
            # The scale of colours at the side: the first axis says the same.
            trace.marker.showscale = False
            continue
        # The first axis is the score, from 0 at the bottom to 1 at the top.
        height = trace.y[0]
        goodness = height if lead.maximize else 1 - height
        trace.line.color = sample_colorscale([MUTED, ACCENT], [goodness])[0]
        is_best = goodness >= 1
        trace.line.width = 3 if is_best else 1
        trace.opacity = 1 if is_best else 0.6
    for annotation in picture.layout.annotations:
        annotation.font.color = None


def comparable(scored: Sequence[Experience]) -> list[Experience]:
    """Return the trials that trained a model: probes share no hyperparameter with them."""
    return [experience for experience in scored if trains(experience.configuration.method)]


def varied(trials: Sequence[Experience]) -> list[str]:
    """Return the parameters that all of some trials have, and that differ between them; model and method first."""
    if not trials:
        return []
    names = []
    for name in (*CONFIGURATION_PARTS, *trials[0].configuration.values):
        values = [trial.configuration.values.get(name) for trial in trials]
        is_shared = all(name in trial.configuration.values for trial in trials)
        if is_shared and len(set(values)) > 1 and name not in names:
            names.append(name)
    return names


def study_of(trials: Sequence[Experience], names: Sequence[str], lead: Objective) -> Study:
    """Return a study in memory with some trials' values of some parameters, by their names in words."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=lead.direction.value)
    distributions = {}
    for name in names:
        distributions[parameter_name(name)] = _distribution(name, trials)
    for trial in trials:
        parameters = {parameter_name(name): _drawn(name, trial) for name in names}
        record = optuna.trial.create_trial(
            params=parameters,
            distributions=distributions,
            value=trial.outcome.metrics[lead.name],
        )
        study.add_trial(record)
    return study


def _distribution(name: str, trials: Sequence[Experience]) -> BaseDistribution:
    """Return the range that the trials' values of a parameter span."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = [_drawn(name, trial) for trial in trials]
    amounts = []
    for value in values:
        # A bool is an int to Python, and a choice to us.
        if isinstance(value, int | float) and not isinstance(value, bool):
            amounts.append(value)
    if len(amounts) < len(values):
        choices = sorted(set(values), key=str)
        return CategoricalDistribution(choices)
    low, high = min(amounts), max(amounts)
    is_log = low > 0 and high / low >= LOG_RATIO
    if all(isinstance(amount, int) for amount in amounts):
        return IntDistribution(int(low), int(high), log=is_log)
    return FloatDistribution(float(low), float(high), log=is_log)


def _spoken(name: str, trial: Experience) -> Scalar:
    """Return a trial's value of a parameter, a method by what people call it."""
    value = trial.configuration.values[name]
    return method_name(str(value)) if name == "method" else value


def _drawn(name: str, trial: Experience) -> Scalar:
    """Return a trial's value of a parameter as a picture takes it: names of models come from outside."""
    value = _spoken(name, trial)
    return escaped(value) if isinstance(value, str) else value
