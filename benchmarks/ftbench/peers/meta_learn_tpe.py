"""Let meta-learning TPE for several objectives play, written anew for conditional spaces.

Watanabe, Awad, Onishi and Hutter: Speeding up multi-objective hyperparameter optimization by task similarity-based
meta-learning for the tree-structured Parzen estimator, IJCAI 2023, arXiv 2212.06751. Numbers are those of the authors'
code (nabenabe0928/meta-learn-tpe) where nothing else is said.

Each task, the target among them, has two densities: one of its best trials, one of the others. Those of all tasks are
mixed, by how much the best trials of a task overlap with the target's. The candidate wins whose density among the best
is largest relative to that among the others. What the paper does not speak of: failures belong to the others, and a
kernel says nothing of a site that its trial does not have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from benchmarks.ftbench.contestants import Contestant, PastTask, TaskFeatures, Told
from benchmarks.ftbench.peers.past import adopted_by_task, leading, log_seconds
from benchmarks.ftbench.peers.sites import Site, configuration_at, sites_of
from xautolm.objectives import ranked
from xautolm.records import Scalar, Values
from xautolm.space import Branch, Choice, Space

BEST_SHARE = 0.1
"""Of a task's trials, how many count as its best."""
CANDIDATES = 24
"""Drawn from the best trials of each task."""
WARM_START = 5
"""Configurations that lead past tasks, tried first; as in the authors' experiments."""
LEAST_BANDWIDTH = 0.1
"""Standard deviation of a kernel, in widths of the parameter's range, as which a smaller one counts."""
OWN_OPTION = 0.8
"""Probability that a kernel gives its own option. The authors' code has 1, at which no candidate could combine the
options of two trials."""
DIMENSION_FACTOR = 5.0
"""Similarity is measured over the logarithm, to this base, of the number of the target's trials: so many sites, the
most important ones. Over all sites no two sets of trials would overlap."""
SIMILARITY_SAMPLES = 100
"""Drawn from each of the two densities that are compared; uniform points, the authors' way, need ten times as many."""
LEAST_WEIGHT = 1e-12
"""Of a past task."""
GRID = 32
"""Points of a range at which the density of a number is compared."""

