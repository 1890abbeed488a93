"""The model card that lies beside the winner's weights."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm.records import Answering, Experience, ModelCard
from xautolm.report.tables import millions, score_text
from xautolm.report.usage import folder_kind, library_of, usage
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import Origin, Split

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

GOES_ON = """
The search had not ended when this was written: this is the **best model so far**, and a better one may take its place.
"""
"""Stands on the card of a model while the search goes on."""
ON_ALL_ROWS = """
After the search it was **trained once more, as in that trial, on the rows of training and validation together**. The
validation scores are of the trial's own model, which had not seen those rows.
"""
"""Stands on the card of a model that was trained on all rows in the end."""
LICENCES = {"unstated": "unknown", "your own": None}
"""What the hub calls what stands on a card of the zoo in the place of a licence; None leaves the field out."""
NO_LANGUAGE = "unstated"
"""Stands on a card of the zoo in the place of languages."""
DATASET_TYPE = re.compile(r"(?:[\w-]+/)?[\w.-]+", re.ASCII)
"""What the hub takes for `dataset.type`, as a whole: the name of a data set, perhaps with an owner."""
UNFIT_FOR_OWNER = re.compile(r"[^\w-]+", re.ASCII)
UNFIT_FOR_DATASET = re.compile(r"[^\w.-]+", re.ASCII)
"""What has no place in the parts of such a name."""
SOME_DATASET = "dataset"
"""Such a name where all letters of the data's own are unfit for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card states: the best trial of a search, and what it was chosen and trained with."""

    experience: Experience
    """The trial's."""
    card: ModelCard
    """Of its model."""
    labels: Sequence[str]
    """The classes; none for other tasks."""
    metric: str
    """What chose it."""
    notes: Sequence[str]
    """What was done to the data."""
    test: Mapping[str, float] | None
    """Scores on the test split, by metric; None as long as there are none."""
    answering: Answering
    """What lies beside the weights as `xautolm.json`."""
    prompt: str
    """An example of the task's prompts, for models that generate."""
    is_final: bool = True
    """Whether the search has ended."""
    is_refit: bool = False
    """Whether its weights are from a training on the rows of validation too, after the trial's own."""

    @property
    def base(self) -> str:
        """Return what the model is called where it comes from."""
        if self.card.hub_id:
            return self.card.hub_id
        if self.card.package:
            return f"{self.card.distribution} (PyPI)"
        return self.card.name


def model_card(facts: CardFacts) -> str:
    """Return a README.md in the hub's card format: what was trained on what, chosen how, and how to load it."""
    experience = facts.experience
    card = facts.card
    data = experience.data
    outcome = experience.outcome
    metadata = _metadata(facts)
    usage_lines = usage(facts.answering, card.architecture, facts.prompt)
    first_layers = ""
    if card.kept_layers:
        first_layers = f", first {card.kept_layers} of its layers"
    parameters = millions(card.parameters)
    base = f"{facts.base}{first_layers} ({card.family}, {parameters} parameters, licence {card.licence})"
    versions = ", ".join(f"{name} {version}" for name, version in experience.versions.items())
    progress = "" if facts.is_final else GOES_ON
    refit = ON_ALL_ROWS if facts.is_refit else ""
    data_lines = [*_class_lines(facts.labels), *facts.notes]
    adjustments = outcome.adjustments or ["none"]
    seconds = outcome.evaluation_time or 0
    return f"""---
{metadata}
---

# {facts.base}, fine-tuned for {experience.task}

Found and trained by xautolm, trial {experience.trial} of run `{experience.run}`.
Chosen by **{facts.metric} on the validation split**; a score on that split is therefore somewhat optimistic.
{progress}{refit}
{folder_kind(facts.answering)}

```python
{usage_lines}
```

## Results

| metric | value |
| --- | --- |
{_score_lines(facts)}
Training and validation took {seconds:.1f} s on {experience.system.device}.

## Data

- fingerprint `{data.fingerprint}`, source fingerprint `{data.source_fingerprint}`
- {data.train_examples} training and {data.validation_examples} validation examples
{_items(data_lines)}
## Training

- base model: {base}
- seed {experience.seed}
- versions: {versions}

```json
{_configuration(experience)}
```

Changed to stay within memory:

{_items(adjustments)}"""


