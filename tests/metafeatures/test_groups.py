"""One suite for every group of meta-features, and each formula by hand."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xautolm.data.demo import support_tickets
from xautolm.hardware import system_profile
from xautolm.metafeatures import FEATURES, FeatureGroup, Part, Sample, known_features, measure
from xautolm.metafeatures.generation import rouge_l
from xautolm.metafeatures.semantic import embed
from xautolm.metafeatures.sentences import Sentences, _encoded
from xautolm.records import Gpu, Limits, SystemProfile
from xautolm.settings import sentence_encoder
from xautolm.testing import check_group


@pytest.fixture(params=list(FEATURES.things.values()), ids=lambda group: group.name)
def group(request: pytest.FixtureRequest) -> FeatureGroup:
    return request.param


@pytest.fixture
def sample(machine: SystemProfile) -> Sample:
    table = support_tickets(300, seed=2)
    return Sample(
        texts=list(table["text"]),
        targets=list(table["label"]),
        examples=300,
        system=machine,
        limits=Limits(),
        seed=0,
    )


def test_a_group_keeps_its_contract(group: FeatureGroup, sample: Sample) -> None:
    check_group(group, sample)


class Letters:
    """A group that keeps its contract, as far as nothing is changed."""

    name = "letters.v1"
    part = Part.TASK
    aspect = "letters"
    noise = 0.0
    targets = "classes"
    features: tuple[str, ...] = ("letters",)
    numbers: Iterator[float] | None = None

    def compute(self, sample: Sample) -> tuple[float, ...]:
        return (float(sum(map(len, sample.texts))) if self.numbers is None else next(self.numbers),)


def sorted_in_place(sample: Sample) -> tuple[float, ...]:
    texts = sample.texts
    assert isinstance(texts, list)
    texts.sort()
    return (float(len(texts)),)


@pytest.mark.parametrize(
    ("name", "value", "promise"),
    [
        ("name", "letters", "does not end in a version"),
        ("part", "none", "no part of the distance"),
        ("features", ("letters", "words"), "1 numbers for 2 names"),
        ("numbers", itertools.count(1.0), "other numbers for the same sample"),
        ("numbers", itertools.repeat(math.nan), "nan"),
        ("features", ("letters", "letters"), "a name is there twice"),
        ("compute", lambda sample: [1.0], "list in place of a tuple"),
        ("compute", sorted_in_place, "changes the sample"),
    ],
)
def test_the_contract_finds_what_breaks_a_promise(name: str, value: object, promise: str) -> None:
    group = Letters()
    check_group(group)
    setattr(group, name, value)
    with pytest.raises(AssertionError, match=promise):
        check_group(group)


class Lengths(Letters):
    """A vector of the texts' lengths, which has no names."""

    name = "lengths.v1"
    features = ()
    targets = "any"

    def compute(self, sample: Sample) -> tuple[float, ...]:
        return tuple(float(len(text)) for text in sample.texts)


class Sums(Letters):
    """Adds up targets, whatever they are."""

    name = "sums.v1"
    targets = "any"

    def compute(self, sample: Sample) -> tuple[float, ...]:
        return (float(sum(len(target) for target in sample.targets)),)


class Rows(Letters):
    """Counts rows, for any targets."""

    name = "rows.v1"
    targets = "any"

    def compute(self, sample: Sample) -> tuple[float, ...]:
        return (float(sample.examples),)


def test_the_contract_finds_a_length_that_follows_the_sample_and_targets_that_are_not_taken() -> (
    None
):
    check_group(Rows())
    with pytest.raises(AssertionError, match=r"lengths.v1: \[4, 12, 300\] numbers"):
        check_group(Lengths())
    with pytest.raises(AssertionError, match=r"sums.v1 raises TypeError.*targets such as \d"):
        check_group(Sums())


