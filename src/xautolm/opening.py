"""What a search begins with: quick probes, then the default on the best body, then what is near the best training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from xautolm.methods import METHODS
from xautolm.objectives import Objective
from xautolm.records import Budget, Configuration, Experience, ModelCard, Scalar, as_float
from xautolm.search_space import cuts_of, default_configurations, is_cut, methods_by_model
from xautolm.space import Choice, Float, Int, Parameter, Space
from xautolm.space.shares import TRAIN_SHARE, without_rung
from xautolm.vocabulary import Origin

Obstacle = Callable[[Configuration], str]
"""Says why a configuration would be passed over, or nothing."""
Seconds = Callable[[Configuration], float]
"""Predicts the wall time of a trial, in seconds."""
Change = Callable[[Parameter, Scalar], Scalar]
"""Makes another value of a parameter's value."""

REFINEMENTS = 8
"""Trials near the best training in a search that knows of no other task: each of `variations`, and one that goes on.
docs/experiments.md, "Near the best, or what the models choose", has what was measured."""

LATE = 12
"""Trainings after which nothing has to wait any more: by then the likely ones have been tried."""
LONG_PROBE = 10.0
"""Predicted seconds of the first probe from which on a body without its top layers is probed before it: a person should
have an answer half a minute after the command, and a third of that is gone before the first trial begins."""
LEAST_TRUST = 0.3
"""Trust in the store below which a search opens anew, without it. On the table of real trials, with the past of every
data set mirrored, the hypervolume at the end of the budget rose from .33 to .57 of the largest; with a true past, trust
never fell so low (docs/experiments.md, "What a search opens with")."""
QUICK_SHARE = 0.25
"""Of a budget's trials, and of its seconds as they are predicted of bodies read by themselves: what probes of bodies
without their top layers may take before anything is trained."""
UNLIMITED = Budget()
"""Of a search whose end is not known."""
FAR_BEHIND = 0.1
"""Share of the best probe's score by which a body's own may be lower before its trainings have to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Say which trials a search begins with.

    Probes cost seconds and say how good each body is on this very data, which no store can know. The default on the
    best of them follows; in a search that knows of no other task, also one short trial of each other architecture.
    """

    space: Space
    cards: Mapping[str, ModelCard]
    """The models of the space."""
    refinements: int = 0
    """Trials near the best training. One that knows of no other task asks the sampler after them only: it begins with
    random trials, of which on 2,000 texts most fall behind the default. One that follows a store asks it in turn with
    them (docs/experiments.md, "Experience of one's own")."""
    seeks_quick: bool = True
    """Whether quick bodies are of worth for themselves: time or size is an objective. Then those without their top
    layers are probed before anything is trained, which costs little: one pass over the texts gives the features of
    all (docs/experiments.md, "Every probe first")."""
    budget: Budget = UNLIMITED
    """Of the search: says how many of these probes there may be."""
    named: frozenset[str] = frozenset()
    """Models that the user named: each of their architectures is tried, whatever it promises."""
    follows_store: bool = False
    """Whether the sampler knows other tasks. Then it is asked after the probes already where the default has no time
    for all its epochs: on the table of real trials, whose limits are such, a search that was asked had .88 of the
    hypervolume after half of the budget, and .59 after a default that was cut."""

    def first(self, obstacle: Obstacle) -> list[Configuration]:
        """Return what to begin with: probes of whole bodies, the cheapest first; without any, what `trained` says."""
        probes = self.probes(obstacle)
        whole_bodies = [probe for probe in probes if not self.is_cut(probe.model)]
        if whole_bodies:
            return whole_bodies
        if probes:
            return probes
        # Models from scratch have nothing to probe: their bodies know no language before they are trained.
        return self.trained(obstacle, ())

    def probes(self, obstacle: Obstacle) -> list[Configuration]:
        """Return a probe of every body, the cheapest first.

        Args:
            obstacle: Says why a configuration would be passed over.
        """
        probes = []
        for configuration in default_configurations(self.space):
            if is_trained(configuration) or obstacle(configuration):
                continue
            probes.append(configuration)
        # A forward pass costs in proportion to the weights, so the smallest body is the cheapest.
        probes.sort(key=self._parameters)
        return probes

    def beginning(self, obstacle: Obstacle, seconds: Seconds) -> list[Configuration]:
        """Return the first trials of a search: what `first` says, and where it counts what is quicker.

        Args:
            obstacle: Says why a configuration would be passed over.
            seconds: Predicts how long one takes.
        """
        first = self.first(obstacle)
        if all(self.is_cut(probe.model) for probe in first):
            # No whole body is predicted to fit; once the cheapest has told how long it took, one may: `after_probes`.
            return first[:1]
        answer: list[Configuration] = []
        cut = self._probes_of_cut(obstacle)
        # A person waits for the first answer.
        if cut and seconds(first[0]) >= LONG_PROBE:
            answer = cut[:1]
        quick = self._quick_probes(obstacle, besides=answer)
        needed = sum(map(seconds, quick))
        if self.budget.seconds is not None and needed > QUICK_SHARE * self.budget.seconds:
            quick = []
        return [*answer, *first, *quick]

    def _probes_of_cut(self, obstacle: Obstacle) -> list[Configuration]:
        """Return a probe of every body without its top layers, the cheapest first."""
        return [probe for probe in self.probes(obstacle) if self.is_cut(probe.model)]

    def _quick_probes(
        self, obstacle: Obstacle, besides: Sequence[Configuration]
    ) -> list[Configuration]:
        """Return those of bodies without their top layers that come before anything is trained, besides some."""
        if not self.seeks_quick:
            return []
        quick = [probe for probe in self._probes_of_cut(obstacle) if probe not in besides]
        if self.budget.trials is None:
            return quick
        # However quick they are, they count as trials.
        return quick[: int(QUICK_SHARE * self.budget.trials)]

    def cuts_of(self, model: str) -> tuple[int, ...]:
        """Return how many layers those bodies have that are a model's without its top layers and are probed early."""
        if not self.seeks_quick:
            return ()
        defaults = default_configurations(self.space)
        probed = {default.model for default in defaults if not is_trained(default)}
        return cuts_of(self.cards[model], [self.cards[name] for name in probed])

    def _parameters(self, configuration: Configuration) -> int:
        """Return the number of weights in the body of a configuration's model."""
        card = self.cards[configuration.model]
        return card.parameters

    def is_cut(self, model: str) -> bool:
        """Return whether a body is another body of the space without its top layers.

        On its own it is quicker and hardly ever better: nothing is built on its probe, unless that of the whole failed.
        """
        others = [self.cards[name] for name in methods_by_model(self.space)]
        return is_cut(self.cards[model], others)

    def after_probes(
        self,
        experiences: Sequence[Experience],
        running: Sequence[Configuration],
        lead: Objective,
        obstacle: Obstacle,
    ) -> list[Configuration]:
        """Return the trials to follow the probes; nothing while probes run, or once anything was trained.

        A whole body that was predicted to take too long may turn out to fit once a quick one was probed: its probe then
        comes first.

        Args:
            experiences: Of the run so far.
            running: Configurations of the trials that run now, or wait.
            lead: The quality that leads.
            obstacle: Says why a configuration would be passed over; where a store is followed, also where not all of
                its epochs fit.
        """
        if not experiences or _has_trained(experiences, running):
            return []
        first = self.first(obstacle)
        begun = _begun(experiences, running)
        if any(probe not in begun for probe in first):
            probes = [probe for probe in first if probe not in begun]
            # Once a whole body is read, those without its top layers are, too.
            if any(not self.is_cut(probe.model) for probe in probes):
                probes += self._quick_probes(obstacle, besides=[*begun, *probes])
            return probes
        # While one of them runs, nobody knows yet which body is the best.
        if any(probe in running for probe in first):
            return []

        # One that gave a quick answer says nothing of what its body is worth with all its layers.
        best = _models_by_probe(experiences, lead)
        whole = [model for model in best if not self.is_cut(model)]
        trainings = self.trained(obstacle, whole or best)
        if self.follows_store:
            trainings = [training for training in trainings if not obstacle(training)]
        return trainings

    def awaits_probes(
        self,
        experiences: Sequence[Experience],
        running: Sequence[Configuration],
        obstacle: Obstacle,
    ) -> bool:
        """Return whether probes run that decide what is trained first; whoever chose now would do without them.

        Args:
            experiences: Of the run so far.
            running: Configurations of the trials that run now.
            obstacle: Says why a configuration would be passed over.
        """
        if _has_trained(experiences, running):
            return False
        first = self.first(obstacle)
        return any(configuration in first for configuration in running)

    def is_misled(self, trust: float | None) -> bool:
        """Return whether the store has turned out to speak of other data than this.

        Args:
            trust: In the store, from 0 to 1, when the sampler was last asked; None where it does not say.
        """
        return self.follows_store and trust is not None and trust < LEAST_TRUST

    def from_zero(self) -> Opening:
        """Return the opening of a search that knows of no other task."""
        return replace(self, follows_store=False, refinements=REFINEMENTS)

    def left_out(
        self,
        experiences: Sequence[Experience],
        running: Sequence[Configuration],
        lead: Objective,
        obstacle: Obstacle,
    ) -> list[Configuration]:
        """Return what this opening would have begun with and the search has not: probes, and the default.

        Args:
            experiences: Of the run so far.
            running: Configurations of the trials that run now.
            lead: The quality that leads.
            obstacle: Says why a configuration would be passed over.
        """
        trainings = self.trained(obstacle, _models_by_probe(experiences, lead))
        begun = _begun(experiences, running)
        remaining: list[Configuration] = []
        # Without probes, a search begins with the trainings themselves: each is named once.
        for beginning in (*self.first(obstacle), *trainings):
            if beginning not in begun and beginning not in remaining:
                remaining.append(beginning)
        return remaining

    def has_ended(
        self, experiences: Sequence[Experience], running: Sequence[Configuration]
    ) -> bool:
        """Return whether the sampler is asked from now on: a training has begun, or a store is followed."""
        if self.follows_store:
            # Probes that wait come first all the same.
            return bool(_begun(experiences, running))
        return _has_trained(experiences, running)

    def refinement(
        self,
        experiences: Sequence[Experience],
        running: Sequence[Configuration],
        lead: Objective,
        obstacle: Obstacle,
    ) -> Configuration | None:
        """Return the next trial near the best training so far, then a probe of each body without its top layers.

        None follows once there were enough, or nothing is left.

        Args:
            experiences: Of the run so far.
            running: Configurations of the trials that run now.
            lead: The quality that leads.
            obstacle: Says why a configuration would be passed over.
        """
        begun = _begun(experiences, running)
        if not self.refinements or self._is_turn_of_store(begun):
            return None
        successes = []
        for experience in experiences:
            if is_trained(experience.configuration) and experience.outcome.succeeded:
                successes.append(experience)
        candidates: list[Configuration] = []
        center = self._center(successes, running, lead)
        if center is None:
            return None
        if self.count_varied(begun) < self.refinements:
            for neighbor in variations(self.space, center):
                # What was tried of a parameter beside an earlier best has had its chance.
                if not _is_known(neighbor, center, begun):
                    candidates.append(neighbor)
        # What may be left to probe are bodies without their top layers: quick, and hardly ever better. A store tells
        # which of them are worth it.
        if not self.follows_store:
            candidates += self.probes(obstacle)
        for candidate in candidates:
            if candidate not in begun and not obstacle(candidate):
                return candidate
        return None

    def _center(
        self,
        successes: Sequence[Experience],
        running: Sequence[Configuration],
        lead: Objective,
    ) -> Configuration | None:
        """Return the training whose neighbours are next: the best so far, else the default while it runs.

        Args:
            successes: Trainings that have ended well.
            running: Configurations of the trials that run now.
            lead: The quality that leads.
        """
        if successes:
            # The best may change from trial to trial: neighbours are always those of the best so far.
            best = max(successes, key=lambda experience: lead.standing(experience.outcome.metrics))
            return best.configuration
        # On a second GPU there is nothing better to do than what is near the default, which runs on the first.
        defaults = self.trained_defaults()
        for configuration in running:
            if configuration in defaults:
                return configuration
        return None

    def _is_turn_of_store(self, begun: Sequence[Configuration]) -> bool:
        """Return whether the sampler, which follows a store, is to choose the next trial.

        It chooses every second training; what is near the default comes first (docs/experiments.md, "Experience of
        one's own"). Where the default had no time for all its epochs, it chooses the first one, too.
        """
        trainings = sum(is_trained(configuration) for configuration in begun)
        return self.follows_store and trainings % 2 == 0

    def count_varied(self, begun: Sequence[Configuration]) -> int:
        """Return how many trainings were begun that are no defaults, whole or with the fewest epochs.

        A configuration that was promoted to more of the training rows is none of its own.
        """
        whole = default_configurations(self.space)
        shortest = default_configurations(self.space, fewest_epochs=True)
        defaults = [without_rung(configuration) for configuration in (*whole, *shortest)]
        varied = 0
        for configuration in begun:
            values = without_rung(configuration)
            if is_trained(configuration) and values not in defaults:
                defaults.append(values)
                varied += 1
        return varied

    def reason_to_wait(
        self, configuration: Configuration, experiences: Sequence[Experience], lead: Objective
    ) -> str:
        """Return why a training is better tried late, in a search that knows of no other task; nothing if it is not.

        A body whose probe is far behind seldom catches up, and a model from scratch seldom comes near a pretrained one.

        Args:
            configuration: A proposal.
            experiences: Of the run so far.
            lead: The quality that leads.
        """
        if self.follows_store or not self.refinements or not is_trained(configuration):
            return ""
        trainings = sum(is_trained(experience.configuration) for experience in experiences)
        if trainings >= LATE:
            return ""
        standings = _probe_standings(experiences, lead)
        if not standings:
            return ""
        best = max(standings.values())
        best_score = lead.oriented(best)
        model = configuration.model
        # A store that is no longer followed may have had it trained.
        for experience in experiences:
            has_come_near = lead.standing(experience.outcome.metrics) >= _least_beside(best)
            if experience.configuration.model == model and has_come_near:
                return ""
        if model not in standings:
            # The opening's own choice, where what is larger has no time.
            if self.is_cut(model) and configuration in self.trained_defaults():
                return ""
            return f"{model} was not probed, others reach {best_score:.3f} without training"
        score = lead.oriented(standings[model])
        return f"the probe of {model} is far behind: {score:.3f} of {best_score:.3f}"

    def trained_defaults(self) -> list[Configuration]:
        """Return the default of every model with every method that takes gradient steps."""
        defaults = default_configurations(self.space)
        return [configuration for configuration in defaults if is_trained(configuration)]

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
        own_order = [default.model for default in defaults]
        ranked = [model for model in best if model in own_order]
        # Each model once, where it stands first: those that were probed, then the others as the space has them.
        models = list(dict.fromkeys([*ranked, *own_order]))
        methods = list(dict.fromkeys(default.method for default in defaults))
        leader = self.cards[models[0]]
        architecture = leader.architecture

        def promise(default: Configuration) -> tuple[int, int]:
            """Return a place in the order: the space's first method on each body before the second on any."""
            rank_of_method = methods.index(default.method)
            rank_of_body = models.index(default.model)
            return rank_of_method, rank_of_body

        candidates = []
        for default in defaults:
            card = self.cards[default.model]
            if card.architecture == architecture and not self._is_hopeless(card, beside=leader):
                candidates.append(default)
        candidates.sort(key=promise)
        fitting = [default for default in candidates if not obstacle(default)]
        first = fitting[0] if fitting else candidates[0]
        if self.follows_store:
            return [first]
        return [first, *self._short_trials(besides=self.cards[first.model])]

    def _is_hopeless(self, card: ModelCard, *, beside: ModelCard) -> bool:
        """Return whether a model has no chance beside another: from scratch beside a pretrained one.

        On fourteen data sets, the best from scratch had .30 to .94 of the score of the best pretrained one
        (docs/experiments.md, "What a search opens with").
        """
        if card.name in self.named:
            return False
        return card.origin == Origin.SCRATCH and beside.origin != Origin.SCRATCH

    def _short_trials(self, besides: ModelCard) -> list[Configuration]:
        """Return the default with the fewest epochs on the smallest body of each architecture besides a model's."""
        defaults = default_configurations(self.space, fewest_epochs=True)
        shortest = [configuration for configuration in defaults if is_trained(configuration)]
        shortest.sort(key=self._parameters)
        covered = {besides.architecture}
        trials = []
        for configuration in shortest:
            card = self.cards[configuration.model]
            if self._is_hopeless(card, beside=besides):
                continue
            # The smallest comes first, so that each architecture is covered by its cheapest body.
            if card.architecture not in covered:
                covered.add(card.architecture)
                trials.append(configuration)
        return trials


