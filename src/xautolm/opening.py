"""What a search begins with: quick probes, then the default on the best body, then what is near the best training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xautolm.methods import METHODS
from xautolm.records import Configuration, Experience, ModelCard, Scalar, as_float
from xautolm.search_space import default_configurations, methods_by_model
from xautolm.space import Choice, Float, Int, Parameter, Space

Obstacle = Callable[[Configuration], str]
"""Says why a configuration would be passed over, or nothing."""

REFINEMENTS = 3
"""Trials near the best training in a search that knows of no other task: the other pooling and two learning rates."""

LATE = 12
"""Trainings after which nothing has to wait any more: by then the likely ones have been tried."""
FAR_BEHIND = 0.1
"""Share of the best probe's score by which a body's own may be lower before its trainings have to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The first trials of a search.

    Probes cost seconds and say how good each body is on this very data, which no store can know. What trains starts
    from the best of them. A search over several architectures also begins with one short trial of each other one.
    """

    space: Space
    cards: Mapping[str, ModelCard]
    """The models of the space."""
    refinements: int = 0
    """Trials near the best training, before the sampler is asked: one that knows of no other task begins with random
    trials, of which on 2,000 texts most fall behind the default."""

    def first(self, obstacle: Obstacle) -> list[Configuration]:
        """Return what to begin with: probes of whole bodies, the cheapest first; without any, what `trained` says."""
        probes = self.probes(obstacle)
        whole = [probe for probe in probes if not self.is_cut(probe.model)]
        return whole or probes or self.trained(obstacle, ())

    def probes(self, obstacle: Obstacle) -> list[Configuration]:
        """Return a probe of every body, the cheapest first.

        Args:
            obstacle: Says why a configuration would be passed over.
        """
        probes = [
            configuration
            for configuration in default_configurations(self.space)
            if not is_trained(configuration) and not obstacle(configuration)
        ]
        return sorted(probes, key=lambda probe: self.cards[probe.model].parameters)

    def is_cut(self, model: str) -> bool:
        """Return whether a body is another body of the space without its top layers.

        On its own it is quicker and hardly ever better: it is probed once the whole body has given its best.
        """
        card = self.cards[model]
        if not card.kept_layers:
            return False
        bodies = [self.cards[name] for name in methods_by_model(self.space)]
        return any(body.path == card.path and body.layers > card.layers for body in bodies)

    def after_probes(
        self, experiences: Sequence[Experience], running: Sequence[Configuration], metric: str, obstacle: Obstacle
    ) -> list[Configuration]:
        """Return the trials to follow the probes; nothing while probes run, or once anything was trained.

        Args:
            experiences: Of the run so far.
            running: Configurations of the trials that run now.
            metric: The one that leads.
            obstacle: Says why a configuration would be passed over.
        """
        if not experiences or running or self.has_ended(experiences, running):
            return []
        probed_configurations = [experience.configuration for experience in experiences]
        if any(probe not in probed_configurations for probe in self.first(obstacle)):
            return []
        probed = [experience for experience in experiences if experience.outcome.succeeded]
        ranked = sorted(probed, key=lambda experience: -experience.outcome.metrics[metric])
        return self.trained(obstacle, [experience.configuration.model for experience in ranked])

    def has_ended(self, experiences: Sequence[Experience], running: Sequence[Configuration]) -> bool:
        """Return whether a training has begun: from then on the sampler is asked."""
        begun = [*(experience.configuration for experience in experiences), *running]
        return any(is_trained(configuration) for configuration in begun)

    def refinement(
        self, experiences: Sequence[Experience], running: Sequence[Configuration], metric: str, obstacle: Obstacle
    ) -> Configuration | None:
        """Return the next trial near the best training so far, then a probe of each body without its top layers.

        None follows once there were enough, or nothing is left.

        Args:
            experiences: Of the run so far.
            running: Configurations of the trials that run now.
            metric: The one that leads.
            obstacle: Says why a configuration would be passed over.
        """
        begun = [*(experience.configuration for experience in experiences), *running]
        successes = []
        for experience in experiences:
            if is_trained(experience.configuration) and experience.outcome.succeeded:
                successes.append(experience)
        if not successes or not self.refinements:
            return None
        candidates: list[Configuration] = []
        if self.count_varied(begun) < self.refinements:
            best = max(successes, key=lambda experience: experience.outcome.metrics[metric])
            candidates = variations(self.space, best.configuration)
        candidates += self.probes(obstacle)
        for candidate in candidates:
            if candidate not in begun and not obstacle(candidate):
                return candidate
        return None

    def count_varied(self, begun: Sequence[Configuration]) -> int:
        """Return how many trainings were begun that are no defaults, whole or with the fewest epochs."""
        defaults = [*default_configurations(self.space), *default_configurations(self.space, fewest_epochs=True)]
        trainings = [configuration for configuration in begun if is_trained(configuration)]
        return sum(training not in defaults for training in trainings)

    def reason_to_wait(self, configuration: Configuration, experiences: Sequence[Experience], metric: str) -> str:
        """Return why a training is better tried late, in a search that knows of no other task; nothing if it is not.

        A body whose probe is far behind seldom catches up, and a model from scratch seldom comes near a pretrained one.

        Args:
            configuration: A proposal.
            experiences: Of the run so far.
            metric: The one that leads.
        """
        trained = [experience for experience in experiences if is_trained(experience.configuration)]
        if not self.refinements or not is_trained(configuration) or len(trained) >= LATE:
            return ""
        probes: dict[str, float] = {}
        for experience in experiences:
            if experience.outcome.succeeded and not is_trained(experience.configuration):
                score = experience.outcome.metrics[metric]
                model = experience.configuration.model
                probes[model] = max(score, probes.get(model, score))
        if not probes:
            return ""
        best = max(probes.values())
        if configuration.model not in probes:
            return f"{configuration.model} was not probed, others reach {best:.3f} without training"
        own = probes[configuration.model]
        if own < best - FAR_BEHIND * abs(best):
            return f"the probe of {configuration.model} is far behind: {own:.3f} of {best:.3f}"
        return ""

    def trained_defaults(self) -> list[Configuration]:
        """Return the default of every model with every method that takes gradient steps."""
        return [each for each in default_configurations(self.space) if is_trained(each)]

    def trained(self, obstacle: Obstacle, best: Sequence[str]) -> list[Configuration]:
        """Return the default on the best body, and a short trial of each other architecture.

        Where a default meets an obstacle (too slow, too large), the first that meets none takes its place: on the next
        best body, then by another method; where all do, it is the default all the same.

        Args:
            obstacle: Says why a configuration would be passed over.
            best: Models, the best body first; the space's own order where it is not known.
        """
        defaults = self.trained_defaults()
        if not defaults:
            return []
        own_order = list(dict.fromkeys(each.model for each in defaults))
        models = list(dict.fromkeys([*(model for model in best if model in own_order), *own_order]))
        methods = list(dict.fromkeys(each.method for each in defaults))
        architecture = self.cards[models[0]].architecture
        alike = [each for each in defaults if self.cards[each.model].architecture == architecture]
        by_promise = sorted(alike, key=lambda each: (methods.index(each.method), models.index(each.model)))
        fitting = [each for each in by_promise if not obstacle(each)]
        chosen = [(fitting or by_promise)[0]]
        covered = {architecture}
        short = [each for each in default_configurations(self.space, fewest_epochs=True) if is_trained(each)]
        for each in sorted(short, key=lambda each: self.cards[each.model].parameters):
            if self.cards[each.model].architecture not in covered:
                covered.add(self.cards[each.model].architecture)
                chosen.append(each)
        return chosen


def variations(space: Space, configuration: Configuration) -> list[Configuration]:
    """Return a training's neighbours, the one that promises most first.

    The other pooling, twice and half the learning rate, twice the epochs: what a person would try next. Values stay
    within the space; what it does not have is left out.
    """
    changes: tuple[tuple[str, Callable[[Parameter, Scalar], Scalar]], ...] = (
        ("pooling", _another_option),
        ("learning_rate", lambda parameter, rate: _scaled(parameter, rate, 2.0)),
        ("learning_rate", lambda parameter, rate: _scaled(parameter, rate, 0.5)),
        ("epochs", lambda parameter, epochs: _scaled(parameter, epochs, 2.0)),
    )
    neighbours: list[Configuration] = []
    for name, change in changes:

        def choose(
            key: str,
            parameter: Parameter,
            name: str = name,
            change: Callable[[Parameter, Scalar], Scalar] = change,
        ) -> Scalar:
            value = configuration.values.get(parameter.name, parameter.default)
            return change(parameter, value) if parameter.name == name else value

        neighbour = space.walk(choose)
        if neighbour != configuration and neighbour not in neighbours:
            neighbours.append(neighbour)
    return neighbours


def _another_option(parameter: Parameter, value: Scalar) -> Scalar:
    if not isinstance(parameter, Choice):
        return value
    return next((option for option in parameter.options if option != value), value)


def _scaled(parameter: Parameter, value: Scalar, factor: float) -> Scalar:
    if isinstance(parameter, Float):
        return min(max(as_float(value) * factor, parameter.low), parameter.high)
    if isinstance(parameter, Int):
        return min(max(round(as_float(value) * factor), parameter.low), parameter.high)
    return value


def is_trained(configuration: Configuration) -> bool:
    """Return whether a configuration takes gradient steps, rather than probe a frozen body."""
    return METHODS.get(configuration.method).trains_by_gradient
