"""The contract of groups of meta-features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

from xautolm.data.demo import support_tickets
from xautolm.metafeatures import FeatureGroup, Part, Sample
from xautolm.records import Limits
from xautolm.registry import is_versioned
from xautolm.testing.fakes import made_up_machine
from xautolm.vocabulary import TargetKind

EXAMPLES = 300
FEW = 12
"""Rows of a small sample."""


def check_group(group: FeatureGroup, sample: Sample | None = None) -> None:
    """Check that a group of meta-features keeps what every group promises.

    Its name is versioned; it says how it enters the distance between tasks; the numbers are finite, as many as are
    named, as many for few rows as for many, and the same for the same sample, also where texts are short, equal or
    empty. A group of any targets takes classes, numbers and texts. A sample stays as it was.

    Args:
        group: The group.
        sample: What it is computed from; made-up tickets by default.

    Raises:
        AssertionError: It does not; says which promise.
    """
    name = group.name
    assert is_versioned(name), f"{name} does not end in a version, such as `.v1`"
    assert group.part in set(Part), f"{name}: no part of the distance: {group.part}"
    assert group.aspect, f"{name} does not say what it describes"
    assert group.noise >= 0, f"{name}: a noise of {group.noise}"
    assert group.targets in set(TargetKind), f"{name}: no kind of targets: {group.targets}"
    assert len(set(group.features)) == len(group.features), f"{name}: a name is there twice"
    whole = sample or made_up_sample()
    samples = [whole, *_small_samples(whole)]
    lengths: set[int] = set()
    for rows in samples:
        for suited in _suited(rows, group):
            numbers = _computed(group, suited)
            assert numbers == _computed(group, suited), f"{name}: other numbers for the same sample"
            lengths.add(len(numbers))
    if group.part == Part.SYSTEM:
        # Looked up before there are any data.
        without_data = replace(whole, texts=(), targets=(), examples=0)
        lengths.add(len(_computed(group, without_data)))
    assert len(lengths) == 1, (
        f"{name}: {sorted(lengths)} numbers, by the sample; always give as many"
    )


def made_up_sample() -> Sample:
    """Build a sample of generated support tickets, on a machine that does not exist."""
    table = support_tickets(EXAMPLES, seed=2)
    return Sample(
        texts=list(table["text"]),
        targets=list(table["label"]),
        examples=EXAMPLES,
        system=made_up_machine(),
        limits=Limits(),
        seed=0,
    )


def _small_samples(sample: Sample) -> list[Sample]:
    """Return some rows of a sample, and rows whose texts are short, equal or empty."""
    rows = replace(sample, texts=sample.texts[:FEW], targets=sample.targets[:FEW], examples=FEW)
    odd = replace(sample, texts=["?", "?", "!", ""], targets=["a", "a", "b", "b"], examples=4)
    return [rows, odd]


def _suited(sample: Sample, group: FeatureGroup) -> list[Sample]:
    """Return a sample with targets of each kind that a group has to take."""
    numbers = replace(sample, targets=[float(len(text)) for text in sample.texts])
    if group.targets == TargetKind.NUMBERS:
        return [numbers]
    if group.targets != TargetKind.ANY:
        return [sample]
    # Several labels of a row, or several right answers.
    tuples = replace(sample, targets=[(str(target), "more") for target in sample.targets])
    return [sample, numbers, tuples]


def _computed(group: FeatureGroup, sample: Sample) -> tuple[float, ...]:
    """Return a group's numbers of a sample; all must be finite, and as many as are named."""
    texts = deepcopy(sample.texts)
    targets = deepcopy(sample.targets)
    try:
        numbers: object = group.compute(sample)
    except Exception as error:
        example = repr(sample.targets[0]) if sample.targets else "none"
        raise AssertionError(
            f"{group.name} raises {error!r} for {len(sample.texts)} rows with targets such as {example}"
        ) from error
    is_unchanged = _are_equal(sample.texts, texts) and _are_equal(sample.targets, targets)
    assert is_unchanged, f"{group.name} changes the sample, which other groups read, too"
    assert isinstance(numbers, tuple), f"{group.name}: {type(numbers).__name__} in place of a tuple"
    assert all(math.isfinite(number) for number in numbers), f"{group.name}: {numbers}"
    # Where it cannot be had on this machine, there are none.
    if numbers and group.features:
        named = len(group.features)
        assert len(numbers) == named, f"{group.name}: {len(numbers)} numbers for {named} names"
    return numbers


def _are_equal(sequence: Sequence[object], copy: Sequence[object]) -> bool:
    return list(sequence) == list(copy)