def _begun(
    experiences: Sequence[Experience], running: Sequence[Configuration]
) -> list[Configuration]:
    """Return the configurations of all trials that have begun."""
    ended = [experience.configuration for experience in experiences]
    return [*ended, *running]


def _has_trained(experiences: Sequence[Experience], running: Sequence[Configuration]) -> bool:
    """Return whether a training has begun."""
    begun = _begun(experiences, running)
    return any(is_trained(configuration) for configuration in begun)


def _models_by_probe(experiences: Sequence[Experience], lead: Objective) -> list[str]:
    """Return the models that were probed, the best first."""
    standings = _probe_standings(experiences, lead)
    return sorted(standings, key=lambda model: standings[model], reverse=True)


def _least_beside(best: float) -> float:
    """Return the oriented score below which a body is far behind the best probe."""
    # A correlation, or an error that is turned, may be below zero: the share is of its size.
    return best - FAR_BEHIND * abs(best)


def _probe_standings(experiences: Sequence[Experience], lead: Objective) -> dict[str, float]:
    """Return the best oriented score of each model without training."""
    standings: dict[str, float] = {}
    for experience in experiences:
        outcome = experience.outcome
        model = experience.configuration.model
        if not outcome.succeeded or is_trained(experience.configuration):
            continue
        standing = lead.standing(outcome.metrics)
        best = standings.get(model, standing)
        # A body may be probed in several ways: by its last layer, or by all.
        standings[model] = max(standing, best)
    return standings


