"""Let the ranking-weighted Gaussian process ensemble (RGPE) play, written anew for two objectives.

Feurer, Letham, Hutter and Bakshy: Practical transfer learning for Bayesian optimization, arXiv 1802.02219. Each task,
the target among them, has a Gaussian process for each objective. Those of the past weigh as often as they, of all,
rank the target's trials best: in draws of their posteriors, where the target's own process answers each trial without
having seen it. Processes that rank worse than the target's nearly always are left out (section 4.3).

The candidate wins that adds most to the hypervolume of the front, in the mean over draws. What the paper does not speak
of: two objectives have weights of their own; failures are told as the worst trial so far; candidates are random
configurations and those of the past; processes look at encoded configurations through one length for all columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from benchmarks.ftbench.contestants import Contestant, PastTask, TaskFeatures, Told
from benchmarks.ftbench.peers.past import CORNER_GAP, adopted_by_task, log_seconds
from benchmarks.random_configurations import random_configuration
from xautolm.objectives import hypervolume_improvement
from xautolm.records import Values
from xautolm.search.encoding import Encoder
from xautolm.space import Space

DRAWS = 64
"""Of the posteriors: for the weights of an ensemble, and for the volume that a candidate adds."""
RANDOM_CANDIDATES = 512
FEWEST_TRIALS = 3
"""Of the target, from which on its trials can be ranked: before that all processes of the past weigh the same."""
WORSE_THAN_TARGET = 95
"""Percentile of the target's own loss: a process whose median loss is higher is left out."""
NOISE = (1e-4, 1e-1)
"""Bounds of the variance of the noise, in variances of a task's trials."""
LENGTHS = (1e-1, 1e2)
"""Bounds of the kernel's length."""


def rgpe(space: Space, seed: int, past: Sequence[PastTask], features: TaskFeatures) -> Contestant:
    """Begin a search; RGPE does not look at the features of tasks."""
    trials_by_task = adopted_by_task(past, space)
    encoder = Encoder.of_space(space)
    possible = [
        random_configuration(space, seed, number).values for number in range(RANDOM_CANDIDATES)
    ]
    for trials in trials_by_task:
        possible += [trial.values for trial in trials if not trial.failed]
    candidates: list[Values] = []
    for values in possible:
        # Some configurations were tried on several tasks: asked for once, they are not asked for again.
        if values not in candidates:
            candidates.append(values)
    ensembles = []
    for objective in range(2):
        processes = []
        for trials in trials_by_task:
            rows = encoder.rows(trial.values for trial in trials)
            processes.append(process_of(rows, scores_of(trials)[:, objective]))
        ensembles.append(Ensemble(past=processes))
    return RgpeContestant(
        encoder=encoder,
        candidates=candidates,
        rows=encoder.rows(candidates),
        ensembles=ensembles,
        rng=np.random.default_rng(seed),
    )


def scores_of(trials: Sequence[Told]) -> np.ndarray:
    """Return quality and speed, each of mean 0 and deviation 1, shape (trials, 2); failures are as the worst."""
    qualities = [trial.quality for trial in trials if trial.quality is not None]
    worst = min(qualities, default=0.0)
    scores = []
    for trial in trials:
        quality = worst if trial.quality is None else trial.quality
        scores.append((quality, -log_seconds(trial)))
    table = np.asarray(scores)
    deviation = table.std(axis=0)
    # Trials that are all alike.
    deviation[deviation == 0] = 1.0
    return np.asarray((table - table.mean(axis=0)) / deviation)


def process_of(rows: np.ndarray, scores: np.ndarray) -> GaussianProcessRegressor:
    """Fit a Gaussian process to the scores of encoded configurations."""
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(1.0, LENGTHS, nu=2.5)
    kernel += WhiteKernel(1e-2, NOISE)
    process = GaussianProcessRegressor(kernel, random_state=0)
    with warnings.catch_warnings():
        # A length at its bound: that column after column says nothing.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(rows, scores)