Units = np.ndarray
"""Configurations by site, shape (configurations, sites): a number's place in its range, from 0 to 1; an option's
position; NaN where the site is not opened."""
Factors = Sequence[np.ndarray]
"""What densities need of configurations, for each site an array of shape (configurations, columns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTable:
    """Turn configurations into rows of numbers and back.

    The logarithm of a kernel's density at a configuration is a sum over sites, and each part a product of something
    known of the configuration and something known of the kernel. So all of them are one product of two matrices.
    """

    space: Space
    sites: Sequence[Site]
    option_counts: np.ndarray
    """Of each site, 0 where it has numbers."""

    @classmethod
    def of_space(cls, space: Space) -> SiteTable:
        """Make the table of a space."""
        sites = sites_of(space)
        counts = np.asarray([len(site.options) for site in sites])
        return cls(space=space, sites=sites, option_counts=counts)

    def units(self, configurations: Sequence[Values]) -> Units:
        """Encode configurations of the space."""
        table = np.full((len(configurations), len(self.sites)), np.nan)
        for row, values in enumerate(configurations):
            by_site = self.space.site_values(values)
            for column, site in enumerate(self.sites):
                if site.key in by_site:
                    table[row, column] = unit_of(site, by_site[site.key])
        return table

    def configuration(self, unit: np.ndarray) -> Values:
        """Decode one row; what nothing opens may be anything there."""
        by_site: dict[str, Scalar] = {}
        for site, number in zip(self.sites, unit.tolist(), strict=True):
            if not math.isnan(number):
                by_site[site.key] = value_at(site, number)
        return configuration_at(self.space, by_site).values

    def close_unopened(self, units: Units) -> Units:
        """Put NaN where nothing opens a site; an opening names every branch on its way, so that any order will do."""
        column_of = {site.key: column for column, site in enumerate(self.sites)}
        for column, site in enumerate(self.sites):
            is_open = np.zeros(len(units), dtype=bool)
            for opening in site.openings:
                holds = np.ones(len(units), dtype=bool)
                for key, positions in opening.items():
                    holds &= np.isin(units[:, column_of[key]], list(positions))
                is_open |= holds
            units[~is_open, column] = np.nan
        return units

    def factors(self, units: Units) -> Factors:
        """Return what the densities need of configurations, a block of columns for each site."""
        blocks = []
        for site, column in zip(self.sites, units.T, strict=True):
            is_open = ~np.isnan(column)
            place = np.where(is_open, column, 0.0)
            if site.options:
                positions = np.arange(len(site.options))
                block = (place[:, None] == positions) & is_open[:, None]
                blocks.append(block.astype(float))
            else:
                blocks.append(np.column_stack([place**2, place, is_open]))
        return blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """Estimate a density by one kernel for each trial, and one that is uniform."""

    table: SiteTable
    centers: Units
    """Of the kernels: the trials, and a row of NaN for the uniform one."""
    bandwidths: np.ndarray
    """Of each site, shape (sites,)."""
    weights: Sequence[np.ndarray]
    """What `SiteTable.factors` are multiplied with, a block of shape (kernels, columns) for each site."""

    @classmethod
    def of(cls, table: SiteTable, units: Units) -> Density:
        """Fit kernels to trials."""
        is_open = ~np.isnan(units)
        # A site that no trial has gets the least bandwidth; the mean of nothing would be NaN.
        counts = np.maximum(is_open.sum(axis=0), 1)
        means = np.where(is_open, units, 0.0).sum(axis=0) / counts
        gaps = np.where(is_open, units - means, 0.0)
        deviations = np.sqrt((gaps**2).sum(axis=0) / counts)
        # Scott's rule in one dimension.
        scott = deviations * counts**-0.2
        bandwidths = np.maximum(scott, LEAST_BANDWIDTH)
        # The uniform kernel has no site.
        uniform = np.full((1, len(table.sites)), np.nan)
        centers = np.vstack([units, uniform])
        weights = []
        for site, column, bandwidth in zip(table.sites, centers.T, bandwidths, strict=True):
            if site.options:
                weights.append(_option_weights(column, len(site.options)))
            else:
                weights.append(_number_weights(column, float(bandwidth)))
        return cls(table=table, centers=centers, bandwidths=bandwidths, weights=weights)

    @property
    def kernels(self) -> int:
        """Return their number, the uniform one included."""
        return len(self.centers)

    @property
    def trials(self) -> Units:
        """Return the trials, without the uniform kernel."""
        return self.centers[:-1]

    def log(self, factors: Factors, columns: Sequence[int]) -> np.ndarray:
        """Return the logarithm of the density, shape (configurations,), as far as some sites are concerned."""
        configurations = np.hstack([factors[column] for column in columns])
        kernels = np.hstack([self.weights[column] for column in columns])
        return np.asarray(logsumexp(configurations @ kernels.T, axis=1) - math.log(self.kernels))

    def draw(self, count: int, rng: np.random.Generator) -> Units:
        """Draw configurations that have a value at every site, opened or not."""
        rows = rng.integers(self.kernels, size=count)
        centers = self.centers[rows]
        numbers = _drawn_numbers(centers, self.bandwidths, rng)
        options = _drawn_options(centers, self.table.option_counts, rng)
        return np.where(self.table.option_counts > 0, options, numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDensities:
    """Hold the densities of a task's best trials and of all others."""

    best: Density
    rest: Density

    @classmethod
    def of(cls, table: SiteTable, trials: Sequence[Told]) -> TaskDensities:
        """Split trials into the best and the others, and fit both."""
        order = ranked_trials(trials)
        units = table.units([trials[position].values for position in order])
        # At least one, so that a task with few trials has a best one; a failure is never among them.
        best_share = math.ceil(BEST_SHARE * len(trials))
        successes = sum(not trial.failed for trial in trials)
        count = min(best_share, successes)
        best = Density.of(table, units[:count])
        rest = Density.of(table, units[count:])
        return cls(best=best, rest=rest)

    def importance(self) -> np.ndarray:
        """Return Pearson's divergence of the best trials from all, for each site by itself, shape (sites,).

        It is the local importance of PED-ANOVA (Watanabe et al., 2023, arXiv 2304.10255).
        """
        table = self.best.table
        everything = Density.of(table, np.vstack([self.best.trials, self.rest.trials]))
        # For each site a column: the options there are, or points from one end of the range to the other.
        longest = max(GRID, int(table.option_counts.max()))
        grid = np.linspace(0.0, 1.0, longest)[:, None]
        positions = np.arange(longest, dtype=float)[:, None]
        factors = table.factors(np.where(table.option_counts > 0, positions, grid))
        importance = np.zeros(len(table.sites))
        for column, option_count in enumerate(table.option_counts):
            compared = slice(None, option_count or None)
            density_of_best = np.exp(self.best.log(factors, [column]))[compared]
            density_of_all = np.exp(everything.log(factors, [column]))[compared]
            ratio = density_of_best / density_of_all
            shares = density_of_all / density_of_all.sum()
            importance[column] = float(np.sum(shares * (ratio - 1) ** 2))
        return importance


