"""Experiences as they were stored, in today's words: models, values and meta-features that had other names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xautolm.metafeatures.generation import (
    AUTOGOAL_GENERATION,
    GENERATION_SIZES,
    OUR_GENERATION,
    sizes_of,
)
from xautolm.metafeatures.sentences import DIMENSIONS as SENTENCE_DIMENSIONS
from xautolm.metafeatures.sentences import NAME as SENTENCES
from xautolm.methods.partial import PAPER_LAYERS
from xautolm.records import Experience, Failure, Features, Scalar, TrialOutcome
from xautolm.tasks import TASKS
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import FailureKind, HeadStart, Switch, TrialStatus
from xautolm.zoo import ZOO, known_card, zoo_name

IMPORTED = "autogoal: "
"""Begins the provenance of what the importer of the paper's store read; the file's name follows."""
AUTOGOAL_SEMANTIC = "semantic-autogoal.v1"
"""The paper's vector where it is of no length that we know."""

SAME_VALUES: Mapping[str, Mapping[Scalar, Scalar]] = {
    "data_downsize": {
        "none": "none",
        "half": "half",
        "1/2": "half",
        "quarter": "quarter",
        "1/4": "quarter",
    },
    "quantization": {
        "none": "none",
        "8bit": "8bit",
        "4bit": "4bit",
        "bnb-8bit": "8bit",
        "bnb-4bit": "4bit",
    },
}
"""What stored values are called here, by parameter; a value that is not listed is dropped."""
SWITCHED = {
    "early_stopping": ("early_stopping_patience", "early_stopping_delta"),
    "gradient_clipping": ("max_grad_norm",),
}
"""What each switch opens; the paper's files have the values of closed switches too, and they had no effect."""
IMPORTED_METRIC, OUR_METRIC = "f1", "token_f1"
"""The F1 of answers by their words, as SQuAD's script counts it."""
QUANTIZED_METHOD = "lora."
"""Begins the names of the methods that can keep frozen weights with fewer bits; trained weights need all."""
TRAINED_BODIES = ("full.", "lora.", "partial.")
"""Begin the names of the methods whose heads may start from a probe."""
FULL_METHOD = "full."
"""Begins the names of the method that may leave the embeddings of words as they are."""
WITHOUT_EFFECT = frozenset({"fan_in_fan_out"})
"""How a layer keeps its matrix is not chosen: peft corrects it by the layer's kind."""


def adopted(experiences: Iterable[Experience]) -> list[Experience]:
    """Return experiences in today's words; of an import read by two versions, one.

    A file that an older version imported has another id now if a value of its configuration has another name.
    """
    imported_by_file: dict[str, Experience] = {}
    ours: list[Experience] = []
    for experience in experiences:
        renewed = in_our_words(experience)
        file = renewed.provenance
        if not file.startswith(IMPORTED):
            ours.append(renewed)
            continue
        # What had today's values already was imported by the newer version.
        has_todays_values = renewed.configuration is experience.configuration
        if file not in imported_by_file or has_todays_values:
            imported_by_file[file] = renewed
    return [*ours, *imported_by_file.values()]


def in_our_words(experience: Experience) -> Experience:
    """Return the experience with the names that models, values and meta-features have today; itself if it has them."""
    is_imported = experience.provenance.startswith(IMPORTED)
    configuration = experience.configuration
    outcome = experience.outcome
    objectives = experience.objectives
    values = completed(our_values(configuration.values), experience.task)
    if values != configuration.values:
        configuration = replace(configuration, values=values)
    if is_imported:
        outcome = our_outcome(outcome)
        names: list[str] = []
        for name in objectives:
            names.append(OUR_METRIC if name == IMPORTED_METRIC else name)
        objectives = tuple(names)
    renewed = replace(
        experience,
        configuration=configuration,
        features=our_features(experience.features, imported=is_imported),
        outcome=outcome,
        objectives=objectives,
    )

    if renewed == experience:
        return experience
    return renewed


