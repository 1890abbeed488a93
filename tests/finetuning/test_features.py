"""What a body says of texts: of which rows it is asked, and what becomes of a full disk."""

from __future__ import annotations

import copy
import errno
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from xautolm.finetuning import features as computed
from xautolm.finetuning.feature_files import NOT_KEPT, SECONDS, read_seconds
from xautolm.finetuning.features import (
    MEAN,
    MEAN_OF_LAYERS,
    OWN,
    FeatureCache,
    SplitFeatures,
    readouts_of,
    split_features,
)
from xautolm.finetuning.linear_head import open_head
from xautolm.zoo import ZOO

# What libraries say of themselves while they work.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


class Asked:
    """A tiny body of random weights, tokens, and what it says of them on demand."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(0)
        shape = {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_attention_heads": 2,
            "num_hidden_layers": 3,
        }
        head = open_head(
            BertForSequenceClassification(BertConfig(vocab_size=100, num_labels=2, **shape)).eval()
        )
        assert head is not None
        self.head = head
        self.card = ZOO.things["minilm-l3"]
        pieces = Tokenizer(WordLevel({"[PAD]": 0}, unk_token="[PAD]"))
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="[PAD]")
        self.tokens = DatasetDict(train=made_up_tokens(50), validation=made_up_tokens(20))
        self.folder = folder / "features"

    def features(self, readout: Any, cuts: Sequence[int] = ()) -> SplitFeatures:
        cache = FeatureCache(folder=self.folder, cuts=cuts)
        return split_features(cache, readout, self.card, self.head, self.tokenizer, self.tokens)

    def of_cut(self, layers: int, readout: Any, deeper: Sequence[Path]) -> SplitFeatures:
        """Return what the body says that is this one's lowest layers."""
        model = copy.deepcopy(self.head.model)
        model.base_model.encoder.layer = model.base_model.encoder.layer[:layers]
        head = open_head(model)
        assert head is not None
        card = ZOO.things[f"minilm-l{layers}"]
        cache = FeatureCache(folder=self.folder.with_name("features-of-cut"), deeper=deeper)
        return split_features(cache, readout, card, head, self.tokenizer, self.tokens)


def made_up_tokens(rows: int) -> Dataset:
    rng = np.random.default_rng(rows)
    lengths = rng.integers(1, 12, rows)
    ids = [rng.integers(1, 100, length).tolist() for length in lengths]
    return Dataset.from_dict({"input_ids": ids, "length": lengths.tolist()})


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def reference(asked: Asked, split: str) -> dict[Any, np.ndarray]:
    """Return features computed row by row, without padding."""
    rows: dict[Any, list[np.ndarray]] = {OWN: [], MEAN: [], MEAN_OF_LAYERS: []}
    for tokens in asked.tokens[split]["input_ids"]:
        with torch.inference_mode():
            output = asked.head.model.base_model(
                input_ids=torch.tensor([tokens]), output_hidden_states=True
            )
        layers = torch.stack(output.hidden_states)[:, 0]
        assert len(layers) == 4
        rows[OWN].append(layers[-1, 0].numpy())
        rows[MEAN].append(layers[-1].mean(dim=0).numpy())
        rows[MEAN_OF_LAYERS].append(layers[1:].mean(dim=(0, 1)).numpy())
    return {readout: np.stack(features) for readout, features in rows.items()}


def test_features_are_those_of_each_text_alone(asked: Asked) -> None:
    for split in ("train", "validation"):
        expected = reference(asked, split)
        for readout, values in expected.items():
            features = getattr(asked.features(readout), split)
            assert sorted(features.rows) == list(range(len(values)))
            assert np.allclose(features.values, values[features.rows], atol=1e-4)


def test_features_say_what_they_spared_the_trials_that_find_them(asked: Asked) -> None:
    first, second = asked.features(MEAN), asked.features(OWN)
    assert first.seconds > 0 and first.spared_seconds == 0
    assert second.seconds == 0 and 0 < second.spared_seconds <= first.seconds
    # A run of an earlier version did not note it.
    (asked.folder / SECONDS).unlink()
    assert asked.features(MEAN).spared_seconds == 0


@pytest.mark.parametrize("readout", [OWN, MEAN, MEAN_OF_LAYERS])
def test_the_pass_of_a_body_gives_what_one_without_its_top_layers_says(
    asked: Asked, readout: Any
) -> None:
    whole = asked.features(readout, cuts=(2,))
    shared = asked.of_cut(2, readout, deeper=[asked.folder])
    # Nothing was computed, and it counts as what two of three layers take.
    assert shared.seconds == 0
    assert shared.spared_seconds == pytest.approx(read_seconds(asked.folder) * 2 / 3)
    alone = asked.of_cut(2, readout, deeper=[])
    assert alone.seconds > 0
    for split in ("train", "validation"):
        features, expected = getattr(shared, split), getattr(alone, split)
        np.testing.assert_array_equal(features.rows, expected.rows)
        np.testing.assert_allclose(features.values, expected.values, atol=1e-5)
        assert not np.allclose(features.values, getattr(whole, split).values, atol=1e-4)


