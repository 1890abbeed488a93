"""The contract of fine-tuning methods: what they claim without torch, and what they do to tiny models with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from xautolm.methods import Method
from xautolm.records import Form, ModelCard, Scalar
from xautolm.registry import is_versioned
from xautolm.space import Space
from xautolm.space.presets import Bounds
from xautolm.tasks.forms import FORMS
from xautolm.testing.fakes import made_up_card
from xautolm.vocabulary import Architecture, Preset

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CLASSIFIER_BOUNDS = Bounds(
    positions=512,
    tokens_max=100,
    tokens_typical=30.0,
    train_examples=500,
    precisions=("fp32",),
    body_dropout=True,
    form=FORMS.get("classify"),
)
"""A classifier on a processor, with 500 short texts to learn from."""
TINY_FAMILIES = ("bert", "distilbert")
"""Classifiers: the first has a pooler in front of its classifier, the second a dense layer in its place."""
FORMS_OF_FAMILIES: Mapping[str, str] = {
    **dict.fromkeys(TINY_FAMILIES, "classify"),
    "llama": "generate",
}
"""What a tiny model of each family does; the last says words, for methods that classifiers are no use to."""
LORA_TARGETS: Mapping[str, tuple[str, ...]] = {
    "bert": ("query",),
    "distilbert": ("q_lin",),
    "llama": ("q_proj", "v_proj"),
}


def check_method(method: Method) -> None:
    """Check that a fine-tuning method keeps what every method promises.

    Its name is versioned. In each of its presets, for each tiny model that it does not refuse: its defaults lie in its
    own space; it trains as large a share as it claims, within a factor of two, a head always; all that it trains gets a
    gradient; and what it says of body, gradients and memory goes with that. Loads torch.

    Raises:
        AssertionError: It does not; says which promise.
    """
    name = method.name
    assert is_versioned(name), f"{name} does not end in a version, such as `.v1`"
    assert method.title, f"{name} does not say what it is"
    assert method.presets, f"{name} is in no preset, so that no search has it"
    unknown = sorted(set(method.presets) - set(Preset))
    assert not unknown, f"{name} is in presets that are not there: {unknown}"
    problems: list[str] = []
    for family, form_name in FORMS_OF_FAMILIES.items():
        form = FORMS.get(form_name)
        problem = _problem(method, tiny_card(family), form)
        if problem:
            problems.append(f"{family}: {problem}")
            continue
        for preset in method.presets:
            _check_space(method, preset, family)
            _check_claims(method, preset, family)
            _check_gradients(method, preset, family)
    is_applied = len(problems) < len(FORMS_OF_FAMILIES)
    assert is_applied, f"{name} refuses every tiny model: {'; '.join(problems)}"


def tiny_card(family: str) -> ModelCard:
    """Build the card of a tiny model.

    Args:
        family: One of `FORMS_OF_FAMILIES`.
    """
    body = tiny_model(family).base_model
    is_decoder = FORMS.get(FORMS_OF_FAMILIES[family]).says_words
    return replace(
        made_up_card(),
        family=family,
        architecture=Architecture.DECODER if is_decoder else Architecture.ENCODER,
        parameters=sum(parameter.numel() for parameter in body.parameters()),
        lora_targets=LORA_TARGETS[family],
    )


def tiny_model(family: str) -> PreTrainedModel:
    """Build a model with random weights that does what `FORMS_OF_FAMILIES` says."""
    if family in TINY_FAMILIES:
        return tiny_classifier(family)
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = LlamaConfig(
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=2,
        # As wide for the width as Llama's own: three such matrices have as many weights as the usual two.
        intermediate_size=344,
        vocab_size=1000,
    )
    return LlamaForCausalLM(shape)


def tiny_classifier(family: str) -> PreTrainedModel:
    """Build a classifier of three classes with random weights: four layers of width 128, 1,000 words.

    Args:
        family: `bert` or `distilbert`.
    """
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        DistilBertConfig,
        DistilBertForSequenceClassification,
    )

    torch.manual_seed(0)
    if family == "bert":
        shape = BertConfig(
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=512,
            vocab_size=1000,
            num_labels=3,
        )
        return BertForSequenceClassification(shape)
    shape = DistilBertConfig(
        dim=128, n_layers=4, n_heads=2, hidden_dim=512, vocab_size=1000, num_labels=3
    )
    return DistilBertForSequenceClassification(shape)


def trained_names(model: PreTrainedModel) -> set[str]:
    """Return the names of the parameters that are trained."""
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def _problem(method: Method, card: ModelCard, form: Form) -> str:
    """Return why a method cannot be applied, in its own words."""
    try:
        problem = method.problem(card, form)
    except Exception as error:
        raise AssertionError(
            f"{method.name}: problem() raises {error!r} for a {card.family} that does {form.name}; "
            "it has to return why it cannot be applied, or nothing"
        ) from error
    assert isinstance(problem, str), f"{method.name}: problem() returns no text: {problem!r}"
    return problem


def _space(method: Method, preset: str, family: str) -> Space:
    """Return the space of a method's own parameters for a tiny model."""
    bounds = replace(CLASSIFIER_BOUNDS, form=FORMS.get(FORMS_OF_FAMILIES[family]))
    return Space("s", method.parameters(preset, tiny_card(family), bounds))