def test_the_papers_classification_features_by_hand(sample: Sample) -> None:
    few = replace(
        sample, texts=["aaaa", "bb", "cccccc", "dddd"], targets=["x", "x", "x", "y"], examples=40
    )
    found = dict(
        zip(
            FEATURES.get("classification-paper").features,
            FEATURES.get("classification-paper").compute(few),
            strict=True,
        )
    )
    assert found["samples"] == 40 and found["classes"] == 2
    assert found["class_entropy_bits"] == pytest.approx(
        -0.75 * math.log2(0.75) - 0.25 * math.log2(0.25)
    )
    assert (found["smallest_class_probability"], found["largest_class_probability"]) == (0.25, 0.75)
    assert found["class_imbalance_ratio"] == pytest.approx(1 / 3)
    assert found["document_length_mean"] == 4 and found["document_length_std"] == pytest.approx(
        math.sqrt(2)
    )
    assert found["document_length_variation"] == pytest.approx(math.sqrt(2) / 4)


def test_landmarkers_tell_learnable_from_random(sample: Sample) -> None:
    shuffled = replace(sample, targets=list(np.random.default_rng(0).permutation(sample.targets)))
    for name, position in (("classification-paper", -1), ("classification", -1)):
        group = FEATURES.get(name)
        assert group.compute(sample)[position] > group.compute(shuffled)[position] + 0.15


def test_texts_and_alphabets_by_hand(sample: Sample) -> None:
    few = replace(sample, texts=["ab ab", "да", "ab ab"], targets=["x", "y", "x"])
    found = dict(
        zip(
            FEATURES.get("classification").features,
            FEATURES.get("classification").compute(few),
            strict=True,
        )
    )
    assert found["type_token_ratio"] == pytest.approx(2 / 5)
    assert found["non_ascii_share"] == pytest.approx(2 / 12)
    assert found["non_latin_letter_share"] == pytest.approx(2 / 10)
    assert found["duplicate_share"] == pytest.approx(1 / 3)
    assert found["majority_f1_macro"] == pytest.approx(
        0.8 / 2
    )  # F1 of the majority: 2 * (2/3) / (1 + 2/3)


def test_regression_features_by_hand(sample: Sample) -> None:
    texts = [("good " * 3 + "film", 5.0), ("bad " * 3 + "film", 1.0)] * 50
    there = replace(
        sample,
        texts=[text for text, _ in texts],
        targets=[number for _, number in texts],
        examples=900,
    )
    found = dict(
        zip(
            FEATURES.get("regression").features,
            FEATURES.get("regression").compute(there),
            strict=True,
        )
    )
    assert found["samples"] == 900 and found["document_length_mean"] == (19 + 16) / 2
    assert found["distinct_number_share"] == 0.02 and found["number_skewness"] == pytest.approx(0.0)
    assert found["type_token_ratio"] == 3 / 400 and found["linear_probe_r2"] > 0.9
    skewed = replace(
        there, targets=[0.0] * 99 + [1.0]
    )  # third moment of a Bernoulli: (1 - 2p) / sqrt(p (1 - p))
    assert FEATURES.get("regression").compute(skewed)[5] == pytest.approx(0.98 / math.sqrt(0.0099))


def test_rouge_by_hand() -> None:
    # The longest common subsequence of "a b c d" and "a c x d" is "a c d": 2 * 3 / (4 + 4).
    assert rouge_l(["a", "b", "c", "d"], ["a", "c", "x", "d"]) == pytest.approx(0.75)
    assert rouge_l([], ["a"]) == 0.0


def test_generation_features_by_hand(sample: Sample) -> None:
    few = replace(sample, texts=["one two three", "one four"], targets=["two", "five six"])
    found = dict(
        zip(
            FEATURES.get("generation-paper").features,
            FEATURES.get("generation-paper").compute(few),
            strict=True,
        )
    )
    assert (found["prompt_length_mean"], found["target_length_mean"]) == (10.5, 5.5)
    assert found["prompt_type_token_ratio"] == pytest.approx(4 / 5)
    assert found["target_prompt_length_ratio"] == pytest.approx((3 / 13 + 8 / 8) / 2)
    assert found["target_vocabulary_novelty"] == pytest.approx(2 / 3)
    assert found["prompt_target_rouge_l"] == pytest.approx((2 / 4 + 0) / 2)


