"""The length of a training, planned to the time that it has: fewer steps with their whole schedule, not a schedule cut.

A training that is cut at its limit has wasted every step since its last evaluation; a shorter one that was planned uses
all of its time. So the plan is renewed as soon as a step's time is known. That the learning rate ends at zero is worth
nothing that could be measured by itself (docs/experiments.md, "The start of a head").
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import cast

from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from xautolm.finetuning.callbacks import Deadline

FIRST_LOOK = 0.1
"""Share of the first epoch after which the time of a step is known well enough."""
FEWEST_STEPS = 3
"""Steps before the first look at least: one that is no measure, and two that are."""
SLACK = 1.1
"""Factor on the time of the steps that are still to come: later batches, or a busier machine, may be slower."""


class StepPlan(TrainerCallback):
    """Shorten a training that would not end before its deadline, and its learning rate's schedule with it.

    Where a machine was busy for a while, the training becomes longer again, but never longer than was wanted.

    Args:
        clock: Knows the deadline, and how long an evaluation takes.
        now: The clock in seconds; the monotonic one.
    """

    def __init__(self, clock: Deadline, now: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.now = now
        self.course: Course | None = None
        self.wanted_steps = 0
        self.planned_steps = 0
        self.steps_per_epoch = 1
        self.first_look = FEWEST_STEPS
        self.training_seconds = 0.0
        self.resumed_at = 0.0

    @property
    def is_shortened(self) -> bool:
        """Return whether the plan has fewer steps than the configuration wants."""
        return self.planned_steps < self.wanted_steps

    @property
    def account(self) -> str:
        """Return a line for a person that says by how much the training was shortened."""
        wanted_epochs = self.wanted_steps / self.steps_per_epoch
        planned_epochs = self.planned_steps / self.steps_per_epoch
        return f"epochs {wanted_epochs:.3g} to {planned_epochs:.3g}: the time limit"

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Note the steps that the configuration wants."""
        self.course = None
        self.wanted_steps = state.max_steps
        self.planned_steps = state.max_steps
        self.steps_per_epoch = steps_per_epoch(args, state)
        first_share = math.ceil(FIRST_LOOK * self.steps_per_epoch)
        self.first_look = max(FEWEST_STEPS, first_share)
        self.resumed_at = self.now()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        lr_scheduler: LambdaLR | None = None,
        **_: object,
    ) -> None:
        """Plan as soon as the time of a step is known, and again as often: a machine may become busier, or free."""
        is_time = state.global_step % self.first_look == 0
        # Shortly before the end a few slow steps are enough for the last ones not to fit: the plan follows each.
        steps_left = state.max_steps - state.global_step
        is_ending = self.first_look <= state.global_step and steps_left < self.first_look
        if lr_scheduler is not None and (is_time or is_ending):
            self._plan(state, lr_scheduler)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Stop the clock: from here to the evaluation's end is not training."""
        now = self.now()
        self.training_seconds += now - self.resumed_at
        self.resumed_at = now

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        lr_scheduler: LambdaLR | None = None,
        **_: object,
    ) -> None:
        """Start the clock again, and plan anew, now that the time of an evaluation is known."""
        self.resumed_at = self.now()
        if lr_scheduler is not None:
            self._plan(state, lr_scheduler)

    def leave_out(self, seconds: float) -> None:
        """Take no account of so many seconds that have just passed: they were no training."""
        self.resumed_at += seconds

    def _plan(self, state: TrainerState, lr_scheduler: LambdaLR) -> None:
        """Take off the steps that would not end before the deadline, or put back those that would by now."""
        is_running = 0 < state.global_step < state.max_steps
        if self.clock.deadline is None or not is_running:
            return
        done = state.global_step
        epoch = float(state.epoch or 0.0)
        # A whole number of steps, which a float holds.
        steps = int(self.clock.agree(self.affordable_steps(done, epoch)))
        if steps == state.max_steps:
            return
        # A few steps more are within what a measurement is off: not worth another schedule, unless it is whole then.
        more = steps - state.max_steps
        is_whole = steps >= self.wanted_steps
        if 0 < more < self.first_look and not is_whole:
            return
        # A step that fits makes no plan worse: the deadline itself stops what does not.
        steps = max(steps, done + 1)
        if self.course is None:
            self.course = Course(lr_scheduler, self.wanted_steps)
        self.course.end_at(done, steps)
        # The Trainer ends, evaluates and saves at this step.
        state.max_steps = steps
        self.planned_steps = steps

    def affordable_steps(self, done: int, epoch: float) -> int:
        """Return how many steps in all end before the deadline, with an evaluation after each epoch and at the end.

        Args:
            done: Steps so far.
            epoch: Epochs so far, for the time of an evaluation before one was measured.
        """
        assert self.clock.deadline is not None
        now = self.now()
        spent = self.training_seconds + now - self.resumed_at
        mean_seconds = spent / done
        if done > 1:
            # Without the first step, which takes a few times as long as the others.
            mean_seconds = (spent - self.clock.first_step_seconds) / (done - 1)
        step_seconds = SLACK * mean_seconds
        # What the clock keeps free is one evaluation and the saving.
        remaining = self.clock.deadline - now
        available = remaining - self.clock.reserve(now, epoch)
        evaluation_seconds = self.clock.evaluation_seconds
        if not evaluation_seconds:
            # None was measured yet: it is taken for a share of an epoch's training.
            epoch_seconds = step_seconds * self.steps_per_epoch
            evaluation_seconds = epoch_seconds * self.clock.validation_share

        # Epoch by epoch: the rest of each, and the evaluation at its end, as long as both fit.
        steps = done
        while available > 0:
            to_epoch_end = self.steps_per_epoch - steps % self.steps_per_epoch
            fitting = int(available / step_seconds)
            if fitting < to_epoch_end:
                # It ends within this epoch; for the evaluation then, time was kept free above.
                return steps + fitting
            steps += to_epoch_end
            available -= to_epoch_end * step_seconds + evaluation_seconds
            # All that the configuration wants fits.
            if steps >= self.wanted_steps:
                return self.wanted_steps
        return steps