def _metadata(facts: CardFacts) -> str:
    """Return the part of a card that the hub reads, as YAML."""
    # Loaded here: it takes a fifth of a second, and most commands write no card.
    from huggingface_hub import ModelCardData

    card = facts.card
    metadata = ModelCardData(
        model_name=f"{facts.base}, fine-tuned for {facts.experience.task}",
        language=_languages(card),
        license=LICENCES.get(card.licence, card.licence),
        library_name=library_of(facts.answering),
        pipeline_tag=_pipeline_tag(facts),
        tags=["xautolm", facts.experience.task],
        base_model=card.hub_id or None,
        metrics=[facts.metric],
        eval_results=_results(facts) or None,
    )
    return metadata.to_yaml()


def _languages(card: ModelCard) -> list[str] | None:
    """Return the codes of a model's languages; None if nobody knows them."""
    # A model from scratch speaks the language of its training text, whichever that is.
    if card.origin == Origin.SCRATCH or card.languages == NO_LANGUAGE:
        return None
    return card.languages.split()


def _pipeline_tag(facts: CardFacts) -> str:
    """Return the hub's word for what the model does, such as `text-classification`."""
    return FORMS.get(facts.answering.form).pipeline_tag


def _results(facts: CardFacts) -> list[EvalResult]:
    """Return the scores as entries of the hub's model index."""
    from huggingface_hub import EvalResult

    name = facts.experience.data.name
    slug = dataset_type(name)
    results: list[EvalResult] = []
    for split, metric, score in _scores(facts):
        # The hub refuses a card whose numbers are not finite.
        if not math.isfinite(score):
            continue
        result = EvalResult(
            task_type=_pipeline_tag(facts),
            dataset_type=slug,
            dataset_name=name,
            dataset_split=split.value,
            metric_type=metric,
            metric_name=f"{split} {metric}",
            metric_value=float(score),
        )
        results.append(result)
    return results


def dataset_type(name: str) -> str:
    """Return the name of data, which may be any text, as the hub takes it for `dataset.type`."""
    owner, slash, rest = name.partition("/")
    if not slash:
        owner, rest = "", name
    owner_slug = UNFIT_FOR_OWNER.sub("-", owner).strip("-")
    dataset_slug = UNFIT_FOR_DATASET.sub("-", rest).strip("-") or SOME_DATASET
    if not owner_slug:
        return dataset_slug
    return f"{owner_slug}/{dataset_slug}"


def _scores(facts: CardFacts) -> list[tuple[Split, str, float]]:
    """Return split, metric and value of all scores."""
    validation = facts.experience.outcome.metrics
    test = facts.test or {}
    scores = []
    for metric, score in validation.items():
        scores.append((Split.VALIDATION, metric, score))
    for metric, score in test.items():
        scores.append((Split.TEST, metric, score))
    return scores


def _score_lines(facts: CardFacts) -> str:
    """Return all scores as rows of a table in Markdown."""
    lines = []
    for split, metric, score in _scores(facts):
        lines.append(f"| {split} {metric} | {score_text(score)} |\n")
    return "".join(lines)


def _class_lines(labels: Sequence[str]) -> list[str]:
    """Return a line with the names of the classes; no line for tasks without classes."""
    if not labels:
        return []
    # As JSON: a label may hold commas and quotes.
    names = json.dumps(list(labels), ensure_ascii=False)
    return [f"{len(labels)} classes: {names}"]


def _items(lines: Sequence[str]) -> str:
    """Return lines as a list of Markdown."""
    return "".join(f"- {line}\n" for line in lines)


def _configuration(experience: Experience) -> str:
    """Return the trial's configuration as JSON, under the name of its space."""
    configuration = experience.configuration
    values = {"space": configuration.space, **configuration.values}
    return json.dumps(values, indent=1)