def _defaults(method: Method, preset: str, family: str) -> dict[str, Scalar]:
    """Return the defaults of a method's own parameters."""
    return dict(_space(method, preset, family).default().values)


def _check_space(method: Method, preset: str, family: str) -> None:
    space = _space(method, preset, family)
    problems = space.problems(space.default().values)
    assert problems == [], f"{method.name}, preset {preset}, for a {family}: {problems}"


def _check_claims(method: Method, preset: str, family: str) -> None:
    name = method.name
    model = tiny_model(family)
    card = tiny_card(family)
    values = _defaults(method, preset, family)
    stored = method.stored_share(card, values)
    assert 0 < stored <= 1, f"{name}: the body takes {stored} of its memory in float32, not 0 to 1"
    backward = method.backward_share(card, values)
    assert 0 <= backward <= 1, f"{name}: a backward pass through {backward} of the layers"
    keeping = method.kept_share(card, values)
    assert backward <= keeping <= 1, f"{name}: {keeping} of the layers keep what {backward} need"

    head = _head_modules(model)
    # By identity: a method may give parameters other names.
    own_weights = {
        id(weights) for label, weights in model.named_parameters() if not _is_in(label, head)
    }
    wrapped = method.wrap(model, card, values)
    trained = 0
    trained_in_place: list[str] = []
    for label, parameter in wrapped.named_parameters():
        if not parameter.requires_grad or _is_in(label, head):
            continue
        trained += parameter.numel()
        if id(parameter) in own_weights:
            trained_in_place.append(label)
    share = trained / card.parameters
    claimed = method.trained_share(card, values)
    # Memory is predicted from the claim: too little costs a failed trial, too much one that is never tried.
    is_honest = share <= claimed * 1.25 + 0.01 and claimed <= share * 2 + 0.03
    assert is_honest, f"{name} claims to train {claimed:.3f} of a {family}, and trains {share:.3f}"
    assert method.trains_body or not trained_in_place, (
        f"{name} trains the body in place, {trained_in_place[0]} for one; say so by trains_body = True"
    )
    assert not (method.freezes_body and method.trains_body), (
        f"{name} trains the body, and says that it stays frozen; then it would be stored in 16 bits"
    )
    if not method.trains_by_gradient:
        assert not trained, f"{name} takes no gradient step, and trains {share:.3f} of the body"
        assert backward == 0, f"{name} takes no gradient step, and has a backward pass: {backward}"
    elif trained and method.most_training_rows != 0:
        assert backward > 0, f"{name} trains {share:.3f} of the body without a backward pass"


def _check_gradients(method: Method, preset: str, family: str) -> None:
    import torch

    name = method.name
    model = tiny_model(family)
    head = _head_modules(model)
    wrapped = method.wrap(model, tiny_card(family), _defaults(method, preset, family))
    trained = trained_names(wrapped)
    if method.most_training_rows == 0:
        assert trained == set(), f"{name} looks at no training row, and trains {trained}"
        assert not method.trains_by_gradient, (
            f"{name} looks at no training row; say that it takes no step by trains_by_gradient = False"
        )
        return
    assert trained, f"{name} trains nothing of a {family}; say so by most_training_rows = 0"
    tokens = torch.arange(5, 21).reshape(2, 8)
    form = FORMS.get(FORMS_OF_FAMILIES[family])
    labels = tokens if form.says_words else torch.tensor([0, 2])
    wrapped(input_ids=tokens, labels=labels).loss.backward()
    moved = {label for label, value in wrapped.named_parameters() if value.grad is not None}
    assert moved == trained, f"{name} on {family}: no gradient for {trained - moved}"
    # What says words has no head of the task's own.
    has_trained_head = any(_is_in(label, head) for label in moved)
    assert form.says_words or has_trained_head, f"{name} trains no head"


def _head_modules(model: PreTrainedModel) -> set[str]:
    """Return the names of the modules outside the body, and of its pooler."""
    body = model.base_model
    return {label for label, module in model.named_children() if module is not body} | {"pooler"}


def _is_in(parameter: str, modules: set[str]) -> bool:
    """Return whether a parameter is in a module of one of these names, also where adapters stand around it."""
    return not modules.isdisjoint(parameter.split("."))