def steps_per_epoch(args: TrainingArguments, state: TrainerState) -> int:
    """Return the optimizer's steps in an epoch, at least one."""
    steps: float = state.max_steps / args.num_train_epochs
    return max(1, round(steps))


class Course:
    """Let a learning rate's schedule run through its whole course in fewer steps, or in more, as often as is wanted.

    Args:
        lr_scheduler: A scheduler of torch with one factor on the learning rate for each step (`LambdaLR`).
        steps: That it was made for.
    """

    def __init__(self, lr_scheduler: LambdaLR, steps: int) -> None:
        self.lr_scheduler = lr_scheduler
        self.steps = steps
        self.changed_at = 0
        self.position = 0.0
        """Of the step at which it was changed last, in steps of the schedule as it was made."""
        self.pace = 1.0
        """Steps of the schedule as it was made, for each step since then."""
        # torch asks for whole steps only; the factors of transformers take any number.
        factors = cast("list[Callable[[float], float]]", lr_scheduler.lr_lambdas)
        # One for each group of parameters: those with weight decay, and those without.
        lr_scheduler.lr_lambdas = [self._followed(factor) for factor in factors]

    def end_at(self, done: int, steps: int) -> None:
        """Let the rest of the course end at another step.

        Args:
            done: Steps so far.
            steps: Steps in all.
        """
        self.position = self.position_at(done)
        self.changed_at = done
        # What is to come of the course, over the steps that are to come.
        course_to_come = self.steps - self.position
        self.pace = course_to_come / (steps - done)

    def position_at(self, step: float) -> float:
        """Return where in the schedule as it was made a step lies."""
        steps_since_change = step - self.changed_at
        return self.position + self.pace * steps_since_change

    def _followed(self, factor: Callable[[float], float]) -> Callable[[float], float]:
        """Return a factor that is asked for the place in its course."""

        def factor_at(step: float) -> float:
            return factor(self.position_at(step))

        return factor_at