def test_like_texts_have_like_vectors() -> None:
    one, like, unlike = embed(
        ["the price of oil rose again", "oil price rose", "she sings in the choir"]
    )
    assert one @ like > one @ unlike and one @ one == pytest.approx(1.0)


@pytest.mark.slow
def test_a_sentence_encoder_hears_the_meaning(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Sentences().compute(sample) == ()  # turned off
    monkeypatch.delenv("XAUTOLM_SENTENCES")
    folder = sentence_encoder()
    assert folder is not None
    one, like, unlike = _encoded(
        ["Oil became dearer.", "Petrol prices went up.", "She sings in the choir."], folder, 1
    )
    assert one @ like > one @ unlike + 0.2 and one @ one == pytest.approx(1.0, abs=1e-4)
    few = replace(sample, texts=sample.texts[:3])
    vector = Sentences().compute(few)
    assert len(vector) == 384 and np.linalg.norm(vector) == pytest.approx(1.0)
    monkeypatch.setattr("xautolm.metafeatures.sentences.PROGRAM", "no.such.program")
    assert Sentences().compute(few) == ()


def test_the_machine_by_hand(sample: Sample) -> None:
    gpu = Gpu(name="H100", memory=80 * 1024**3, compute_capability=9.0)
    system = replace(sample.system, device="cuda", gpus=(gpu, gpu), memory=64 * 1024**3)
    there = replace(sample, system=system, limits=Limits(seconds=600.0, gpu_memory=40 * 1024**3))
    assert FEATURES.get("system-paper").compute(there) == (2, 4, 3.0, 64.0, 160.0)
    assert FEATURES.get("system").compute(there) == (2, 9.0, 1.0, 200.0, 40.0, 600.0)


def test_only_cores_that_this_process_may_use_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    system = system_profile("cpu")
    assert (system.physical_cores, system.logical_cores) == (1, 1)


def test_task_features_are_kept_by_fingerprint_and_the_machine_is_not(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = FEATURES.things.values()
    first = measure(groups, sample, "classes", tmp_path, "abc")
    assert set(first) == {
        "classification-paper.v1",
        "classification.v1",
        "semantic-hashed.v1",
        "system-paper.v1",
        "system.v1",
    }
    monkeypatch.setattr(
        "xautolm.metafeatures.classification._tree_accuracy",
        lambda *_: pytest.fail("computed again"),
    )
    other = replace(sample, system=replace(sample.system, memory=8 * 1024**3))
    again = measure(groups, other, "classes", tmp_path, "abc")
    assert again["classification-paper.v1"] == first["classification-paper.v1"]
    assert again["system-paper.v1"][3] == 8.0


def test_large_data_is_sampled_and_says_its_real_size(sample: Sample) -> None:
    many = replace(sample, texts=sample.texts * 400, targets=sample.targets * 400, examples=120_000)
    found = measure([FEATURES.get("classification-paper")], many, "classes", None, "")
    assert found["classification-paper.v1"][0] == 120_000


@pytest.mark.parametrize(
    "key", ["../secret", "/etc/passwd", "..", "", "ABC", "a/b", "a\0b", "g" * 16, "a" * 65]
)
def test_the_cache_is_asked_for_fingerprints_only(tmp_path: Path, key: str) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (tmp_path / "secret.json").write_text('{"classification-paper.v1": [1.0]}')
    assert known_features(cache, key) == {}
    (cache / "abc.json").write_text('{"classification-paper.v1": [1.0]}')
    assert known_features(cache, "abc") == {"classification-paper.v1": (1.0,)}
