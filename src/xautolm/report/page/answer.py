"""The answer: which model, how good, and what it takes to run it."""

from __future__ import annotations

from collections.abc import Mapping

from xautolm.records import Experience
from xautolm.report.page.blocks import Block, Fact, Facts, Row, Section, Table, Text
from xautolm.report.page.content import PageContent, Winner, spoken_metric
from xautolm.report.page.words import (
    configuration_name,
    counted,
    in_bytes,
    interval_text,
    short_time,
    trains,
    trial_name,
)
from xautolm.report.tables import duration, failures_in_words, score_text
from xautolm.vocabulary import Split, Stage


def answer_section(content: PageContent) -> Section:
    """Return the first section."""
    blocks: list[Block] = []
    sentence = _why_no_model(content)
    if content.winner is not None:
        sentence = _sentence(content, content.winner)
    blocks.append(Text(text=sentence))
    # Before the numbers, which a reader would believe without them.
    for warning in _warnings(content):
        blocks.append(Text(text=warning, is_warning=True))
    if content.winner is not None:
        facts = _facts(content, content.winner)
        blocks.append(Facts(facts=facts))
        blocks.append(_scores(content, content.winner))
    return Section(anchor="answer", title="The answer", blocks=blocks)


def best_probe(content: PageContent) -> Experience | None:
    """Return the best trial that trained nothing inside a model, which every training has to beat."""
    for experience in content.scored:
        if not trains(experience.configuration.method):
            return experience
    return None


def _warnings(content: PageContent) -> list[str]:
    """Return what a reader has to know before believing the rest."""
    warnings = list(content.troubles)
    if content.marks and content.marks[-1].stage is not Stage.END:
        warnings.append(
            "The search had not ended when this page was made: it still runs, or was killed. "
            "The same command goes on from here; the page shows the trials that have ended."
        )
    promise = _broken_promise(content)
    if promise:
        warnings.append(promise)
    no_better = _no_better_than_constant(content)
    if no_better:
        warnings.append(no_better)
    # Runs open in every later version; what that version records besides is missing.
    recorded_version = content.info.versions.get("xautolm", "")
    if recorded_version and content.version and recorded_version != content.version:
        warnings.append(
            f"The run was made by xautolm {recorded_version}, this page by {content.version}: "
            "what the older version did not record is missing here."
        )
    return warnings


def _broken_promise(content: PageContent) -> str:
    """Return a warning where the test split says something else than validation did; nothing where they agree."""
    winner = content.winner
    if winner is None or content.answers is None or content.answers.assessment.interval is None:
        return ""
    metric = content.lead.name
    if metric not in winner.test:
        return ""
    validation = winner.validation[metric]
    low, high = content.answers.assessment.interval
    # Of an error, the low end is the good one.
    hopeful_end = high if content.lead.maximize else low
    if content.lead.oriented(validation) <= content.lead.oriented(hopeful_end):
        return ""
    return (
        f"Validation promised {score_text(validation)} {content.metric}, the test split gives "
        f"{score_text(winner.test[metric])}. So much is no accident of the test rows: they differ from the training "
        "data, or the validation split is small and its best trial was lucky."
    )


def _no_better_than_constant(content: PageContent) -> str:
    """Return a warning where one answer to all rows would score as much as the winner does; nothing otherwise."""
    if content.answers is None:
        return ""
    assessment = content.answers.assessment
    metric = content.lead.name
    score = assessment.scores.get(metric)
    constant = assessment.constant.get(metric)
    if score is None or constant is None:
        return ""
    if content.lead.oriented(score) > content.lead.oriented(constant):
        return ""
    return (
        f"The same answer to every row, as the training labels suggest it, scores {score_text(constant)} "
        f"{content.metric}, the model {score_text(score)}: on these rows nothing shows that it has learned anything."
    )


def _why_no_model(content: PageContent) -> str:
    """Return what is said of a run without a winner."""
    trials = counted(len(content.experiences), "trial")
    if any(experience.outcome.succeeded for experience in content.experiences):
        return f"{trials} ended, but the folder of the best model is gone or cannot be read."
    failures = failures_in_words(content.experiences) or "all were stopped"
    text = f"There is no model: of {trials}, none succeeded ({failures})."
    failure = content.experiences[-1].outcome.failure
    if failure is not None:
        text += f" The last one said: {failure.headline}"
    return text