def variations(space: Space, configuration: Configuration) -> list[Configuration]:
    """Return a training's neighbours, the one that promises most first.

    The other pooling, twice and half the learning rate, twice the epochs, smaller batches, softer labels, weights for
    rare classes: what a person would try next. Values stay within the space; what it does not have is left out.
    """
    changes: tuple[tuple[str, Change], ...] = (
        ("pooling", _another_option),
        ("learning_rate", partial(_scaled, factor=2.0)),
        ("learning_rate", partial(_scaled, factor=0.5)),
        ("epochs", partial(_scaled, factor=2.0)),
        ("batch_size", _another_option),
        ("label_smoothing", _another_option),
        ("class_weights", _another_option),
    )
    neighbors: list[Configuration] = []
    for name, change in changes:
        neighbor = space.walk(partial(_changed_value, configuration, name, change))
        if neighbor != configuration and neighbor not in neighbors:
            neighbors.append(neighbor)
    return neighbors


def _is_known(
    neighbor: Configuration, center: Configuration, begun: Sequence[Configuration]
) -> bool:
    """Return whether each value that a training has and its center has not was tried before, on the same body."""
    trained = [each for each in begun if _are_alike(each, center)]
    for name, value in neighbor.values.items():
        is_new = value != center.values.get(name)
        if is_new and all(each.values.get(name) != value for each in trained):
            return False
    return True