@dataclass(slots=True, kw_only=True)
class MetaLearnTpe:
    """Search by the mixed densities of the target and of past tasks."""

    table: SiteTable
    sources: Sequence[TaskDensities]
    source_samples: Sequence[Factors]
    """Drawn once from the best trials of each past task, for the similarity."""
    by_importance: Sequence[int]
    """Sites, by how much they matter on the past tasks, the most important first."""
    rng: np.random.Generator
    opening: list[Values]
    """Configurations that are still to be tried first."""
    trials: list[Told] = field(default_factory=list)

    def ask(self) -> Values:
        """Return the next configuration."""
        if self.opening:
            return self.opening.pop(0)
        target = TaskDensities.of(self.table, self.trials)
        tasks = [target, *self.sources]
        drawn = [task.best.draw(CANDIDATES, self.rng) for task in tasks]
        candidates = self.table.close_unopened(np.vstack(drawn))
        factors = self.table.factors(candidates)
        log_weights = np.log(self._weights(target))
        log_best = mixed([task.best for task in tasks], log_weights, factors)
        log_rest = mixed([task.rest for task in tasks], log_weights, factors)
        winner = int(np.argmax(log_best - log_rest))
        return self.table.configuration(candidates[winner])

    def tell(self, trial: Told) -> None:
        """Take a trial in."""
        self.trials.append(trial)

    def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def _weights(self, target: TaskDensities) -> np.ndarray:
        """Return the weight of each task, the target's first: similarity over the number of tasks."""
        count = len(self.sources) + 1
        drawn = self.table.close_unopened(target.best.draw(SIMILARITY_SAMPLES, self.rng))
        factors_of_target = self.table.factors(drawn)
        weights = [1.0]
        for source, samples in zip(self.sources, self.source_samples, strict=True):
            similarity = self._similarity(target, source, factors_of_target, samples)
            share = similarity / count
            weights[0] -= share
            # Of a task without any overlap, a logarithm is taken all the same.
            weights.append(max(share, LEAST_WEIGHT))
        return np.asarray(weights)

    def _similarity(self, target: TaskDensities, source: TaskDensities, *samples: Factors) -> float:
        """Return how much the best trials of two tasks overlap: (1 - d) / (1 + d) of their total variation d.

        Args:
            target: The one task.
            source: The other.
            samples: Configurations drawn from the best trials of either, as many from each.
        """
        columns = self._important_sites()
        ratios = []
        for factors in samples:
            density_here = np.exp(target.best.log(factors, columns))
            density_there = np.exp(source.best.log(factors, columns))
            difference = np.abs(density_here - density_there)
            ratios.append(difference / (density_here + density_there))
        # Half of the points are drawn from each density, so the mean of these ratios is the total variation.
        variation = float(np.mean(ratios))
        return (1 - variation) / (1 + variation)

    def _important_sites(self) -> Sequence[int]:
        """Return the sites that are compared: more of them, the more trials the target has."""
        count = int(math.log(max(len(self.trials), 1), DIMENSION_FACTOR))
        return self.by_importance[: max(1, count)]


def mixed(densities: Sequence[Density], log_weights: np.ndarray, factors: Factors) -> np.ndarray:
    """Return the logarithm of the sum of tasks' densities at configurations, up to a constant, shape (configurations,).

    Each counts by its task's weight, and by how many trials it is made of.
    """
    parts: list[np.ndarray] = []
    for density, log_weight in zip(densities, log_weights, strict=True):
        columns = range(len(factors))
        log_density = density.log(factors, columns)
        parts.append(log_density + log_weight + math.log(density.kernels))
    return np.asarray(logsumexp(parts, axis=0))


def meta_learn_tpe(
    space: Space, seed: int, past: Sequence[PastTask], features: TaskFeatures
) -> Contestant:
    """Begin a search; meta-features are not used, as in the paper."""
    table = SiteTable.of_space(space)
    rng = np.random.default_rng(seed)
    trials_by_task = adopted_by_task(past, space)
    sources = [TaskDensities.of(table, trials) for trials in trials_by_task]
    samples = []
    for source in sources:
        drawn = source.best.draw(SIMILARITY_SAMPLES, rng)
        samples.append(table.factors(table.close_unopened(drawn)))
    return MetaLearnTpe(
        table=table,
        sources=sources,
        source_samples=samples,
        by_importance=by_importance(sources),
        rng=rng,
        opening=opening_of(space, trials_by_task, rng),
    )