def _sentence(content: PageContent, winner: Winner) -> str:
    """Return the answer in one sentence or two."""
    name = f"Trial {winner.trial}"
    if content.best is not None:
        name = f"{configuration_name(content.best.configuration)} (trial {winner.trial})"
    metric = content.lead.name
    test = winner.test.get(metric)
    if test is not None:
        rows = ""
        if content.answers is not None:
            rows = f" {content.answers.assessment.rows:,}"
        sentence = (
            f"{name} scores {score_text(test)} {content.metric} on{rows} test rows that the search "
            "never saw"
        )
    else:
        validation = winner.validation[metric]
        sentence = f"{name} scores {score_text(validation)} {content.metric} on validation"
    interval = _interval(content)
    if interval:
        sentence += f"; another sample of such rows would give {interval} (95 % interval)"
    if test is None:
        sentence += (
            ". There is no test split: these rows also chose the winner, so expect answers to new "
            "ones to be a little worse"
        )
    return f"{sentence}.{_refit_note(winner)}"


def _refit_note(winner: Winner) -> str:
    """Return which model the scores are of, where the one in `best/` was trained once more; nothing otherwise."""
    if not winner.is_refit:
        return ""
    if winner.test:
        return (
            " It was trained once more at the end, on the rows of validation, too; the validation score is of the "
            "trial's own model."
        )
    return " The model in best/ was trained once more, on these rows, too: the score is of the trial's own model."


def _interval(content: PageContent) -> str:
    """Return the ends of the bootstrap interval, nothing where none was had."""
    if content.answers is None or content.answers.assessment.interval is None:
        return ""
    return interval_text(*content.answers.assessment.interval)


def _facts(content: PageContent, winner: Winner) -> list[Fact]:
    """Return the numbers at the top of the page."""
    metric = content.lead.name
    facts = []
    interval = _interval(content)
    detail = f"95 %: {interval}" if interval else "interval not measured"
    if metric in winner.test:
        facts.append(
            Fact(
                name=f"test {content.metric}", value=score_text(winner.test[metric]), detail=detail
            )
        )
        detail = ""
    facts.append(
        Fact(
            name=f"validation {content.metric}",
            value=score_text(winner.validation[metric]),
            detail=detail,
        )
    )
    best = content.best
    probe = best_probe(content)
    if probe is not None and best is not probe:
        value = score_text(probe.outcome.metrics[metric])
        facts.append(
            Fact(
                name="best probe, validation",
                value=value,
                detail="nothing in the model was trained",
            )
        )
    facts.extend(_needs(content, winner))
    return facts


def _needs(content: PageContent, winner: Winner) -> list[Fact]:
    """Return what training and running the winner takes."""
    facts = []
    if content.best is not None:
        outcome = content.best.outcome
        if outcome.evaluation_time is not None:
            seconds = duration(outcome.evaluation_time)
            facts.append(Fact(name="to train and validate", value=seconds))
        # On a GPU its memory is what is short.
        memory = outcome.peak_gpu_memory or outcome.peak_memory
        if memory:
            where = "GPU" if outcome.peak_gpu_memory else "main memory"
            facts.append(Fact(name="memory in training", value=in_bytes(memory), detail=where))
    if winner.disk_bytes is not None:
        facts.append(Fact(name="on disk", value=in_bytes(winner.disk_bytes)))
    if content.answers is None:
        facts.append(Fact(name="per text", value="not recorded"))
    else:
        assessment = content.answers.assessment
        threads = counted(assessment.threads, "thread")
        facts.append(
            Fact(
                name="per text",
                value=short_time(assessment.seconds_per_text),
                detail=f"one at a time, {assessment.device}, {threads}",
            )
        )
    return facts


def _scores(content: PageContent, winner: Winner) -> Table:
    """Return all metrics of the winner, beside the best probe and a constant answer."""
    columns: dict[str, Mapping[str, float]] = {}
    assessment = None if content.answers is None else content.answers.assessment
    if winner.test:
        columns["test"] = winner.test
    columns["validation"] = winner.validation
    # No trial but the winner is ever scored on the test split, so the probe has its validation score only.
    probe = best_probe(content)
    note = ""
    if probe is not None and probe is not content.best:
        columns["best probe, validation"] = probe.outcome.metrics
        note = f"The best probe is {trial_name(probe)}."
    if assessment is not None and assessment.constant:
        split = "test" if assessment.split is Split.TEST else "validation"
        columns[f"constant answer, {split}"] = assessment.constant
        note += (
            " The constant answer is what the training labels alone suggest, given to every row."
        )
    rows = []
    for name in winner.validation:
        cells = [spoken_metric(name)]
        for scores in columns.values():
            cells.append(score_text(scores[name]) if name in scores else "")
        rows.append(Row(cells=cells))
    return Table(
        title="Scores",
        headings=("metric", *columns),
        rows=rows,
        numbers=frozenset(columns),
        note=note.strip(),
    )
