"""Rungs by share of the training rows: asynchronous successive halving (ASHA, Li et al., MLSys 2020).

A configuration is first trained on a small part of the rows. Those that rank in the top third of their rung are
promoted: trained anew on the next larger part, of which the smaller one is a part. Whenever nothing can be promoted, a
new configuration begins on the lowest rung.

Two things differ from the paper. With several objectives, a rung is ranked by non-dominated fronts, and within a front
by the first quality. And where there is a budget of time, each rung is entitled to an equal part of it, as in plain
successive halving: of trials that take minutes, a small budget holds too few for a third to be one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from xautolm.objectives import Objectives, fronts, lead_of, objective_values, oriented
from xautolm.records import Configuration, Experience, Experiences
from xautolm.search.study import Obstacle
from xautolm.space import Space
from xautolm.space.shares import TRAIN_SHARE, rung_share, rungs_by_site

REDUCTION = 3
"""One trial of so many in a rung is promoted: the usual reduction factor of successive halving, and about the ratio of
neighbouring shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rungs:
    """Says which configuration is promoted next. It keeps no state: the trials that ended say everything."""

    shares: Sequence[float]
    """Shares of the training rows, rising; fewer than two where there is nothing to promote to."""
    objectives: Objectives
    """The first quality among them decides within a front."""
    space: Space | None = None
    """Of the configurations, which may have fewer rungs below one option than below another; None where all have all of
    them."""

    @classmethod
    def of_space(cls, space: Space, objectives: Objectives) -> Rungs:
        """Return the rungs of a space; none where its configurations are trained on all rows."""
        shares: set[float] = set()
        sites = rungs_by_site(space)
        for shares_of_site in sites.values():
            shares.update(shares_of_site)
        return cls(shares=sorted(shares), objectives=objectives, space=space)

    def promotion(
        self,
        experiences: Experiences,
        running: Iterable[Configuration],
        spent: float,
        obstacle: Obstacle,
    ) -> Configuration | None:
        """Return the configuration to be trained next on a larger part of the rows; None if there is none.

        Args:
            experiences: The run's trials that have ended, in whatever way.
            running: Configurations of the trials that run now.
            spent: Share of the budget of time that is used; 0 where there is none.
            obstacle: Says why a configuration would be passed over: what is too large now may not be so later.
        """
        begun: set[str] = set()
        for experience in experiences:
            begun.add(experience.configuration.digest)
        for configuration in running:
            begun.add(configuration.digest)

        # From the highest rung down: the most that is known of any configuration comes first.
        highest = len(self.shares) - 1
        for rung in reversed(range(highest)):
            ended = [experience for experience in experiences if self._is_on(experience, rung)]
            entitled = self._entitled(rung, len(ended), spent)
            for experience in self.ranked(ended)[:entitled]:
                promoted = self._promoted(experience.configuration, rung)
                if promoted is None or promoted.digest in begun:
                    continue
                if not obstacle(promoted):
                    return promoted
        return None

    def _promoted(self, configuration: Configuration, rung: int) -> Configuration | None:
        """Return a configuration on the next rung above one that it may be on; None if that was its highest."""
        for share in self.shares[rung + 1 :]:
            promoted = promoted_to(configuration, share)
            if self.space is None or not self.space.problems(promoted.values):
                return promoted
        return None

    def _entitled(self, rung: int, ended: int, spent: float) -> int:
        """Return how many trials of a rung may be promoted, of so many that have ended on it."""
        entitled = ended // REDUCTION
        # Each rung has an equal part of the budget. Once that of this rung is used, its best is promoted also where it
        # is no third: of trials that take minutes, a small budget holds too few.
        is_over = spent >= (rung + 1) / len(self.shares)
        if is_over:
            return max(entitled, 1)
        return entitled

    def ranked(self, ended: Experiences) -> list[Experience]:
        """Return the trials of a rung that left a model, the best first.

        A trial that failed is never promoted, and one that was stopped had no prospect of being the best of its rung.

        Args:
            ended: Trials on the same share of the rows, so that their times can be compared as well.
        """
        successes: list[Experience] = []
        values: list[list[float]] = []
        for experience in ended:
            measured = objective_values(experience.outcome, self.objectives)
            if measured is not None:
                successes.append(experience)
                values.append(measured)
        if not successes:
            return []
        order: list[Experience] = []
        points = oriented(values, self.objectives)
        for front in fronts(points):
            members = [successes[position] for position in front]
            # Within a front no trial dominates another: there the first quality decides, and the time does not.
            members.sort(key=self._quality, reverse=True)
            order += members
        return order

    def _quality(self, experience: Experience) -> float:
        lead = lead_of(self.objectives)
        return lead.standing(experience.outcome.metrics)

    def _is_on(self, experience: Experience, rung: int) -> bool:
        """Return whether a trial of which something is known was trained on the rows of a rung."""
        values = experience.configuration.values
        # Probes and other methods without a gradient step see all rows: they are on no rung.
        has_rung = TRAIN_SHARE in values
        if not has_rung or not experience.outcome.is_evidence:
            return False
        return rung_share(values) == self.shares[rung]


def promoted_to(configuration: Configuration, share: float) -> Configuration:
    """Return the same configuration on another share of the training rows."""
    values = dict(configuration.values)
    values[TRAIN_SHARE] = share
    return replace(configuration, values=values)
