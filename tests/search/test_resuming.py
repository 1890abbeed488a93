"""A study that is gone, empty, older, damaged or another's is mended by what the run's folder says."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from tests.search.toy import OBJECTIVES, SPACE, play, searched
from xautolm.errors import RunFolderError, SearchEndedError
from xautolm.records import Configuration, Experience, Failure, TrialOutcome
from xautolm.search import KILLED_WITH_SEARCH, SAMPLERS, SearchStudy, file_url, open_study
from xautolm.search.study import DIGEST
from xautolm.testing import made_up_experience
from xautolm.vocabulary import FailureKind, TrialStatus

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
STATES = optuna.trial.TrialState
INTERRUPTED = TrialOutcome(
    status=TrialStatus.FAILED,
    failure=Failure(kind=FailureKind.INTERRUPTED, message="the search ended"),
)

KILLED = TrialOutcome(status=TrialStatus.FAILED, failure=KILLED_WITH_SEARCH)


def opened(
    path: Path,
    experiences: list[Experience] | None = None,
    said: list[str] | None = None,
    sampler: str = "random",
) -> SearchStudy:
    taken = {experience.trial for experience in experiences or []}
    return open_study(
        file_url(path),
        SPACE,
        OBJECTIVES,
        lambda seed: SAMPLERS.get(sampler).make(SPACE, seed, None),
        0,
        experiences=experiences or [],
        is_taken=lambda number: number in taken,
        say=(said if said is not None else []).append,
    )


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, list[Experience], Path]:
    """A study of five trials, its trials, and a copy of the study as it was after two."""
    path, older = tmp_path / "study.db", tmp_path / "older.db"
    study = opened(path)
    experiences = searched(study, 2)
    study.close()
    shutil.copy(path, older)
    study = opened(path, experiences)
    experiences += searched(study, 3)
    study.close()
    return path, experiences, older


def told(study: SearchStudy) -> list[tuple[int, str, str, list[float] | None]]:
    return [
        (trial.number, trial.state.name, trial.user_attrs.get(DIGEST, ""), trial.values)
        for trial in study.record.trials
    ]


def delete(path: Path, older: Path) -> None:
    path.unlink()


def empty(path: Path, older: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path, older: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path: Path, older: Path) -> None:
    path.write_bytes(b"not a database at all" * 400)


def garble_the_middle(path: Path, older: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 12] = b"\xa5" * (4096 * 11)
    path.write_bytes(bytes(content))


def drop_a_table(path: Path, older: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE trial_values")


def restore(path: Path, older: Path) -> None:
    shutil.copy(older, path)


def leave_the_log_of_another(path: Path, older: Path) -> None:
    path.unlink()
    path.with_name("study.db-wal").write_bytes(b"\x37\x7f\x06\x82" + b"\x00" * 4000)


@pytest.mark.parametrize(
    "spoil",
    [
        delete,
        empty,
        halve,
        garble,
        garble_the_middle,
        drop_a_table,
        restore,
        leave_the_log_of_another,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_the_study_is_told_every_trial_that_it_lacks_and_no_number_comes_again(
    run: tuple[Path, list[Experience], Path], spoil: Callable[[Path, Path], None]
) -> None:
    path, experiences, older = run
    study = opened(path, experiences)
    before = told(study)
    study.close()
    spoil(path, older)
    said: list[str] = []
    study = opened(path, experiences, said)
    assert told(study) == before
    assert any("study.db" in line for line in said)
    asked = study.ask(lambda configuration: "")
    assert asked is not None and asked.number == 5
    assert asked.configuration.digest not in {
        experience.configuration.digest for experience in experiences
    }
    study.close()


def test_a_study_of_other_trials_is_set_aside(
    run: tuple[Path, list[Experience], Path], tmp_path: Path
) -> None:
    path, experiences, _ = run
    other = opened(tmp_path / "other.db", sampler="tpe")
    searched(other, 1)
    swapped = [experiences[0], *reversed(experiences[1:])]
    renumbered = [
        made_up_experience(number, experience.configuration, experience.outcome)
        for number, experience in enumerate(swapped)
    ]
    said: list[str] = []
    study = opened(path, renumbered, said)
    assert [trial.user_attrs[DIGEST] for trial in study.record.trials] == [
        e.configuration.digest for e in renumbered
    ]
    assert any("other trials" in line and "study.db.damaged" in line for line in said)
    assert (tmp_path / "study.db.damaged").exists()
    study.close()
    other.close()


def test_gaps_and_taken_numbers_are_filled(tmp_path: Path) -> None:
    """Folders 0, 2 and 5 are known; 3 and 6 are folders of which nothing can be read."""
    values = [
        {"model": "good", "method": "full", "learning_rate": 1e-4, "epochs": n} for n in (1, 2, 3)
    ]
    experiences = [
        made_up_experience(number, Configuration(values=value, space=SPACE.name), play(value))
        for number, value in zip((0, 2, 5), values, strict=True)
    ]
    study = opened(tmp_path / "study.db", experiences)
    study.is_taken = lambda number: number in {0, 2, 3, 5, 6}
    states = [trial.state for trial in study.record.trials]
    assert states == [
        STATES.COMPLETE,
        STATES.FAIL,
        STATES.COMPLETE,
        STATES.FAIL,
        STATES.FAIL,
        STATES.COMPLETE,
    ]
    asked = study.ask(lambda configuration: "")
    assert asked is not None and asked.number == 7
    study.close()
    study = opened(tmp_path / "study.db", experiences)
    assert len(study.record.trials) == 8
    study.close()


def test_an_interrupted_trial_is_proposed_again_until_it_was_run(tmp_path: Path) -> None:
    study = opened(tmp_path / "study.db")
    done = searched(study, 1)
    asked = study.ask(lambda configuration: "")
    assert asked is not None
    study.close()
    done.append(made_up_experience(1, asked.configuration, INTERRUPTED))
    for spoiled in (False, True):
        if spoiled:
            (tmp_path / "study.db").unlink()
        study = opened(tmp_path / "study.db", done)
        assert study.record.trials[1].state == STATES.FAIL
        again = study.ask(lambda configuration: "")
        assert again is not None and again.configuration == asked.configuration
        assert again.attributes["proposal"] == f"again after trial {done[-1].trial}"
        study.close()
        done.append(made_up_experience(again.number, again.configuration, INTERRUPTED))
    done[-1] = made_up_experience(
        done[-1].trial, asked.configuration, play(dict(asked.configuration.values))
    )
    study = opened(tmp_path / "study.db", done)
    new = study.ask(lambda configuration: "")
    assert new is not None and new.configuration != asked.configuration
    study.close()


def test_what_the_search_was_killed_with_twice_is_not_proposed_again(tmp_path: Path) -> None:
    """It may be what takes all memory of the machine, which ends every start anew."""
    study = opened(tmp_path / "study.db")
    asked = study.ask(lambda configuration: "")
    study.close()
    assert asked is not None
    done = []
    # Stops are not counted: a person may stop a search as often as they like.
    for outcome in (KILLED, INTERRUPTED, INTERRUPTED, KILLED):
        done.append(made_up_experience(len(done), asked.configuration, outcome))
        said: list[str] = []
        study = opened(tmp_path / "study.db", done, said)
        again = study.ask(lambda configuration: "")
        study.close()
        assert again is not None
        is_given_up = len(done) == 4
        assert (again.configuration != asked.configuration) == is_given_up
        assert (
            said
            == [
                "the configuration of trial 3 is not tried again: the search was killed 2 times while it ran"
            ]
            * is_given_up
        )


def test_a_trial_without_a_folder_is_proposed_again(tmp_path: Path) -> None:
    """The process was killed between the study's note and the folder."""
    study = opened(tmp_path / "study.db")
    done = searched(study, 1)
    asked = study.ask(lambda configuration: "")
    study.close()
    study = opened(tmp_path / "study.db", done)
    again = study.ask(lambda configuration: "")
    assert asked is not None and again is not None
    assert again.configuration == asked.configuration and again.number == 2
    study.close()


