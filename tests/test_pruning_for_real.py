"""A real search with a configuration that learns nothing: it is stopped, and costs little."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from xautolm import AutoLM
from xautolm.data import prepare
from xautolm.data.demo import support_tickets
from xautolm.hardware import system_profile
from xautolm.report.screen import Quiet
from xautolm.search_space import build_space, data_needs, default_configurations
from xautolm.tasks import TASKS
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import TrialStatus
from xautolm.zoo import ZOO, find_models

MODEL = "scratch-tiny"
ROWS = 700
EPOCHS = 6
LEARNS, STANDS_STILL = 1e-3, 1e-9
"""Learning rates."""


def ranges(folder: Path) -> Path:
    """Write a space with two configurations: the default, and the same with a learning rate that moves nothing."""
    task = TASKS.get("text-classification")
    data = prepare(support_tickets(ROWS, seed=1), data_needs(task), columns={})
    space = build_space(
        "default",
        task,
        find_models([MODEL], ZOO.things),
        ["full"],
        data.profile,
        system_profile("cpu"),
    )
    values = dict(default_configurations(space)[0].values)
    fixed = {name: [value] for name, value in values.items() if name not in ("model", "method")}
    path = folder / "space.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                **fixed,
                "learning_rate": [LEARNS, STANDS_STILL],
                "epochs": [EPOCHS],
                "batch_size": [8],
            }
        )
    )
    return path


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_configuration_that_learns_nothing_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Early stopping would end it after three epochs, which may take no more than a second each.
    monkeypatch.setattr("xautolm.pruner.LOOK_SECONDS", 0.0)
    options = {
        "models": MODEL,
        "methods": "full",
        "sampler": "random",
        "device": "cpu",
        "trials": 2,
    }
    auto = AutoLM(**options, space=str(ranges(tmp_path)), out=str(tmp_path / "run"))
    auto.fit(support_tickets(ROWS, seed=1), screen=Quiet())
    first, second = (experience.outcome for experience in auto.experiences_)
    assert (
        first.status is TrialStatus.COMPLETE and first.metrics["accuracy"] > 0.45
    )  # the largest class has 30 %
    assert second.status is TrialStatus.PRUNED
    assert second.metrics["accuracy"] < 0.45
    curve = TrialFolder(auto.run_.trial(1)).curve(auto.info_.metrics)
    assert curve is not None and curve.epoch < EPOCHS
    assert second.planned_time is not None and second.evaluation_time is not None
    assert second.planned_time > second.evaluation_time
    assert not auto.run_.model(1).exists() and auto.best_.trial == 0