def by_importance(sources: Sequence[TaskDensities]) -> Sequence[int]:
    """Return the positions of sites by their mean importance on past tasks, the most important first."""
    if not sources:
        return []
    importance = np.mean([source.importance() for source in sources], axis=0)
    order = np.argsort(-importance, kind="stable")
    return [int(column) for column in order]


def opening_of(
    space: Space, trials_by_task: Sequence[Sequence[Told]], rng: np.random.Generator
) -> list[Values]:
    """Return configurations that lead past tasks, drawn from the leaders of all; without a past, the default."""
    of_each = math.ceil(WARM_START / max(len(trials_by_task), 1))
    leaders: list[Values] = []
    for trials in trials_by_task:
        for values in leading(trials, of_each):
            if values not in leaders:
                leaders.append(values)
    if not leaders:
        return [space.default().values]
    order = rng.permutation(len(leaders))[:WARM_START]
    return [leaders[position] for position in order]


def ranked_trials(trials: Sequence[Told]) -> list[int]:
    """Return the positions of trials from best to worst, by front and crowding distance; failures last."""
    successes: list[int] = []
    failures: list[int] = []
    values: list[tuple[float, float]] = []
    for position, trial in enumerate(trials):
        if trial.quality is None:
            failures.append(position)
        else:
            successes.append(position)
            values.append((trial.quality, -log_seconds(trial)))
    # Without a success there are no rows, but still a column for each objective.
    table = np.asarray(values, dtype=float).reshape(len(values), 2)
    order = [successes[position] for position in ranked(table)]
    return order + failures


def unit_of(site: Site, value: Scalar) -> float:
    """Return a number's place in its range, or an option's position."""
    if isinstance(site.parameter, Choice | Branch):
        return float(site.position(value))
    assert isinstance(value, int | float)
    return site.parameter.to_unit(value)


def value_at(site: Site, unit: float) -> Scalar:
    """Return the value at a place of a range, or the option at a position."""
    if isinstance(site.parameter, Choice | Branch):
        return site.options[int(unit)]
    return site.parameter.from_unit(unit)


def _number_weights(centers: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return the coefficients of place², place and 1 in the logarithm of normal kernels that are cut at 0 and 1."""
    has_site = ~np.isnan(centers)
    place = np.where(has_site, centers, 0.5)
    mass = ndtr((1 - place) / bandwidth) - ndtr(-place / bandwidth)
    precision = 1 / bandwidth**2
    constant = -0.5 * precision * place**2 - np.log(bandwidth * math.sqrt(2 * math.pi) * mass)
    square = np.full_like(place, -0.5 * precision)
    weights = np.column_stack([square, precision * place, constant])
    # The density of the uniform distribution over the range is 1, its logarithm 0.
    zeros = np.zeros_like(weights)
    return np.asarray(np.where(has_site[:, None], weights, zeros))


def _option_weights(centers: np.ndarray, count: int) -> np.ndarray:
    """Return the logarithms of the probabilities that kernels give each option."""
    probabilities = np.full((len(centers), count), 1 / count)
    # A single option has the whole probability whatever the kernel.
    if count > 1:
        rest = (1 - OWN_OPTION) / (count - 1)
        for row, center in enumerate(centers.tolist()):
            if not math.isnan(center):
                probabilities[row] = rest
                probabilities[row, int(center)] = OWN_OPTION
    return np.asarray(np.log(probabilities))


def _drawn_numbers(
    centers: np.ndarray, bandwidths: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw a place from each of some normal kernels that are cut at 0 and 1, shape (kernels, sites)."""
    shares = rng.random(centers.shape)
    is_uniform = np.isnan(centers)
    place = np.where(is_uniform, 0.5, centers)
    lowest = ndtr(-place / bandwidths)
    highest = ndtr((1 - place) / bandwidths)
    drawn = place + bandwidths * ndtri(lowest + shares * (highest - lowest))
    inside = np.clip(drawn, 0.0, 1.0)
    return np.where(is_uniform, shares, inside)


def _drawn_options(centers: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw an option's position from each of some kernels, shape (kernels, sites)."""
    # Of sites that have numbers, whose counts are 0, nobody looks at what is drawn here.
    counts = np.maximum(counts, 1)
    anything = np.floor(rng.random(centers.shape) * counts)
    is_own = rng.random(centers.shape) < OWN_OPTION
    # One of the other options: a step of 1 to count - 1 around the circle of options.
    steps = 1 + np.floor(rng.random(centers.shape) * (counts - 1))
    moved = (centers + steps) % counts
    drawn = np.where(is_own, centers, moved)
    return np.asarray(np.where(np.isnan(centers), anything, drawn))