def _are_alike(first: Configuration, second: Configuration) -> bool:
    """Return whether two configurations train the same body by the same method."""
    return first.model == second.model and first.method == second.method


def _changed_value(
    configuration: Configuration, name: str, change: Change, key: str, parameter: Parameter
) -> Scalar:
    """Return a parameter's value in a configuration, changed if the parameter has this name."""
    if parameter.name == TRAIN_SHARE:
        # The configuration may have been promoted; what is new begins on the lowest rung.
        return parameter.default
    value = configuration.values.get(parameter.name, parameter.default)
    if parameter.name == name:
        return change(parameter, value)
    return value


def _another_option(parameter: Parameter, value: Scalar) -> Scalar:
    """Return the first option of a choice that is not its value now."""
    if isinstance(parameter, Choice):
        for option in parameter.options:
            if option != value:
                return option
    return value


def _scaled(parameter: Parameter, value: Scalar, *, factor: float) -> Scalar:
    """Return a multiple of a number, within the parameter's range."""
    if not isinstance(parameter, Float | Int):
        return value
    multiple = as_float(value) * factor
    return parameter.clip(multiple)


def is_trained(configuration: Configuration) -> bool:
    """Return whether a configuration takes gradient steps, rather than probe a frozen body."""
    method = METHODS.get(configuration.method)
    return method.trains_by_gradient
