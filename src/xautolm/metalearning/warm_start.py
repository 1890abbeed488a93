"""The paper's warm start: experiences move the probability model before the search begins (arXiv 2508.00924)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from xautolm.errors import UnknownNameError, UsageError
from xautolm.metalearning.similarity import DISTANCES, SCALERS, Distances, Near, Weights, measured
from xautolm.metalearning.utility import UTILITIES, as_of_all_rows, is_negative, is_positive, utilities
from xautolm.records import Experience, Features
from xautolm.space import Prior

MODES = ("fixed", "adaptive", "none")
WEIGHTS, DISTRIBUTION = "weights", "distribution"
ALL = "all"
"""As text, what takes every experience."""


COUNTS = ("k_positive", "k_negative")
WORDS = ("distance", "scaler", "positives", "negatives", "utility", "method_choice")
"""Knobs that are numbers of experiences, and those that are names; all others are real numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """Every knob of the warm start, with the defaults of the paper's constructor."""

    distance: str = "euclidean"
    scaler: str = "min-max"
    """How features are normalised before they are compared: `min-max` after log1p, or `standard`."""
    weights: Weights = field(default_factory=Weights)
    positives: str = "fixed"
    """`fixed` limits each learning rate, `adaptive` their sum, `none` takes no successes."""
    negatives: str = "fixed"
    """As `positives`, for failures."""
    k_positive: int | None = 20
    """How many successes shape the prior, the nearest; None takes all."""
    k_negative: int | None = 20
    utility: str = "linear_front"
    beta: float | None = None
    """Decay of the learning rate with distance; None derives it from `beta_scale`."""
    beta_scale: float = 1.0
    alpha_max: float = 0.05
    alpha_min: float = -0.02
    method_choice: str = WEIGHTS
    """How the choice of a method moves: `weights` of 1 each, as in the paper, or like every other choice a
    `distribution`, which one experience moves as many times as far as there are methods."""
    adaptive_sum: float = 1.0
    """What adaptive learning rates could sum to, were all utilities 1 and all distances 0."""

    def changed(self, changes: Mapping[str, str]) -> WarmStart:
        """With other values for some knobs, given as texts: the fields' names, and `task_weight`, `semantic_weight` and
        `system_weight` for the parts of the distance.

        Raises:
            UnknownNameError: No such knob, or no such mode, distance or utility.
            UsageError: A value that is not one of its kind.
        """
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "weights"}
        parts = {f"{one.name}_weight": getattr(self.weights, one.name) for one in fields(self.weights)}
        for name, text in changes.items():
            if name not in own and name not in parts:
                raise UnknownNameError("knob of the warm start", name, [*own, *parts])
            if name in own:
                own[name] = _knob_value(name, text)
            else:
                parts[name] = _knob_value(name, text)
        return WarmStart(**own, weights=Weights(**{name.removesuffix("_weight"): one for name, one in parts.items()}))

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise UnknownNameError("distance", self.distance, DISTANCES)
        if self.method_choice not in {WEIGHTS, DISTRIBUTION}:
            raise UnknownNameError("choice of a method", self.method_choice, (WEIGHTS, DISTRIBUTION))
        if self.scaler not in SCALERS:
            raise UnknownNameError("scaler", self.scaler, SCALERS)
        counts = [self.k_positive or 0, self.k_negative or 0]
        numbers = [*counts, self.alpha_max, -self.alpha_min, self.adaptive_sum, self.beta_scale, self.beta or 0]
        parts = [self.weights.task, self.weights.semantic, self.weights.system]
        if any(not 0 <= number < math.inf for number in [*numbers, *parts]):
            raise UsageError(
                "The warm start's numbers must be finite and not negative, but alpha_min, which must not be positive.",
                got=self,
            )
        for mode in (self.positives, self.negatives):
            if mode not in MODES:
                raise UnknownNameError("mode of a warm start", mode, MODES)
        if self.utility not in UTILITIES:
            raise UnknownNameError("utility", self.utility, UTILITIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """An experience that shaped a prior, and how."""

    experience: Experience
    distance: float
    rate: float
    """Its learning rate; negative for a failure."""
    unmapped: tuple[str, ...] = ()
    """Parameters of it that have no place in the space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """A prior that experience has shaped, and the account of it."""

    prior: Prior
    influences: tuple[Influence, ...]
    incomparable: int
    """Experiences whose meta-features cannot be compared with the task's."""


def warm_start(prior: Prior, experiences: Sequence[Experience], current: Features, options: WarmStart) -> Warmed:
    """Shape a prior by the experiences that matter for a task.

    The nearest `k_positive` successes and `k_negative` failures are taken. With d the distance, u the utility and
    β = β_scale / (mean(d) + std(d)) over those taken, a success has the learning rate α⁺ = α_max · u · e^(-βd) and a
    failure α⁻ = α_min · e^(-βd). In order of α, the largest first, each moves the beliefs at the sites of its
    configuration.

    Args:
        prior: What is believed without experience.
        experiences: The store, without those that must not be seen.
        current: Meta-features of the task and machine at hand.
        options: The knobs.
    """
    return shaped(prior, distances_of(experiences, current, options), options)


def distances_of(experiences: Sequence[Experience], current: Features, options: WarmStart) -> Distances:
    """Return the distances of experiences to a task, as the knobs measure them."""
    comparable = [as_of_all_rows(experience) for experience in experiences]
    return measured(comparable, current, options.distance, options.weights, options.scaler)


def shaped(prior: Prior, distances: Distances, options: WarmStart) -> Warmed:
    """Shape a prior as `warm_start` does, by experiences whose distances are known.

    Args:
        prior: What is believed without experience.
        distances: As `distances_of` returns them.
        options: The knobs.
    """
    near, incomparable = distances
    positives = _nearest(near, options.k_positive, options.positives, positive=True)
    negatives = _nearest(near, options.k_negative, options.negatives, positive=False)
    worth = utilities([item.experience for item in near], options.utility)
    beta = decay([item.distance for item in (*positives, *negatives)], options)
    highest = options.alpha_max if options.positives == "fixed" else options.adaptive_sum / max(len(positives), 1)
    lowest = options.alpha_min if options.negatives == "fixed" else -options.adaptive_sum / max(len(negatives), 1)
    rates = [(one, highest * worth[one.experience.id] * math.exp(-beta * one.distance)) for one in positives]
    rates += [(one, lowest * math.exp(-beta * one.distance)) for one in negatives]
    if rates and options.method_choice == DISTRIBUTION:
        prior = prior.with_distributions()
    return applied(prior, rates, incomparable)


def applied(prior: Prior, rates: Sequence[tuple[Near, float]], incomparable: int) -> Warmed:
    """The prior after each experience has moved it by its learning rate, the largest rate first."""
    influences = []
    for near, rate in sorted(rates, key=lambda pair: (-pair[1], pair[0].experience.id)):
        adoption = prior.space.adopt(near.experience.configuration.values)
        prior = prior.nudged(adoption.by_site, rate)
        influences.append(
            Influence(experience=near.experience, distance=near.distance, rate=rate, unmapped=adoption.unplaced)
        )
    return Warmed(prior=prior, influences=tuple(influences), incomparable=incomparable)


def decay(distances: Sequence[float], options: WarmStart) -> float:
    """β: the given one, or the scale over mean plus standard deviation of the distances; 0 if all are 0."""
    if options.beta is not None:
        return options.beta
    spread = float(np.mean(distances) + np.std(distances)) if distances else 0.0
    return options.beta_scale / spread if spread > 0 else 0.0


def _nearest(near: Sequence[Near], count: int | None, mode: str, *, positive: bool) -> list[Near]:
    """Return the nearest successes or failures, at most `count`; none if the mode says so."""
    if mode == "none":
        return []
    is_wanted = is_positive if positive else is_negative
    return [item for item in near if is_wanted(item.experience)][:count]


def _knob_value(name: str, text: str) -> Any:
    """Return the value of a knob from its text.

    Raises:
        UsageError: It is not of the knob's kind.
    """
    try:
        if name in COUNTS:
            return None if text == ALL else int(text)
        if name in WORDS:
            return text
        return float(text)
    except ValueError:
        expected = f"a whole number or `{ALL}`" if name in COUNTS else "a number"
        raise UsageError(
            "Not a value for a knob of the warm start.", got=f"{name}={text}", fix=f"It takes {expected}."
        ) from None


def _release(**knobs: Any) -> WarmStart:
    """Return a setting as the paper's release has it: all experiences, standard scaler, no decay unless it says so."""
    everything = WarmStart(k_positive=None, k_negative=None, scaler="standard", utility="weighted_sum", beta=0.0)
    return replace(everything, **knobs)


HALF: Mapping[str, Any] = {"beta": None, "beta_scale": 0.5}
"""The decay that the release writes as `k=0.5`."""
PRESETS: Mapping[str, WarmStart] = {
    "low-f-pos-cosine-decay": _release(negatives="none", distance="cosine", **HALF),
    "low-a-neg-decay": _release(positives="none", negatives="adaptive", utility="linear_front", **HALF),
    "low-a-neg": _release(positives="none", negatives="adaptive"),
    "moderate-f-pos-a-neg": _release(negatives="adaptive"),
    "moderate-a-pos-a-neg-decay": _release(positives="adaptive", negatives="adaptive", **HALF),
    "moderate-f-neg-cosine-decay": _release(positives="none", distance="cosine", **HALF),
    "high-f-pos-f-neg": _release(),
    "high-f-neg-decay": _release(positives="none", utility="linear_front", **HALF),
    "high-f-pos-f-neg-logarithmic": _release(utility="logarithmic_front"),
}
"""The nine settings of the paper's runs, by strength of bias: `f` limits each learning rate, `a` their sum; what is not
named takes no part. The last two `high` ones are one and the same for three of the paper's four tasks."""

OURS: Mapping[str, WarmStart] = {
    f"{bias}-{short}": WarmStart(positives=positives, negatives=negatives, utility=utility, method_choice=DISTRIBUTION)
    for bias, positives, negatives in (
        ("low", "fixed", "none"),
        ("moderate", "fixed", "fixed"),
        ("high", "adaptive", "adaptive"),
    )
    for short, utility in (
        ("sum", "weighted_sum"),
        ("linear", "linear_front"),
        ("logarithmic", "logarithmic_front"),
    )
}
"""Nine settings of ours, with the defaults of the paper's constructor: the 20 nearest of each kind, with decay.
`moderate-linear` is what the sampler `xautolm` begins with. The method is chosen by a distribution: with the paper's
weights, the mean best F1 over 20 made-up tasks fell from .673 to .639 with a misleading store, and rose from .699 to
.706 with a helpful one (`benchmarks/transfer_synthetic.py`, seeds 0 to 19)."""

SETTINGS: Mapping[str, WarmStart] = {**PRESETS, **OURS}
"""Every setting that has a name."""
