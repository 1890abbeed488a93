"""Where zoo, methods and task meet: the search space of a task on a machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xautolm.data import Needs, Role, text_cell
from xautolm.errors import SpaceError, UnknownNameError
from xautolm.methods import METHODS, Method
from xautolm.options import yaml_content
from xautolm.records import Configuration, DataProfile, ModelCard, Scalar, SystemProfile
from xautolm.space import Branch, Int, Parameter, Space, narrowed
from xautolm.space.presets import PRESETS, Bounds
from xautolm.space.shares import LARGE_DATA, rung_parameter
from xautolm.tasks import Task
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import DeviceKind, Export, Precision, Preset, Quantization
from xautolm.zoo import ZOO, Head, family_of

SPACE_VERSION = "v1"


def data_needs(task: Task) -> Needs:
    """Return what a task demands of its data."""
    roles = []
    for name, guesses in task.inputs.items():
        roles.append(Role(name=name, guesses=guesses, parse=text_cell))
    target = Role(
        name=task.target,
        guesses=task.target_guesses,
        parse=task.parse_label,
        column_problem=task.column_problem,
        joins=task.joins_columns,
    )
    # The target is the last column wherever a table has the task's columns.
    roles.append(target)
    return Needs(
        task=task.name,
        roles=tuple(roles),
        strata=task.strata,
        labels_of=task.labels_of,
        check=task.check,
        stand_ins=task.stand_ins,
        empty_label=task.empty_label,
        validates_every_class=task.validates_every_class,
    )


def build_space(
    preset: str,
    task: Task,
    cards: Sequence[ModelCard],
    methods: Sequence[str],
    profile: DataProfile,
    system: SystemProfile,
    changes: Mapping[str, Any] | None = None,
    *,
    export: Export = Export.ANY,
    rungs: bool = False,
    devices: int = 1,
) -> Space:
    """Build the conditional space over models, methods and hyperparameters; what cannot run is not in it.

    Args:
        preset: `default` or `paper`.
        task: The task; says how it is cast for each architecture.
        cards: The models.
        methods: Names of methods, or empty for all.
        profile: The data's numbers.
        system: The machine.
        changes: The user's own ranges.
        export: What the trained models' folders may be.
        rungs: Whether trainings on large data are to begin on a part of it.
        devices: Over how many every model that is trained is to be divided.

    Raises:
        SpaceError: No method can be applied to any of the models, or a range makes no sense.
        UnknownNameError: No such preset or method.
    """
    if preset not in PRESETS:
        raise UnknownNameError("space preset", preset, PRESETS)
    methods_of_preset = _methods(preset, methods)
    has_rungs = rungs and profile.train_examples >= LARGE_DATA

    spaces_of_models: list[Space] = []
    reasons: list[str] = []
    for card in cards:
        spaces_of_methods: list[Space] = []
        for method in methods_of_preset:
            problems = form_problems(task, method, card)
            # Several forms may have the same problem; it is said once.
            for problem in dict.fromkeys(problems.values()):
                if problem:
                    reasons.append(f"{method.name} on {card.name}: {problem}")
            spaces: list[Space] = []
            for form, problem in problems.items():
                if not problem:
                    space_of_form = _form_space(
                        preset, form, method, card, profile, system, export, devices
                    )
                    spaces.append(space_of_form)
            if not spaces:
                continue
            if has_rungs and method.trains_by_gradient:
                spaces = [_with_rungs(space) for space in spaces]
            # The usual form alone is no choice, and stores are full of configurations that do not name it.
            usual_form = task.forms[card.architecture][0]
            parameters: tuple[Parameter, ...] = (_branch("form", spaces),)
            if [space.name for space in spaces] == [usual_form]:
                parameters = spaces[0].parameters
            spaces_of_methods.append(Space(method.name, parameters))
        if spaces_of_methods:
            choice_of_method = _branch("method", spaces_of_methods)
            spaces_of_models.append(Space(card.name, (choice_of_method,)))

    if not spaces_of_models:
        raise SpaceError(
            "No method can be applied to any model.", got="; ".join(reasons) or "no model"
        )
    choice_of_model = _branch("model", spaces_of_models)
    space = Space(f"{preset}.{SPACE_VERSION}", (choice_of_model,))
    return narrowed(space, changes or {}, known=_known_options())


def _known_options() -> set[str]:
    """Return the names of all methods and models: one that this search has no use for is no mistake in a list."""
    names: set[str] = set(ZOO.things)
    for name in METHODS.things:
        # Without its version, too.
        names |= {name, name.partition(".")[0]}
    return names


def _methods(preset: str, names: Sequence[str]) -> list[Method]:
    """Return the methods of these names, or all that the preset has.

    Raises:
        UnknownNameError: No such method.
    """
    # A method that is named is taken whatever the preset: whoever names it wants it.
    if names:
        return [METHODS.get(name) for name in names]
    methods = METHODS.things.values()
    return [method for method in methods if preset in method.presets]


def form_problems(task: Task, method: Method, card: ModelCard) -> dict[str, str]:
    """Return why a method cannot train a model, or nothing, by the names of the forms that the task has for it."""
    forms = task.forms.get(card.architecture, ())
    if not forms:
        return {"": f"{task.name} is not for an {card.architecture}"}
    absent_forms = family_of(card.family).absent_forms
    problems = {}
    for name in forms:
        form = FORMS.get(name)
        if name in absent_forms:
            problems[name] = f"transformers has no model of this family that {form.title}"
            continue
        problems[name] = method.problem(card, form)
    return problems


def _form_space(
    preset: str,
    form: str,
    method: Method,
    card: ModelCard,
    profile: DataProfile,
    system: SystemProfile,
    export: Export,
    devices: int,
) -> Space:
    """Return the hyperparameters of a method on a model in a form, under the form's name."""
    # The preset of the paper has mixed precision as a switch, which needs both formats.
    has_masters = method.trains_body or preset == Preset.PAPER
    bounds = Bounds(
        positions=card.positions,
        tokens_max=profile.tokens_max,
        tokens_typical=profile.tokens_typical,
        tokens_p90=profile.tokens_p90,
        train_examples=profile.train_examples,
        precisions=precisions(system, card, has_masters=has_masters, devices=devices),
        quantizations=quantizations(system),
        body_dropout=method.trains_body,
        form=FORMS.get(form),
        export=export,
        longest=card.positions if family_of(card.family).has_position_table else math.inf,
    )
    parameters = method.parameters(preset, card, bounds)
    if method.trains_by_gradient:
        # What every training has, whichever weights it changes.
        parameters += PRESETS[preset](bounds)
    return Space(form, parameters)


