"""The folder `best/`: the model of the best trial so far, whole at every moment from the first success on."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from xautolm.errors import DamagedFileError, NoModelError
from xautolm.objectives import TIME, lead_of, pareto_front, recorded_objectives
from xautolm.records import Answering, Experience, ModelCard
from xautolm.report import CardFacts, failures_in_words, model_card
from xautolm.report.usage import example_prompt
from xautolm.run_folder import ANSWERING, RunFolder, RunInfo, Say
from xautolm.serialization import (
    read_json,
    read_record,
    replace_folder,
    to_plain,
    write_json,
    write_text,
)
from xautolm.tasks import TASKS

logger = logging.getLogger(__name__)

CARD = "README.md"
"""The model card beside the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The content of `results.json`: which model is in `best/`."""

    best: int
    """Number of its trial."""
    metric: str
    """The quality by which it was chosen."""
    validation: Mapping[str, float]
    """Scores on the validation split, by metric."""
    test: Mapping[str, float] | None = None
    """Scores on the test split, by metric; None if there is none, or it was not scored yet."""
    test_data: str = ""
    """Fingerprint of the test split that was scored; empty where none was, and in runs from before it was kept."""
    is_final: bool = True
    """Whether the search had ended when its card was written."""
    is_refit: bool = False
    """Whether it was trained once more, on the rows of validation too: `validation` is of the trial's own model then,
    which had not seen them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestFolder:
    """Keeps the best trial's model in `best/`, with its card, and says in `results.json` which it is."""

    folder: RunFolder
    info: RunInfo
    cards: Mapping[str, ModelCard]
    """The models of the space, by name."""
    test_data: str
    """Fingerprint of the test split of this start; empty without one."""
    say: Say
    """Told what was damaged, and mended."""

    def follow(self, experiences: Sequence[Experience]) -> None:
        """Let `best/` be the best of the trials so far, while the search goes on; nothing without a success."""
        if not any(experience.outcome.succeeded for experience in experiences):
            return
        # What cannot be placed now is an error at the end of the search only: a better trial may come.
        with suppress(NoModelError, DamagedFileError):
            results = self.results()
            best = self._leader(experiences, results)
            is_placed = best is not None and results is not None and results.best == best.trial
            if best is not None and not is_placed:
                self.place(best)

    def restore(self, experiences: Sequence[Experience]) -> None:
        """Bring `best/` in order after an earlier session that ended in whatever way."""
        # A session that was killed while it made a new `best/` leaves that beside the old one.
        for leftover in self.folder.root.glob(f"{self._fresh.name}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if any(experience.outcome.succeeded for experience in experiences):
            with suppress(NoModelError, DamagedFileError):
                self.keep(experiences)
        self._forget_other_test(experiences)

    def keep(self, experiences: Sequence[Experience]) -> Experience | None:
        """Place the best trial's model, or mend it where it lies already.

        Returns:
            The trial; None if `best/` holds a better model, of a trial whose own files are lost.

        Raises:
            NoModelError: No trial has its weights.
            DamagedFileError: The trial's model does not say how it is asked.
        """
        results = self.results()
        best = self._leader(experiences, results)
        if best is None:
            # Only a model in `best/` can be better than all trials.
            assert results is not None
            self.say(f"best/ stays the model of trial {results.best}, whose own files are lost")
        elif results is None or results.best != best.trial:
            self.place(best)
        else:
            self._mend(best, results)
        return best

    def place(self, best: Experience, *, is_refit: bool = False) -> None:
        """Let `best/` be a trial's model, as its folder holds it now.

        A kill in the middle leaves the old folder or the new one, and no `results.json` that speaks of another than
        the one that is there: without it, the next start places the best model once more.

        Args:
            best: The trial.
            is_refit: Whether it is the model that was trained once more on all rows, and not the trial's own.
        """
        lead = lead_of(recorded_objectives(self.info))
        results = Results(
            best=best.trial,
            metric=lead.name,
            validation=dict(best.outcome.metrics),
            is_final=False,
            is_refit=is_refit,
        )
        model = self._source(results)
        fresh = self._fresh
        # What a kill left of an earlier attempt.
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(model, fresh, copy_function=_link_or_copy)
        self._write_card(fresh, best, results)
        self.folder.results.unlink(missing_ok=True)
        if not is_refit:
            # What came of an earlier winner, trained on all rows, is in nobody's way but takes room.
            shutil.rmtree(self.folder.refit, ignore_errors=True)
        replace_folder(fresh, self.folder.best)
        write_json(self.folder.results, to_plain(results))

    def results(self) -> Results | None:
        """Return what is known of the model in `best/`; None if there is none.

        A score on another test split than that of this start, or on one that nobody knows, is left out.
        """
        if not self.folder.best.is_dir():
            return None
        results = read_results(self.folder, self.say)
        if results is None or results.test is None or results.test_data == self.test_data:
            return results
        return replace(results, test=None, test_data="", is_final=False)

    def describe(self, best: Experience, results: Results) -> None:
        """Write the card and `results.json` of the model that lies in `best/`."""
        self._write_card(self.folder.best, best, results)
        write_json(self.folder.results, to_plain(results))

    def _forget_other_test(self, experiences: Sequence[Experience]) -> None:
        """Let the card and `results.json` not state a score on another test split than that of this start."""
        results = self.results()
        if results is None or results == read_results(self.folder):
            return
        if self.test_data:
            self.say(
                "the test score is not of the test split of now: best/ is scored anew at the end"
            )
        else:
            self.say("the test score is left out: there is no test split now")
        # The answers to those rows go with the score.
        shutil.rmtree(self.folder.test, ignore_errors=True)
        write_json(self.folder.results, to_plain(results))
        can_write_card = is_sound(self.folder.best / ANSWERING)
        for experience in experiences:
            if experience.trial == results.best and can_write_card:
                self._write_card(self.folder.best, experience, results)

    def _source(self, results: Results) -> Path:
        """Return the folder whose files `best/` is made of."""
        if results.is_refit:
            return self.folder.refit_model
        return self.folder.model(results.best)

    @property
    def _fresh(self) -> Path:
        """Return the folder in which a new `best/` is made."""
        return self.folder.best.with_name(".best")

    def _leader(
        self, experiences: Sequence[Experience], results: Results | None
    ) -> Experience | None:
        """Return the best trial whose weights are there: who leads only because a file was lost has none any more.

        Args:
            experiences: The run's trials.
            results: What is known of the model in `best/`, if there is one.

        Returns:
            None if `best/` holds a better model, of a trial whose own files are lost.

        Raises:
            NoModelError: No trial has its weights.
        """
        placed_number = None if results is None else results.best
        has_placed_trial = False
        candidates = []
        for experience in experiences:
            if not experience.outcome.succeeded:
                continue
            is_placed = experience.trial == placed_number
            if is_placed:
                has_placed_trial = True
            if is_placed or self.folder.model(experience.trial).is_dir():
                candidates.append(experience)
        best = best_of(self.info, candidates) if candidates else None
        # The trial of `best/` is not among the run's: its scores are left in `results.json`, and are compared by that.
        if results is not None and not has_placed_trial:
            lead = lead_of(recorded_objectives(self.info))
            if best is None or lead.standing(results.validation) >= lead.standing(
                best.outcome.metrics
            ):
                return None
        if best is None:
            raise NoModelError(f"The weights of all trials in {self.folder.root} are gone.")
        return best

    def _write_card(self, folder: Path, best: Experience, results: Results) -> None:
        card = self.cards[best.configuration.model]
        answering = read_record(Answering, folder / ANSWERING)
        prompt = example_prompt(TASKS.get(self.info.task))
        facts = CardFacts(
            experience=best,
            card=card,
            labels=self.info.labels,
            metric=results.metric,
            notes=self.info.notes,
            test=results.test,
            answering=answering,
            prompt=prompt,
            is_final=results.is_final,
            is_refit=results.is_refit,
        )
        write_text(folder / CARD, model_card(facts))

    def _mend(self, best: Experience, results: Results) -> None:
        """Put files of `best/` that are gone or damaged back in their place, from the trial's own."""
        model = self._source(results)
        target = self.folder.best
        for source in sorted(model.rglob("*")):
            name = source.relative_to(model)
            path = target / name
            if not source.is_file() or is_sound(path):
                continue
            if not is_sound(source):
                self.say(f"best/{name} is damaged, and so is the trial's own")
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            _link_or_copy(str(source), str(path))
            self.say(f"best/{name} was gone or damaged: it was put back")
        # The card is no file of the trial: it is written here, once a model has been placed.
        lacks_card = not is_sound(target / CARD)
        if lacks_card and is_sound(target / ANSWERING):
            self.describe(best, results)
            self.say(f"best/{CARD} was gone or empty: it was written anew")


def front_of(info: RunInfo, experiences: Sequence[Experience]) -> list[Experience]:
    """Return the Pareto-optimal trials of a run, best in the first objective first."""
    by_number = {experience.trial: experience for experience in experiences}
    outcomes = {number: experience.outcome for number, experience in by_number.items()}
    objectives = recorded_objectives(info)
    numbers = pareto_front(outcomes, objectives)
    return [by_number[number] for number in numbers]


def best_of(info: RunInfo, experiences: Sequence[Experience]) -> Experience:
    """Return the trial of the front that leads in the first quality metric; of several, the fastest.

    Raises:
        NoModelError: No trial gave a model; the message counts the failures and points to the last log.
    """
    front = front_of(info, experiences)
    if not front:
        raise NoModelError(_why_none(experiences))
    lead = lead_of(recorded_objectives(info))

    def rank(experience: Experience) -> tuple[float, float]:
        outcome = experience.outcome
        seconds = outcome.evaluation_time or 0.0
        return lead.standing(outcome.metrics), TIME.oriented(seconds)

    return max(front, key=rank)


def _why_none(experiences: Sequence[Experience]) -> str:
    """Return a message that counts the failures and ends with that of the last trial."""
    if not experiences:
        return "No trial ended within the budget, so there is no model."
    kinds = failures_in_words(experiences)
    last = experiences[-1]
    failure = last.outcome.failure
    message = failure.message if failure else ""
    return (
        f"None of {len(experiences)} trials gave a model ({kinds}).\nTrial {last.trial}: {message}"
    )


def adopt_test_data(folder: RunFolder, test_data: str) -> None:
    """Note of which test split the score of a run is that was begun before that was noted.

    Args:
        folder: The run, whose stored test split is that of this start.
        test_data: Its fingerprint.
    """
    results = read_results(folder)
    if results is not None and results.test is not None and not results.test_data:
        write_json(folder.results, to_plain(replace(results, test_data=test_data)))


def read_results(folder: RunFolder, say: Say = logger.info) -> Results | None:
    """Return the content of `results.json`; None if there is none, or it is damaged.

    Args:
        folder: The run.
        say: Told if it is damaged.
    """
    if not folder.results.exists():
        return None
    try:
        return read_record(Results, folder.results)
    except DamagedFileError as error:
        say(f"{folder.results.name} cannot be read ({error.reason})")
        return None


def is_sound(path: Path) -> bool:
    """Return whether a file of a model is there, whole as far as its format tells."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    if path.suffix == ".json":
        try:
            read_json(path)
        except DamagedFileError:
            return False
    if path.suffix == ".safetensors":
        # Opening reads the header, which says how long the file must be, and no weights.
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError):
            return False
    return True


def _link_or_copy(source: str, target: str) -> None:
    """Give a file a second name where the file system has hard links, else copy it.

    One use of the disk, and no time for gigabytes. Two names are safe because nothing of a model is ever written in
    place: weights are written once, and other files under another name and then renamed, which leaves the link alone.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