def our_values(values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """Return a configuration's values in our words, without what had no effect."""
    method = str(values.get("method", ""))
    model = str(values.get("model", ""))
    ineffective = set(WITHOUT_EFFECT)
    if not method.startswith(QUANTIZED_METHOD):
        ineffective.add("quantization")
    for switch, opened in SWITCHED.items():
        if values.get(switch) == Switch.OFF:
            ineffective.update(opened)
    result: dict[str, Scalar] = {}
    for name, value in values.items():
        if name in ineffective:
            continue
        if name == "model":
            result[name] = zoo_name(model, ZOO.things)
        elif name == "trainable_layers":
            result[name] = _trainable_layers(value, model)
        elif name not in SAME_VALUES:
            result[name] = value
        elif value in SAME_VALUES[name]:
            result[name] = SAME_VALUES[name][value]
    return result


def completed(values: Mapping[str, Scalar], task: str) -> Mapping[str, Scalar]:
    """Return a configuration's values with those that earlier versions had no choice of, and so did not name.

    Args:
        values: In our words.
        task: Name of the task.
    """
    method = str(values.get("method", ""))
    model = str(values.get("model", ""))
    card = known_card(model, ZOO.things)
    # Probes train no body, and models from scratch have no probe that a head could start from.
    is_training = method.startswith(TRAINED_BODIES)
    is_from_scratch = card is not None and card.origin == "scratch"
    if not is_training or is_from_scratch or task not in TASKS.things:
        return values
    architecture = "encoder"
    if card is not None:
        architecture = card.architecture
    usual_form, *_ = TASKS.things[task].forms.get(architecture, ("",))
    # A record may name a form that this version does not know, or none that its model has.
    form_name = str(values.get("form", usual_form))
    form = FORMS.things.get(form_name)
    unsaid: dict[str, Scalar] = {}
    if form is not None and form.has_linear_head:
        unsaid["head_init"] = HeadStart.RANDOM.value
    if method.startswith(FULL_METHOD) and (form is None or not form.says_words):
        unsaid["freeze_embeddings"] = False
    missing: dict[str, Scalar] = {}
    for name, value in unsaid.items():
        if name not in values:
            missing[name] = value
    if not missing:
        return values
    return {**values, **missing}


def _trainable_layers(value: Scalar, model: str) -> Scalar:
    """Return how many layers are trained; of more than the model has, the most that the paper's set has below all."""
    card = known_card(model, ZOO.things)
    if card is None or not isinstance(value, int) or value < card.layers:
        return value
    # To train all layers is full fine-tuning, which is another method.
    possible = [layers for layers in PAPER_LAYERS if layers < card.layers]
    return max(possible, default=value)


def our_features(features: Features, *, imported: bool) -> Features:
    """Return meta-features by the names of today's groups, with those that can be read off others.

    Args:
        features: Numbers by the name of their group.
        imported: Whether the paper's system computed them: its generation features have a name of their own, because
            five of the eleven are computed otherwise; its semantic vector is of the space of our sentence encoder.
    """
    result = dict(features)
    # What the paper's system calls as we do was computed otherwise.
    if imported and OUR_GENERATION in result:
        result[AUTOGOAL_GENERATION] = result.pop(OUR_GENERATION)
    semantic = result.get(AUTOGOAL_SEMANTIC, ())
    if imported and len(semantic) == SENTENCE_DIMENSIONS:
        result[SENTENCES] = result.pop(AUTOGOAL_SEMANTIC)
    for name in (OUR_GENERATION, AUTOGOAL_GENERATION):
        # Sizes are among both systems' features, so earlier experiences have them too.
        if name in result and GENERATION_SIZES not in result:
            result[GENERATION_SIZES] = sizes_of(result[name])
    return result


def our_outcome(outcome: TrialOutcome) -> TrialOutcome:
    """Return an imported outcome with our names of metrics; as a failure where one is negative: that means an error."""
    if not outcome.succeeded:
        return outcome
    if any(value < 0 for value in outcome.metrics.values()):
        failure = Failure(kind=FailureKind.CRASH, message="its metrics could not be computed")
        return TrialOutcome(status=TrialStatus.FAILED, failure=failure, wall_time=outcome.wall_time)
    metrics = dict(outcome.metrics)
    if IMPORTED_METRIC in metrics:
        metrics[OUR_METRIC] = metrics.pop(IMPORTED_METRIC)
    return replace(outcome, metrics=metrics)