def test_proposals_that_are_passed_over_are_no_trials_and_are_not_made_again(
    tmp_path: Path,
) -> None:
    refused: list[str] = []

    def obstacle(configuration: Configuration) -> str:
        if configuration.values["model"] == "good":
            return ""
        refused.append(configuration.digest)
        return "too large"

    study = opened(tmp_path / "study.db", sampler="xautolm")
    for number in range(12):
        asked = study.ask(obstacle)
        assert asked is not None and asked.number == number
        study.tell(number, play(dict(asked.configuration.values)))
    assert len(refused) > 5 and len(set(refused)) == len(refused)
    assert [trial.state for trial in study.record.trials] == [STATES.COMPLETE] * 12
    study.close()


def test_what_is_said_of_own_trials_names_the_numbers_of_the_folder(tmp_path: Path) -> None:
    from xautolm.search.strategies.xautolm import own_evidence

    study = opened(tmp_path / "study.db")
    refusing = [True, False] * 6
    for _ in range(4):
        study_answers = iter(refusing)
        asked = study.ask(
            lambda configuration, answers=study_answers: "too large" if next(answers) else ""
        )
        assert asked is not None
        study.tell(asked.number, play({**asked.configuration.values, "model": "good"}))
    assert [trial.number for trial in study.proposals.trials if trial.state == STATES.COMPLETE] != [
        0,
        1,
        2,
        3,
    ]
    names = {key: parameter.name for key, parameter in SPACE.sites().items()}
    trials = study.proposals.get_trials(states=(STATES.COMPLETE,))
    sources = [evidence.source for evidence in own_evidence(study.objectives, trials, names, 1)]
    assert sources == ["trial 0", "trial 1", "trial 2", "trial 3"]
    study.close()


