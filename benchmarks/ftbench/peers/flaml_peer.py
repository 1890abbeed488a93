"""Let FLAML's BlendSearch play, in its own interpreter.

    PYTHON_OF_FLAML -m benchmarks.ftbench.peers.flaml_peer

It maximises the quality alone and counts seconds as cost. It sees a flat space, and is told of its own proposal
whatever was run: its local searches know only their own points. Failures are told as errors, which it forgets.
"""

from __future__ import annotations

import logging

from flaml import tune
from flaml.tune.searcher.blendsearch import BlendSearch

from benchmarks.ftbench.peers.conversation import Losses, Request, SiteValues, Trial, serve

ATTEMPTS = 100
"""BlendSearch answers nothing where its proposal was tried already."""


class FlamlSearch:
    """Search with BlendSearch."""

    def __init__(self, request: Request) -> None:
        space = {}
        for site in request.sites:
            if site.kind == "options":
                space[site.key] = tune.choice(list(range(site.count)))
            elif site.kind == "int":
                # FLAML leaves the upper end out.
                draw = tune.lograndint if site.log else tune.randint
                space[site.key] = draw(site.low, site.high + 1)
            else:
                draw = tune.loguniform if site.log else tune.uniform
                space[site.key] = draw(site.low, site.high)
        self.losses = Losses()
        self.number = 0
        self.asked: dict[str, int | float] = {}
        self.search = BlendSearch(
            metric="loss", mode="min", space=space, cost_attr="seconds", seed=request.seed
        )

    def ask(self) -> SiteValues:
        """Return BlendSearch's proposal."""
        for _ in range(ATTEMPTS):
            self.number += 1
            proposal = self.search.suggest(str(self.number))
            if proposal is not None:
                self.asked = proposal
                return proposal
        raise RuntimeError(f"BlendSearch proposed nothing in {ATTEMPTS} attempts")

    def tell(self, trial: Trial) -> None:
        """Tell BlendSearch of its proposal."""
        if trial.failure:
            self.search.on_trial_complete(str(self.number), None, error=True)
            return
        loss, _ = self.losses.of(trial)
        result = {"loss": loss, "seconds": trial.seconds, "config": self.asked}
        self.search.on_trial_complete(str(self.number), result)

    def close(self) -> None:
        """Do nothing: BlendSearch holds nothing."""


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    serve(FlamlSearch)
