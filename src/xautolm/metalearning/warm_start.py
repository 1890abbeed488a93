"""The paper's warm start: experiences move the probability model before the search begins (arXiv 2508.00924)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from xautolm.errors import UnknownNameError, UsageError
from xautolm.metalearning.similarity import DISTANCES, Near, Weights, measured
from xautolm.metalearning.utility import UTILITIES, is_negative, is_positive, utilities
from xautolm.records import Experience, Features
from xautolm.space import Prior

MODES = ("fixed", "adaptive", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """Every knob of the warm start, with the paper's defaults."""

    distance: str = "euclidean"
    weights: Weights = field(default_factory=Weights)
    positives: str = "fixed"
    """`fixed` limits each learning rate, `adaptive` their sum, `none` takes no successes."""
    negatives: str = "fixed"
    """As `positives`, for failures."""
    k_positive: int = 20
    k_negative: int = 20
    utility: str = "linear_front"
    beta: float | None = None
    """Decay of the learning rate with distance; None derives it from `beta_scale`."""
    beta_scale: float = 1.0
    alpha_max: float = 0.05
    alpha_min: float = -0.02
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
            before = own.get(name, parts.get(name))
            kind = int if isinstance(before, int) else str if isinstance(before, str) else float
            try:
                value = kind(text)
            except ValueError:
                raise UsageError("Not a value for a knob of the warm start.", got=f"{name}={text}") from None
            (own if name in own else parts)[name] = value
        return WarmStart(**own, weights=Weights(**{name.removesuffix("_weight"): one for name, one in parts.items()}))

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise UnknownNameError("distance", self.distance, DISTANCES)
        numbers = [self.alpha_max, -self.alpha_min, self.k_positive, self.k_negative, self.beta_scale, self.beta or 0]
        if any(not 0 <= number < math.inf for number in [*numbers, self.adaptive_sum]):
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
    near, incomparable = measured(experiences, current, options.distance, options.weights)
    positives = _nearest(near, options.k_positive, options.positives, positive=True)
    negatives = _nearest(near, options.k_negative, options.negatives, positive=False)
    worth = utilities(experiences, options.utility)
    beta = decay([one.distance for one in (*positives, *negatives)], options)
    highest = options.alpha_max if options.positives == "fixed" else options.adaptive_sum / max(len(positives), 1)
    lowest = options.alpha_min if options.negatives == "fixed" else -options.adaptive_sum / max(len(negatives), 1)
    rates = [(one, highest * worth[one.experience.id] * math.exp(-beta * one.distance)) for one in positives]
    rates += [(one, lowest * math.exp(-beta * one.distance)) for one in negatives]
    return applied(prior, rates, incomparable)


def applied(prior: Prior, rates: Sequence[tuple[Near, float]], incomparable: int) -> Warmed:
    """The prior after each experience has moved it by its learning rate, the largest rate first."""
    influences = []
    for near, rate in sorted(rates, key=lambda pair: (-pair[1], pair[0].experience.id)):
        values, unmapped = prior.space.mapped(near.experience.configuration.values)
        prior = prior.nudged(values, rate)
        influences.append(
            Influence(experience=near.experience, distance=near.distance, rate=rate, unmapped=tuple(unmapped))
        )
    return Warmed(prior=prior, influences=tuple(influences), incomparable=incomparable)


def decay(distances: Sequence[float], options: WarmStart) -> float:
    """β: the given one, or the scale over mean plus standard deviation of the distances; 0 if all are 0."""
    if options.beta is not None:
        return options.beta
    spread = float(np.mean(distances) + np.std(distances)) if distances else 0.0
    return options.beta_scale / spread if spread > 0 else 0.0


def _nearest(near: Sequence[Near], count: int, mode: str, *, positive: bool) -> list[Near]:
    wanted = is_positive if positive else is_negative
    return [] if mode == "none" else [one for one in near if wanted(one.experience)][:count]


PRESETS = {
    f"{bias}-{short}": WarmStart(positives=positives, negatives=negatives, utility=utility)
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
"""Nine settings: three strengths of bias with three utilities."""