def _with_rungs(space: Space) -> Space:
    """Return a space whose configurations also say which share of the training rows they are trained on."""
    return Space(space.name, (*space.parameters, rung_parameter()))


def _branch(name: str, spaces: Sequence[Space]) -> Branch:
    """Return a choice between spaces by their names; the first is the default."""
    branches = {space.name: space for space in spaces}
    first = spaces[0]
    return Branch(name=name, branches=branches, default=first.name)


def precisions(
    system: SystemProfile, card: ModelCard, *, has_masters: bool = True, devices: int = 1
) -> tuple[str, ...]:
    """Return the number formats that a model is trained in on the device, the preferred one first.

    Processors gain from bfloat16 if they have instructions for it.

    Args:
        system: The machine.
        card: The model's.
        has_masters: Whether weights of the body are trained, and so kept in float32 whatever passes run in. Beside
            weights that are frozen, float32 costs a GPU time and memory for digits that nobody misses.
        devices: Over how many the model is to be divided, which trainings in float16 cannot be.
    """
    float32 = Precision.FLOAT32.value
    if system.device == DeviceKind.CUDA:
        half = Precision.BFLOAT16
        # On older GPUs there is float16 only, in which some families end in infinities.
        if not system.computes_in_bf16:
            if devices > 1 or not family_of(card.family).fits_float16:
                return (float32,)
            half = Precision.FLOAT16
        return (half.value, float32) if has_masters else (half.value,)
    if system.computes_in_bf16:
        return (Precision.BFLOAT16.value, float32)
    return (float32,)