def test_attempts_end_with_the_time(tmp_path: Path) -> None:
    study = opened(tmp_path / "study.db")
    left = [True, True, False]
    assert study.ask(lambda configuration: "too slow", lambda: left.pop(0)) is None
    assert left == [] and len(study.proposals.trials) == 2 + 0 and study.record.trials == []
    study.close()


def test_a_study_of_an_earlier_version_is_gone_on_with(tmp_path: Path) -> None:
    """Passed-over proposals lie in it as pruned trials, and what was queued as trials that wait."""
    path = tmp_path / "study.db"
    old = optuna.create_study(
        storage=f"sqlite:///{path}", study_name="xautolm", directions=["maximize", "minimize"]
    )
    old.set_user_attr("objectives", ["f1_macro", "evaluation_time"])
    default = SPACE.default()
    old.enqueue_trial(SPACE.site_values(default.values), user_attrs={"proposal": "default"})
    queued = {"model": "bad", "method": "lora", "learning_rate": 2e-4, "r": 4, "epochs": 2}
    old.enqueue_trial(SPACE.site_values(queued), user_attrs={"proposal": "default"})
    first = old.ask()
    SPACE.walk(lambda key, parameter: first._suggest(key, parameter.distribution()))
    first.set_user_attr("digest", default.digest)
    first.set_constraint("failed", 0.0)
    outcome = play(dict(default.values))
    old.tell(first, [outcome.metrics["f1_macro"], outcome.evaluation_time])
    old.add_trial(
        optuna.trial.create_trial(state=STATES.PRUNED, user_attrs={"passed_over": "too large"})
    )
    study = opened(path, [made_up_experience(0, default, outcome)])
    assert [trial.state for trial in study.record.trials] == [
        STATES.COMPLETE,
        STATES.FAIL,
        STATES.PRUNED,
    ]
    asked = study.ask(lambda configuration: "")
    assert asked is not None and dict(asked.configuration.values) == queued
    assert asked.number == 3 and asked.attributes["proposal"] == "default"
    study.close()


def test_the_generations_of_a_genetic_algorithm_survive_a_restart(tmp_path: Path) -> None:
    study = opened(tmp_path / "study.db", sampler="nsga2")
    done = searched(study, 12)
    study.close()
    study = opened(tmp_path / "study.db", done, sampler="nsga2")
    generations = {
        value
        for trial in study.proposals.trials
        for name, value in trial.system_attrs.items()
        if name.endswith("generation")
    }
    assert generations == {0, 1}
    study.close()


def test_results_survive_a_power_cut(tmp_path: Path) -> None:
    study = opened(tmp_path / "study.db")
    backend = study.record._storage._backend
    with backend.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    assert study.record.metric_names == ["f1_macro", "evaluation_time"]
    study.close()
    assert sorted(path.name for path in tmp_path.glob("study.db*")) == ["study.db"]


@pytest.mark.parametrize("name", ["plain", "what? 100% #1", "ünïcode & spaces"])
def test_any_name_of_a_folder_will_do(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    study = opened(folder / "study.db")
    done = searched(study, 2)
    study.close()
    assert (folder / "study.db").exists()
    said: list[str] = []
    study = opened(folder / "study.db", done, said)
    assert len(study.record.trials) == 2 and said == []
    study.close()


def test_a_locked_database_is_not_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.search.database.LOCK_SECONDS", 0.1)
    study = opened(tmp_path / "study.db")
    done = searched(study, 1)
    study.close()
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RunFolderError, match="database is locked"):
            opened(tmp_path / "study.db", done)
    assert not (tmp_path / "study.db.damaged").exists()


def test_a_database_that_fails_in_the_middle_ends_the_search_in_a_sentence(tmp_path: Path) -> None:
    study = opened(tmp_path / "study.db")
    backend = study.record._storage._backend
    with backend.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE trials")
    with pytest.raises(SearchEndedError, match=r"study\.db: no such table") as caught:
        study.ask(lambda configuration: "")
    assert len(str(caught.value).splitlines()) == 3
    study.close()
