"""Meta-features of a run, measured beside its first trials: nothing asks for them before the sampler does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xautolm.execution import Launcher
from xautolm.records import Features, TrialSpec
from xautolm.trial_folder import TrialFolder

ENTRY = "xautolm.finetuning.describing:run"
POLL_SECONDS = 0.05
LAST_WAIT = 120.0
"""Seconds until a child that gets no processor, because trials or others use them all, is given up: it needs four."""
FIRST_SHARE = 0.1
"""Of the budget that is left: so much of it may be waited before a sampler is asked that knows other tasks by them."""
GRACE = 10.0
"""Seconds that may be waited there beyond the budget."""


@dataclass(slots=True, kw_only=True)
class LateFeatures:
    """The meta-features of a run, which are there when they are first needed.

    A child that gives way to trials computes them and leaves them in the cache. Without a child, or where it failed,
    they are computed by whoever needs them first.
    """

    measure: Callable[[], Features]
    """Computes the features that the cache lacks, and returns all."""
    note: Callable[[Features], None]
    """Told once what was measured."""
    launcher: Launcher | None
    """Starts the child; None where there is none."""
    folder: Path
    """Of the child; made when it is started."""
    features: Features | None = None
    """None until they are measured."""
    child: int | None = None
    """Process id of the child, once it is started."""

    def begin(self, spec: TrialSpec) -> None:
        """Let a child measure what is not known; it is started once.

        Args:
            spec: Of any trial of the run; says where its data lies.

        Raises:
            XAutoLMError: No child can be started, and so no trial either.
        """
        are_known = self.features is not None
        has_begun = self.child is not None
        if are_known or has_begun or self.launcher is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        TrialFolder(self.folder).write_spec(spec)
        self.child = self.launcher.launch(self.folder, ENTRY)

    def are_ready(self) -> bool:
        """Return whether `get` has nothing to wait for; where no child was started, that is always so."""
        if self.features is not None:
            return True
        return not self._child_runs()

    def get(self) -> Features:
        """Return the meta-features, once they are ready; computes those that no child has."""
        if self.features is None:
            self.features = self.measure()
            self.note(self.features)
        return self.features

    def in_time(self, seconds: float, meanwhile: Callable[[], None]) -> Features | None:
        """Return the meta-features, or nothing where the child has not ended by then.

        Args:
            seconds: For which it is waited for.
            meanwhile: Called again and again.
        """
        self.wait(seconds, meanwhile)
        return self.get() if self.are_ready() else None

    def first_wait(self, left: float) -> float:
        """Return the seconds for which the child is waited for before a sampler is asked for the first time.

        Args:
            left: Seconds that are left for trials; infinite without a budget of time.
        """
        return min(LAST_WAIT, FIRST_SHARE * max(0.0, left))

    def last_wait(self, left: float) -> float:
        """Return the seconds for which the child is waited for where no trial runs any more, nor will.

        Without meta-features, later searches learn nothing from the trials of this one.

        Args:
            left: Seconds of the budget; infinite without one of time.
        """
        return min(LAST_WAIT, max(GRACE, left))

    def wait(self, seconds: float, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait until the child has ended.

        Args:
            seconds: No longer than so many.
            meanwhile: Called again and again, if given.
        """
        deadline = time.monotonic() + seconds
        while self._child_runs() and time.monotonic() < deadline:
            if meanwhile is not None:
                meanwhile()
            time.sleep(POLL_SECONDS)

    def _child_runs(self) -> bool:
        """Return whether the child has been started and has not ended."""
        if self.launcher is None or self.child is None:
            return False
        return self.launcher.is_running(self.folder)