def quantizations(system: SystemProfile) -> tuple[str, ...]:
    """Return how frozen weights can be stored while adapters are trained: fewer bits need a GPU and bitsandbytes."""
    # Looked for without importing it, for it loads torch.
    has_library = find_spec("bitsandbytes") is not None
    if system.device != DeviceKind.CUDA or not has_library:
        return (Quantization.NONE.value,)
    return tuple(quantization.value for quantization in Quantization)


def read_space_option(option: str) -> tuple[str, Mapping[str, Any]]:
    """Read preset and changes from `--space`: a preset's name, or a YAML file of ranges with an optional `preset`.

    Raises:
        SpaceError: The file cannot be read, or is no mapping.
        UnknownNameError: Neither a preset nor a file.
    """
    path = Path(option).expanduser()
    if option in PRESETS:
        return option, {}
    if not path.is_file():
        raise UnknownNameError("space (a preset or a YAML file)", option, PRESETS)
    try:
        content = yaml_content(path)
    except OSError as error:
        raise SpaceError(
            "The space file cannot be read.", got=f"{path}: {error.strerror}"
        ) from None
    except ValueError as error:
        raise SpaceError("The space file is not valid YAML.", got=f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise SpaceError(
            "The space file must map parameters to ranges.", got=f"{path}: {type(content).__name__}"
        )
    changes = {str(name): value for name, value in content.items()}
    return str(changes.pop("preset", "default")), changes


def methods_by_model(space: Space) -> dict[str, tuple[str, ...]]:
    """Return the models of a space that `build_space` made, each with its methods."""
    choice_of_model = space.parameters[0]
    assert isinstance(choice_of_model, Branch)
    assert choice_of_model.name == "model"
    methods: dict[str, tuple[str, ...]] = {}
    for model, space_of_model in choice_of_model.branches.items():
        choice_of_method = space_of_model.parameters[0]
        assert isinstance(choice_of_method, Branch)
        assert choice_of_method.name == "method"
        methods[model] = choice_of_method.options
    return methods


def is_cut(card: ModelCard, others: Iterable[ModelCard]) -> bool:
    """Return whether a body is another one without its top layers."""
    if not card.kept_layers:
        return False
    # The same checkpoint, of which more is kept.
    return any(other.path == card.path and other.layers > card.layers for other in others)


def cuts_of(card: ModelCard, others: Iterable[ModelCard]) -> tuple[int, ...]:
    """Return how many layers those bodies have that are a body without its top layers, the fewest first.

    Of BERT's kind only: the states between its layers are the ends of these bodies, for nothing follows on the last
    layer, and its head looks at the first token.
    """
    if not card.kept_layers or family_of(card.family).head != Head.BERT_POOLER:
        return ()
    layers = {other.layers for other in others if other.path == card.path}
    return tuple(sorted(each for each in layers if each < card.layers))


def default_configurations(space: Space, *, fewest_epochs: bool = False) -> list[Configuration]:
    """Return the default of every model with every method; on request with as few epochs as the space has."""
    defaults = []
    for model, methods in methods_by_model(space).items():
        for method in methods:
            choose = partial(_default_value, {"model": model, "method": method}, fewest_epochs)
            defaults.append(space.walk(choose))
    return defaults


def _default_value(
    fixed: Mapping[str, Scalar], fewest_epochs: bool, key: str, parameter: Parameter
) -> Scalar:
    """Return the value that a default configuration has of a parameter."""
    if fewest_epochs and parameter.name == "epochs" and isinstance(parameter, Int):
        return parameter.low
    return fixed.get(parameter.name, parameter.default)


def generic_data() -> DataProfile:
    """Return a data profile that narrows no range: to show a space before there is data."""
    return DataProfile(
        train_examples=1_000,
        validation_examples=250,
        classes=2,
        tokens_mean=64.0,
        tokens_max=1_000_000,
        fingerprint="",
        source_fingerprint="",
        name="any",
    )
