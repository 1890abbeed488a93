"""A peer that answers with what it was last told, for the tests of the pipes."""

from __future__ import annotations

import os

from benchmarks.ftbench.peers.conversation import (
    Losses,
    Request,
    SiteValues,
    Trial,
    all_sites,
    serve,
)


class FixedSearch:
    """Propose the default, then every trial once more."""

    def __init__(self, request: Request) -> None:
        # What a library prints must not get between question and answer.
        print("a peer that talks")
        self.request = request
        self.losses = Losses()
        trials = [trial for task in request.past for trial in task.trials]
        self.values = trials[0].values if trials else {}

    def ask(self) -> SiteValues:
        """Return a value for every site."""
        return all_sites(self.request.sites, self.values)

    def tell(self, trial: Trial) -> None:
        """Note a trial; end or raise where one asks for it by its seed."""
        self.values = trial.values
        if self.request.seed == 1:
            raise ValueError(f"losses {self.losses.of(trial)}")
        if self.request.seed == 2:
            print("out of luck", flush=True)
            os._exit(3)

    def close(self) -> None:
        """Do nothing."""


if __name__ == "__main__":
    serve(FixedSearch)