def test_what_a_body_left_of_another_depth_or_sample_is_not_taken(asked: Asked) -> None:
    asked.features(MEAN)
    assert asked.of_cut(2, MEAN, deeper=[asked.folder]).seconds > 0
    shutil.rmtree(asked.folder.with_name("features-of-cut"))
    shutil.rmtree(asked.folder)
    asked.features(MEAN, cuts=(2,))
    asked.tokens["train"] = made_up_tokens(51)
    assert len(asked.of_cut(2, MEAN, deeper=[asked.folder]).train.values) == 51


def test_features_of_other_bodies_cost_a_body_no_digits(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for the body's own three readouts of 70 rows with 16 numbers each, and not for six.
    room = 70 * 16 * 4 * 4
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=10 * room))
    whole = asked.features(MEAN, cuts=(2,))
    assert whole.train.values.dtype == np.float32 and whole.notes == ()
    assert list(asked.folder.glob("*of-2*")) == []


def test_a_disk_that_fills_up_by_the_features_of_other_bodies_costs_a_body_nothing(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = computed.write_features

    def fill(folder: Path, split: str, batches: Any, *arguments: Any) -> None:
        write(folder, split, batches, *arguments)
        if list(folder.glob("*of-2*")):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(computed, "write_features", fill)
    whole = asked.features(MEAN, cuts=(2,))
    assert whole.train.values.dtype == np.float32 and whole.notes == ()
    assert list(asked.folder.glob("*of-2*")) == [] and asked.features(OWN).seconds == 0


def test_only_sampled_rows_go_through_the_body(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computed, "sampled_rows", lambda count, most: np.array([3, 7, 40]))
    features = asked.features(MEAN)
    assert sorted(features.train.rows) == [3, 7, 40] and len(features.train.values) == 3
    assert len(features.validation.rows) == len(asked.tokens["validation"])
    assert np.allclose(
        features.train.values, reference(asked, "train")[MEAN][features.train.rows], atol=1e-4
    )


def test_long_texts_go_through_the_body_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computed, "BATCH_TOKENS", 64)
    lengths = np.array([1] * 40 + [16] * 9 + [100] * 2)
    bounds = list(computed._bounds(lengths))
    sizes = [last - first for first, last in bounds]
    assert sum(sizes) == len(lengths) and max(sizes) == computed.BATCH
    assert all(
        last - first == 1 or (last - first) * lengths[last - 1] <= 64 for first, last in bounds
    )


def test_without_room_on_the_disk_the_body_is_run_again_by_each_probe(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=0))
    for _ in range(2):
        features = asked.features(MEAN_OF_LAYERS)
        assert features.notes == (NOT_KEPT,) and features.seconds > 0
    assert not asked.folder.exists()
    assert np.allclose(
        features.train.values,
        reference(asked, "train")[MEAN_OF_LAYERS][features.train.rows],
        atol=1e-2,
    )


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_and_stops_nothing(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = computed.write_features

    def fill(folder: Path, split: str, *arguments: Any) -> None:
        write(folder, split, *arguments)
        if split == "validation":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(computed, "write_features", fill)
    features = asked.features(MEAN)
    assert features.notes == (NOT_KEPT,) and features.seconds > 0
    assert list(asked.folder.parent.glob("*features*")) == []
    assert np.allclose(
        features.train.values, reference(asked, "train")[MEAN][features.train.rows], atol=1e-2
    )


def test_what_is_no_trouble_of_the_machine_is_raised(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise IsADirectoryError("a bug of ours")

    monkeypatch.setattr(computed, "write_features", fail)
    with pytest.raises(IsADirectoryError, match="a bug of ours"):
        asked.features(MEAN)


def test_the_layers_of_decoders_are_not_averaged() -> None:
    cards = {card.architecture: card for card in ZOO.things.values()}
    assert readouts_of(cards["encoder"]) == (OWN, MEAN, MEAN_OF_LAYERS)
    assert readouts_of(cards["decoder"]) == (OWN, MEAN)
    assert readouts_of(cards["encoder-decoder"]) == (OWN,)


@pytest.mark.parametrize("damage", ["gone", "cut", "no array"])
def test_damaged_features_are_computed_again(asked: Asked, damage: str) -> None:
    whole = np.array(asked.features(MEAN).validation.values)
    path = asked.folder / f"validation-{MEAN}.npy"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:200] if damage == "cut" else b"no array")
    again = asked.features(MEAN)
    assert np.allclose(again.validation.values, whole) and again.seconds > 0


def test_rows_are_read_in_parts_where_memory_runs_out(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asked.features(MEAN)
    compute = computed._Body._features
    sizes: list[int] = []

    def short_of_memory(body: Any, batch: Any, *arguments: Any) -> Any:
        size = len(batch["input_ids"])
        sizes.append(size)
        if size > 7:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(body, batch, *arguments)

    monkeypatch.setattr(computed._Body, "_features", short_of_memory)
    asked.folder = tmp_path / "in-parts"
    in_parts = asked.features(MEAN)
    assert max(sizes) > 7
    np.testing.assert_array_equal(in_parts.train.rows, whole.train.rows)
    np.testing.assert_allclose(in_parts.train.values, whole.train.values, atol=1e-5)
