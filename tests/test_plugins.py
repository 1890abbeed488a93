"""Another package adds a thing of each kind: one file and an entry point, and the program uses it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from tests.test_architecture import problems_of_imports
from xautolm.description import groups_for
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.metafeatures import FEATURES
from xautolm.methods import METHODS
from xautolm.metrics import METRICS, offered_metrics
from xautolm.records import DataProfile, ModelCard, SystemProfile
from xautolm.registry import Registry
from xautolm.search import SAMPLERS
from xautolm.search_space import build_space, data_needs
from xautolm.space import Space
from xautolm.tasks import TASKS
from xautolm.tasks.forms import FORMS
from xautolm.trackers import TRACKERS, check_tracker
from xautolm.zoo import FAMILIES, ZOO, family_of

PACKAGE = "toy_things"
TASK = TASKS.get("text-classification")


@dataclass(frozen=True)
class Kind:
    """A kind of thing, with a file that adds one."""

    registry: Registry
    source: str
    """The file, which calls its thing THING."""
    name: str
    """The thing's."""
    is_used: Callable[[Material], object]
    """Asks the program to use the thing; false if it does not."""


@dataclass(frozen=True)
class Material:
    """What a thing is used with."""

    card: ModelCard
    profile: DataProfile
    machine: SystemProfile

    def space(self, card: ModelCard, method: str) -> Space:
        return build_space("default", TASK, [card], [method], self.profile, self.machine)


MODEL = """
    from xautolm.zoo import Family

    FAMILY = Family(name="toynet", licence="mit")
    THING = (FAMILY.card("toy-model", hub_id="me/toy", parameters=1_000_000, hidden_size=64, layers=2),)
"""
FAMILY = """
    from xautolm.zoo import Family

    THING = Family(name="toynet", architecture="decoder")
"""
METHOD = """
    from xautolm.methods.head import Head

    class Toy(Head):
        name = "toy.v1"

    THING = Toy()
"""
TASK_TYPE = """
    from xautolm.tasks.text_classification import TextClassification

    class Toy(TextClassification):
        name = "toy-task"

    THING = Toy()
"""
FORM = """
    from dataclasses import replace

    from xautolm.tasks.forms.classify import FORM

    THING = replace(FORM, name="toy-form")
"""
TORCH_FORM = """
    from xautolm.finetuning.forms.classify import Classify

    class Toy(Classify):
        name = "toy-form"

    THING = Toy()
"""
METRIC = """
    from xautolm.metrics import Metric, Targets

    THING = Metric(name="toy", compute=lambda right, answers: 0.5, targets=(Targets.CLASSES,))
"""
GROUP = """
    class Toy:
        name = "toy.v1"
        part = "task"
        aspect = "toy"
        noise = 0.0
        targets = "classes"
        features = ("letters",)

        def compute(self, sample):
            return (float(sum(map(len, sample.texts))),)

    THING = Toy()
"""
STRATEGY = """
    from optuna.samplers import RandomSampler

    from xautolm.search import Strategy

    THING = Strategy(name="toy", title="a toy", make=lambda space, seed, memory: RandomSampler(seed=seed))
"""

TRACKER = """
    from xautolm.trackers import Tracker

    class Toy:
        def __init__(self, run):
            self.run = run

    THING = Tracker(name="toy", module="json", begin=Toy)
"""


def offers_model(material: Material) -> bool:
    return "toy-model" in str(material.space(ZOO.get("toy-model"), "head").to_plain())


def offers_method(material: Material) -> bool:
    return "toy.v1" in str(material.space(material.card, "toy").to_plain())


KINDS = {
    "model": Kind(ZOO, MODEL, "toy-model", offers_model),
    "family": Kind(
        FAMILIES, FAMILY, "toynet", lambda _: family_of("toynet").architecture == "decoder"
    ),
    "method": Kind(METHODS, METHOD, "toy.v1", offers_method),
    "task": Kind(
        TASKS, TASK_TYPE, "toy-task", lambda _: data_needs(TASKS.get("toy-task")).task == "toy-task"
    ),
    "form": Kind(FORMS, FORM, "toy-form", lambda _: FORMS.get("toy-form").has_linear_head),
    "what a form does": Kind(
        TORCH_FORMS, TORCH_FORM, "toy-form", lambda _: TORCH_FORMS.get("toy-form")
    ),
    "metric": Kind(METRICS, METRIC, "toy", lambda _: "toy" in offered_metrics(TASK.problem_type)),
    "group of meta-features": Kind(
        FEATURES, GROUP, "toy.v1", lambda _: "toy.v1" in groups_for(TASK)
    ),
    "strategy": Kind(
        SAMPLERS,
        STRATEGY,
        "toy",
        lambda it: SAMPLERS.get("toy").make(it.space(it.card, "head"), 0, None),
    ),
    "tracker": Kind(TRACKERS, TRACKER, "toy", lambda _: check_tracker(TRACKERS.get("toy")) is None),
}
"""Everything that can be added; a new kind is a line here."""


@pytest.fixture(params=KINDS)
def kind(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Kind]:
    """Install a package with a thing of a kind, and uninstall it again."""
    kind = KINDS[request.param]
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "thing.py").write_text(dedent(kind.source), encoding="utf-8")
    distribution = tmp_path / f"{PACKAGE}-1.0.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text(f"Name: {PACKAGE}\nVersion: 1.0\n", encoding="utf-8")
    entry_point = f"[{kind.registry.group}]\ntoy = {PACKAGE}.thing:THING\n"
    (distribution / "entry_points.txt").write_text(entry_point, encoding="utf-8")
    before = kind.registry.things
    monkeypatch.syspath_prepend(str(tmp_path))
    # A registry looks once only; it forgets here what it saw.
    monkeypatch.delitem(kind.registry.__dict__, "things")
    yield kind
    kind.registry.__dict__["things"] = before
    for module in (PACKAGE, f"{PACKAGE}.thing"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_thing_imports_what_is_offered(kind: Kind) -> None:
    assert problems_of_imports(dedent(kind.source)) == []


def test_a_package_adds_a_thing(
    kind: Kind, card: ModelCard, profile: DataProfile, machine: SystemProfile
) -> None:
    assert list(kind.registry.things)[-1] == kind.name
    assert kind.is_used(Material(card, profile, machine))