@dataclass(slots=True, kw_only=True)
class Ensemble:
    """Predicts one objective by the processes of all tasks."""

    past: Sequence[GaussianProcessRegressor]
    target: GaussianProcessRegressor | None = None
    """None until the target's trials can be ranked."""
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Of the past's processes, and last the target's."""

    def learn(self, rows: np.ndarray, scores: np.ndarray, rng: np.random.Generator) -> None:
        """Take in the target's trials.

        Args:
            rows: Encoded configurations, shape (trials, columns).
            scores: Of the objective, shape (trials,).
            rng: Draws from posteriors.
        """
        if len(scores) < FEWEST_TRIALS:
            return
        self.target = process_of(rows, scores)
        draws = [draws_of(process, rows, rng) for process in self.past]
        draws.append(draws_without_own(self.target, rows, scores, rng))
        losses = np.asarray([ranking_losses(drawn, scores) for drawn in draws])
        # Those that rank worse than the target's do harm, however rarely they are the best by chance.
        too_high = np.percentile(losses[-1], WORSE_THAN_TARGET)
        is_left_out = np.median(losses, axis=1) > too_high
        is_left_out[-1] = False
        losses[is_left_out] = np.inf
        is_best = losses == losses.min(axis=0)
        # Several may be the best of a draw, and share it.
        self.weights = (is_best / is_best.sum(axis=0)).mean(axis=1)

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means and deviations for encoded configurations, each of shape (configurations,)."""
        processes = list(self.past)
        weights = self.weights
        if self.target is None:
            weights = np.full(len(processes), 1 / max(len(processes), 1))
        else:
            processes.append(self.target)
        mean = np.zeros(len(rows))
        variance = np.zeros(len(rows))
        for process, weight in zip(processes, weights, strict=True):
            if weight:
                own_mean, own_deviation = process.predict(rows, return_std=True)
                mean += weight * own_mean
                variance += (weight * own_deviation) ** 2
        # Without a past and before there is a target, anything may be.
        if not processes:
            variance += 1.0
        return mean, np.sqrt(variance)


def draws_of(
    process: GaussianProcessRegressor, rows: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return draws of a posterior, shape (draws, configurations)."""
    mean, covariance = process.predict(rows, return_cov=True)
    return rng.multivariate_normal(mean, covariance, DRAWS, check_valid="ignore")


def draws_without_own(
    process: GaussianProcessRegressor,
    rows: np.ndarray,
    scores: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return draws in which each trial is answered by the other trials, shape (draws, trials).

    The kernel stays that of all trials (Rasmussen and Williams, 2006, section 5.4.2).
    """
    inverse = np.linalg.inv(process.kernel_(rows))
    precision = np.diag(inverse)
    means = scores - inverse @ scores / precision
    return np.asarray(means + rng.standard_normal((DRAWS, len(scores))) / np.sqrt(precision))


def ranking_losses(draws: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return how many pairs of trials each draw ranks the wrong way round, shape (draws,)."""
    drawn_order = draws[:, :, None] < draws[:, None, :]
    true_order = scores[:, None] < scores[None, :]
    return np.asarray((drawn_order != true_order).sum(axis=(1, 2)), dtype=float)


@dataclass(slots=True, kw_only=True)
class RgpeContestant:
    """Search with an ensemble for each objective."""

    encoder: Encoder
    candidates: list[Values]
    rows: np.ndarray
    """Encoded candidates."""
    ensembles: Sequence[Ensemble]
    """Of quality and of speed."""
    rng: np.random.Generator
    trials: list[Told] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)
    """Positions of candidates that were asked for."""

    def ask(self) -> Values:
        """Return the candidate that adds most to the hypervolume of the front."""
        quality, speed = (self._drawn(ensemble) for ensemble in self.ensembles)
        front = scores_of(self.trials) if self.trials else np.empty((0, 2))
        corner = front.min(axis=0, initial=np.inf) - CORNER_GAP
        if not self.trials:
            corner = np.asarray([quality.min(), speed.min()])
        gains = hypervolume_improvement(quality, speed, front, corner).mean(axis=0)
        gains[list(self.asked)] = -np.inf
        position = int(np.argmax(gains))
        self.asked.add(position)
        return self.candidates[position]

    def _drawn(self, ensemble: Ensemble) -> np.ndarray:
        """Return draws of what candidates give, shape (draws, candidates)."""
        mean, deviation = ensemble.predict(self.rows)
        return np.asarray(mean + deviation * self.rng.standard_normal((DRAWS, len(mean))))

    def tell(self, trial: Told) -> None:
        """Learn from what came of the last ask."""
        self.trials.append(trial)
        rows = self.encoder.rows(told.values for told in self.trials)
        scores = scores_of(self.trials)
        for objective, ensemble in enumerate(self.ensembles):
            ensemble.learn(rows, scores[:, objective], self.rng)

    def close(self) -> None:
        """Free nothing: it holds memory only."""
