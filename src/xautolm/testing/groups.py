"""The contract of groups of meta-features."""

from __future__ import annotations

import math
from dataclasses import replace

from xautolm.data.demo import support_tickets
from xautolm.metafeatures import FeatureGroup, Part, Sample
from xautolm.records import Limits, SystemProfile
from xautolm.registry import is_versioned
from xautolm.vocabulary import TargetKind

EXAMPLES = 300


def check_group(group: FeatureGroup, sample: Sample | None = None) -> None:
    """Check that a group of meta-features keeps what every group promises.

    Its name is versioned; it says how it enters the distance between tasks; the numbers are finite, as many as are
    named, and the same for the same sample, also where texts are short, equal or empty.

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
    suited = _suited(sample or made_up_sample(), group)
    numbers = _computed(group, suited)
    assert numbers == group.compute(suited), f"{name}: other numbers for the same sample"
    odd = replace(suited, texts=["?", "?", "!", ""], targets=["a", "a", "b", "b"], examples=4)
    _computed(group, _suited(odd, group))


def made_up_sample() -> Sample:
    """Build a sample of generated support tickets, on a machine that does not exist."""
    table = support_tickets(EXAMPLES, seed=2)
    machine = SystemProfile(
        physical_cores=2, logical_cores=4, cpu_frequency=3.0, memory=16 * 10**9, device="cpu"
    )
    return Sample(
        texts=list(table["text"]),
        targets=list(table["label"]),
        examples=EXAMPLES,
        system=machine,
        limits=Limits(),
        seed=0,
    )


def _suited(sample: Sample, group: FeatureGroup) -> Sample:
    """Return a sample with targets of the kind that a group needs."""
    if group.targets != "numbers":
        return sample
    return replace(sample, targets=[float(len(text)) for text in sample.texts])


def _computed(group: FeatureGroup, sample: Sample) -> tuple[float, ...]:
    """Return a group's numbers of a sample; all must be finite, and as many as are named."""
    numbers = group.compute(sample)
    assert all(math.isfinite(number) for number in numbers), f"{group.name}: {numbers}"
    # Where it cannot be had on this machine, there are none.
    if numbers and group.features:
        named = len(group.features)
        assert len(numbers) == named, f"{group.name}: {len(numbers)} numbers for {named} names"
    return numbers
