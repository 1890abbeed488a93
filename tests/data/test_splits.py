"""Whatever split is made can be used: it passes the task's check, shares no text, and loses no row in silence."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest

from xautolm.data import Dataset, prepare
from xautolm.errors import DataError
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS


def split(table: Any, task: str = "text-classification", **options: Any) -> Dataset:
    return prepare(table, data_needs(TASKS.get(task)), **{"columns": {}, **options})


def check_usable(dataset: Dataset, task: str, keys: list[str]) -> None:
    """Assert what holds of every split that was made."""
    kind = TASKS.get(task)
    kind.check(list(dataset.train[kind.target]), list(dataset.validation[kind.target]))
    sides = [
        set(part[keys].itertuples(index=False, name=None))
        for part in (dataset.train, dataset.validation)
    ]
    assert not sides[0] & sides[1]


def random_classes(rng: random.Random) -> pd.DataFrame:
    """Return rows of 2 to 60 classes of 2 to 40 texts each, some of them repeated."""
    sizes = [rng.choice([2, 2, 3, 5, 9, 40]) for _ in range(rng.randint(2, 60))]
    rows = []
    for number, size in enumerate(sizes):
        for row in range(size):
            rows += [(f"text {number}-{row}", f"class {number}")] * rng.choice([1, 1, 1, 3])
    rng.shuffle(rows)
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.mark.parametrize("seed", range(12))
def test_random_classes(seed: int) -> None:
    table = random_classes(random.Random(seed))
    dataset = split(table, seed=seed)
    check_usable(dataset, "text-classification", ["text"])
    assert len(dataset.train) + len(dataset.validation) == len(table)
    classes = len(dataset.labels)
    for max_train in (classes, classes + 7, 3 * classes):
        smaller = split(table, seed=seed, max_train=max_train)
        check_usable(smaller, "text-classification", ["text"])
        assert smaller.labels == dataset.labels
        assert len(smaller.train) <= max_train
    with pytest.raises(
        DataError,
        match=rf"--max-train {classes - 1} is too small(.|\n)*Give --max-train {classes} or",
    ):
        split(table, seed=seed, max_train=max(classes - 1, 1))


@pytest.mark.parametrize(
    ("classes", "rows"), [(500, 4), (77, 4), (20, 3), (10, 2), (3, 4), (3, 2), (2, 2)]
)
def test_few_rows_of_many_classes(classes: int, rows: int) -> None:
    table = {
        "text": [f"note {number}" for number in range(classes * rows)],
        "label": [f"class {number % classes}" for number in range(classes * rows)],
    }
    dataset = split(table)
    assert dataset.validation["label"].nunique() == dataset.train["label"].nunique() == classes
    assert len(dataset.train) + len(dataset.validation) == classes * rows


@pytest.mark.parametrize("max_train", [77, 100, 200, 300, 400, 2000])
def test_a_banking_set_with_few_training_rows(max_train: int) -> None:
    table = pd.DataFrame(
        {
            "text": [f"note {i}" for i in range(77 * 130)],
            "label": [f"c{i % 77}" for i in range(77 * 130)],
        }
    )
    dataset = split(table, max_train=max_train)
    assert len(dataset.train) == max_train and len(dataset.validation) == max(
        77, round(max_train / 4)
    )
    assert dataset.validation["label"].nunique() == 77


@pytest.mark.parametrize(
    ("sizes", "max_train"), [((995, 5), 200), ((5000, 3), 50), ((5000, 3), 2), ((40, 2), None)]
)
def test_a_rare_class_is_on_both_sides(sizes: tuple[int, int], max_train: int | None) -> None:
    labels = ["common"] * sizes[0] + ["rare"] * sizes[1]
    dataset = split(
        {"text": [f"note {i}" for i in range(len(labels))], "label": labels}, max_train=max_train
    )
    for part in (dataset.train, dataset.validation):
        assert set(part["label"]) == {"common", "rare"}


def test_what_is_too_little_is_counted() -> None:
    texts = ["same", "same", *(f"note {i}" for i in range(30))]
    with pytest.raises(DataError, match=r"rare \(2 rows, 1 different texts\)"):
        split({"text": texts, "label": ["rare", "rare", *"abc" * 10]})
    with pytest.raises(DataError, match=r"example cannot be both(.|\n)*Got: rare"):
        split({"text": texts, "label": ["rare", *"abc" * 10, "a"]})
    with pytest.raises(DataError, match=r"a \(25 rows, 1 different texts\), b \(25 rows"):
        split({"text": ["same"] * 50, "label": list("ab") * 25})
    with pytest.raises(DataError, match=r"one example cannot be both(.|\n)*id0(.|\n)*and 22 more"):
        split({"text": texts[2:], "label": [f"id{number}" for number in range(30)]})
    with pytest.raises(DataError, match="3 rows with 3 different texts"):
        split({"text": list("abc"), "label": [1, 2, 3]}, "text-regression")
    with pytest.raises(DataError, match="30 labels of one row each in 30 rows"):
        labels = [[f"id{number}", "shared"] for number in range(30)]
        split({"text": texts[2:], "labels": labels}, "multilabel-classification")


@pytest.mark.parametrize("rows", [4, 5, 6, 9, 30, 200])
@pytest.mark.parametrize("kind", ["even", "mostly one", "two values"])
def test_numbers_differ_on_both_sides(rows: int, kind: str) -> None:
    numbers = {
        "even": [float(number) for number in range(rows)],
        "mostly one": [0.0] * (rows - 2) + [1.0, 1.0],
        "two values": [float(number % 2) for number in range(rows)],
    }[kind]
    table = {"text": [f"note {i}" for i in range(rows)], "label": numbers}
    dataset = split(table, "text-regression")
    check_usable(dataset, "text-regression", ["text"])
    assert len(dataset.train) + len(dataset.validation) == rows


def test_ranges_of_numbers_are_in_proportion() -> None:
    rng = random.Random(0)
    numbers = [rng.lognormvariate(0, 1) for _ in range(500)]
    dataset = split(
        {"text": [f"note {i}" for i in range(500)], "label": numbers}, "text-regression"
    )
    middle = sorted(numbers)[250]
    assert sum(number > middle for number in dataset.validation["label"]) == pytest.approx(
        50, abs=1
    )


def test_targets_that_are_nearly_all_the_same() -> None:
    targets = ["yes"] * 48 + ["no"] * 2
    for seed in range(5):
        dataset = split(
            {"text": [f"note {i}" for i in range(50)], "target": targets},
            "text-generation",
            seed=seed,
        )
        check_usable(dataset, "text-generation", ["text"])


@pytest.mark.parametrize("seed", range(6))
def test_random_documents(seed: int) -> None:
    rng = random.Random(seed)
    documents = rng.choice([1, 2, 3, 10])
    shares = [rng.random() ** 3 for _ in range(documents)]
    rows = []
    for number in range(60):
        document = rng.choices(range(documents), shares)[0]
        answers = [] if rng.random() < 0.3 else ["lamp"]
        rows.append(
            {
                "context": f"document {document} on lamps",
                "question": f"number {number}?",
                "answers": answers,
            }
        )
    dataset = split(rows, "question-answering", seed=seed)
    check_usable(dataset, "question-answering", ["context", "question"])
    assert len(dataset.train) + len(dataset.validation) == 60
    assert 5 <= len(dataset.validation) <= 30
    is_shared = set(dataset.train["context"]) & set(dataset.validation["context"])
    assert not is_shared or "context and question together" in "\n".join(dataset.notes)


@pytest.mark.parametrize("seed", range(6))
def test_random_sets_of_labels(seed: int) -> None:
    rng = random.Random(seed)
    names = [f"tag{number}" for number in range(rng.choice([3, 30, 100]))]
    rows = []
    for number in range(400):
        tags = rng.choices(
            names, [1 / (rank + 1) for rank in range(len(names))], k=rng.choice([0, 1, 2, 5])
        )
        rows.append(
            {"text": f"note {number // rng.choice([1, 1, 2])}", "labels": sorted(set(tags))}
        )
    dataset = split(rows, "multilabel-classification", seed=seed)
    check_usable(dataset, "multilabel-classification", ["text"])
    assert len(dataset.train) + len(dataset.validation) == 400
    for max_train in (len(names), 150):
        smaller = split(rows, "multilabel-classification", seed=seed, max_train=max_train)
        check_usable(smaller, "multilabel-classification", ["text"])
        assert len(smaller.train) <= max_train


def test_a_contradiction_stays_on_one_side() -> None:
    rows = [("same words", "x"), ("same words", "y")] * 10 + [
        (f"note {i}", "xy"[i % 2]) for i in range(40)
    ]
    dataset = split(pd.DataFrame(rows, columns=["text", "label"]))
    check_usable(dataset, "text-classification", ["text"])
    assert len(dataset.train) + len(dataset.validation) == 60 and 6 <= len(dataset.validation) <= 30


def test_a_document_with_many_questions_gives_no_more_rows_than_wanted() -> None:
    rows = []
    for number in range(600):
        rows.append(
            {
                "context": f"document {number % 40}",
                "question": f"number {number}?",
                "answers": ["lamp"],
            }
        )
    dataset = split(rows, "question-answering", max_train=80)
    assert len(dataset.train) == 80 and len(dataset.validation) == 20
    assert dataset.validation["context"].nunique() >= 6
    assert not set(dataset.train["context"]) & set(dataset.validation["context"])
    assert "validation split made: 20 of 120 rows" in "\n".join(dataset.notes)


def test_texts_that_every_split_has_are_the_reason() -> None:
    table = pd.DataFrame({"text": [f"note {i}" for i in range(40)], "label": ["a", "b"] * 20})
    with pytest.raises(DataError, match=r"No training row is left(.|\n)*40 training rows"):
        split(table, validation=table)
    with pytest.raises(DataError, match=r"No training row is left"):
        split(table, test=table)
    # All texts of class b are in the validation split too.
    validation = pd.concat([table[table["label"] == "b"], table.head(1).assign(text="another")])
    with pytest.raises(
        DataError,
        match=r"Without 20 training rows whose text is in validation(.|\n)*absent from the tr",
    ):
        split(table, validation=validation)
    pairs = table.assign(text_pair=table["text"])
    with pytest.raises(DataError, match="No training row is left"):
        split(pairs, "text-pair-classification", test=pairs)
