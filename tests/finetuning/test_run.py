"""Trials for real: small models, small data, every method and every way a training can be cut short."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EvalPrediction,
    PreTrainedModel,
    pipeline,
)

from tests.finetuning.conftest import Order
from xautolm.errors import TrialError
from xautolm.finetuning import memory, training
from xautolm.finetuning.feature_files import read_features
from xautolm.finetuning.features import MEAN
from xautolm.finetuning.model import bare_model
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.prepared import PreparedTrial
from xautolm.finetuning.run import run
from xautolm.finetuning.tokens import load_tokenizer, tokenized, trained_rows
from xautolm.methods import METHODS
from xautolm.records import Limits
from xautolm.space.presets import PAPER_SCHEDULERS
from xautolm.symptoms import kind_of
from xautolm.tasks import TASKS
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import Export, FailureKind, TrialStatus
from xautolm.zoo import ZOO, find_models

pytestmark = [
    # What libraries say of themselves while they work; ours must stay silent.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.timeout(300),
]


def test_a_model_from_scratch_learns_and_leaves_a_plain_folder(order: Order, folder: Path) -> None:
    spec = order(epochs=8, rows=600)
    outcome = run(spec, folder)
    assert outcome.status is TrialStatus.COMPLETE
    assert set(outcome.metrics) == {"f1_macro", "accuracy", "f1_weighted", "mcc"}
    assert outcome.metrics["accuracy"] > 0.6  # the largest class has 30 %
    assert outcome.metrics["f1_macro"] == max(line["f1_macro"] for line in outcome.history)
    assert {"epoch", "seconds", "train_loss", "validation_loss", "mcc"} <= set(outcome.history[0])
    assert not (folder / "checkpoints").exists()
    last = json.loads((folder / "progress.jsonl").read_text().splitlines()[-1])
    # It may stop early, yet only at the end of an epoch.
    assert last["step"] * 8 == last["steps"] * len(outcome.history) > 0
    classify = pipeline("text-classification", model=str(folder / "model"))
    assert classify("I was charged twice for order 4417.")[0]["label"] in spec.labels


MINILM, CLASSIFY = ZOO.things["minilm-l2"], FORMS.get("classify")
CLASSIFYING = [name for name in METHODS.names() if not METHODS.get(name).problem(MINILM, CLASSIFY)]


@pytest.mark.parametrize("method", CLASSIFYING)
def test_every_method_trains_saves_and_reloads(order: Order, folder: Path, method: str) -> None:
    spec = order("minilm-l2", method, epochs=2, rows=120)
    outcome = run(spec, folder)
    assert outcome.succeeded and 0 <= outcome.metrics["f1_macro"] <= 1
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    assert model.config.num_hidden_layers == 2 and not any(
        "lora" in name for name, _ in model.named_parameters()
    )
    assert (
        AutoTokenizer.from_pretrained(folder / "model").model_max_length
        == spec.configuration.values["max_length"]
    )
    # The saved weights give the score that was reported for the best epoch.

    from xautolm.metrics import scores
    from xautolm.tasks import TASKS

    table, task = pd.read_parquet(Path(spec.data) / "validation.parquet"), TASKS.get(spec.task)
    logits = Predictor(folder / "model", "cpu").answers(table)
    again = scores(
        spec.metrics, task.encode(list(table["label"]), spec.labels), task.predictions(logits)
    )
    assert again == pytest.approx(dict(outcome.metrics), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "init", "targets"),
    [("rslora", "gaussian", "attention"), ("dora", "pissa", "all-linear")],
)
def test_lora_variants(order: Order, folder: Path, variant: str, init: str, targets: str) -> None:
    ranges = {
        "lora_variant": variant,
        "lora_init": init,
        "lora_targets": targets,
        "lora_bias": "lora_only",
    }
    spec = order("minilm-l2", "lora", epochs=2, rows=80, ranges=ranges)
    assert ranges.items() <= spec.configuration.values.items()
    assert run(spec, folder).succeeded


def test_same_seed_same_result(order: Order, folder: Path) -> None:
    first, second = (run(order(epochs=3), folder) for _ in range(2))
    assert first.metrics == second.metrics


@pytest.mark.parametrize("family", ["scratch-tiny", "scratch-decoder"])
def test_tokenizers_of_models_from_scratch_are_the_same_each_time(
    order: Order, tmp_path: Path, family: str
) -> None:
    spec = order()
    (card,) = find_models([family], ZOO.things)
    written = []
    for turn in ("first", "second"):
        load_tokenizer(card, Path(spec.data), tmp_path / turn)
        (file,) = (tmp_path / turn).rglob("tokenizer.json")
        written.append(file.read_text())
    assert written[0] == written[1]
    if card.architecture == "encoder":
        tokens = json.loads(written[0])["added_tokens"]
        assert [token["content"] for token in tokens] == [
            "[PAD]",
            "[UNK]",
            "[CLS]",
            "[SEP]",
            "[MASK]",
        ]


def test_signs_that_are_words_by_themselves_never_go_on_with_one(
    order: Order, tmp_path: Path
) -> None:
    spec = order()
    texts = [
        f"hello world ({chr(0x4E00 + number)}{chr(0x4E01 + number)})" for number in range(3000)
    ]
    pd.DataFrame({"text": texts}).to_parquet(Path(spec.data) / "train.parquet")
    tokenizer = load_tokenizer(spec.card, Path(spec.data), tmp_path / "tokens")
    # Three thousand Chinese characters leave room for whole words.
    assert tokenizer.tokenize("hello world") == ["hello", "world"]
    assert not [
        piece
        for piece in tokenizer.get_vocab()
        if piece.startswith("##") and not piece[2:].isalpha()
    ]
    assert len(tokenizer) <= spec.card.vocabulary


def test_several_labels(order: Order, folder: Path) -> None:
    spec = order(task="multilabel-classification", epochs=8, class_weights=True)
    outcome = run(spec, folder)
    assert outcome.succeeded and outcome.metrics["f1_micro"] > 0.3
    assert Predictor(folder / "model", "cpu").answers(pd.DataFrame({"text": ["a text"]})).shape == (
        1,
        len(spec.labels),
    )


def test_an_optimizer_that_is_not_known_is_no_other_one(order: Order, folder: Path) -> None:
    spec = order(preset="paper", epochs=1, optimizer="lion")
    with pytest.raises(TrialError, match="optimizer 'lion' is none of adamw"):
        run(spec, folder)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", PAPER_SCHEDULERS)
def test_the_papers_schedulers_and_optimizers(order: Order, folder: Path, scheduler: str) -> None:
    optimizer = dict(
        zip(PAPER_SCHEDULERS, ("adamw", "adam", "sgd", "adagrad", "adamw"), strict=True)
    )[scheduler]
    switches = (
        {"early_stopping": "off", "gradient_clipping": "off"} if scheduler == "cosine" else {}
    )
    fixed = {
        "epochs": 1,
        "scheduler": scheduler,
        "optimizer": optimizer,
        "gradient_accumulation_steps": 2,
        **switches,
    }
    outcome = run(order(preset="paper", batch_size=8, max_length=64, **fixed), folder)
    assert outcome.succeeded


def test_less_data_is_used_where_the_configuration_says_so(order: Order) -> None:
    spec = order(rows=160)
    task = TASKS.get(spec.task)
    tokenizer = load_tokenizer(spec.card, Path(spec.data), Path(spec.tokens))
    tokens, _ = tokenized(spec, task, tokenizer)

    def part(**changes: object) -> list[tuple[list[int], int]]:
        values = {**spec.configuration.values, **changes}
        changed = replace(spec, configuration=replace(spec.configuration, values=values))
        rows = trained_rows(tokens["train"], changed, task)
        return [(row["input_ids"], row["labels"]) for row in rows]

    whole, quarter = part(), part(data_downsize="quarter")
    assert len(whole) == 129 and len(quarter) == 32 and quarter == part(data_downsize="quarter")
    tenth, third = part(train_share=0.1), part(train_share=0.3)
    assert (len(tenth), len(third)) == (13, 39)
    assert all(row in third for row in tenth) and all(row in whole for row in third)
    shares = [Counter(label for _, label in rows) for rows in (whole, third)]
    for label, count in shares[0].items():
        assert abs(shares[1][label] - 0.3 * count) < 1


@pytest.mark.parametrize("method", ["full", "probe"])
def test_the_winners_last_training_sees_the_validation_rows_too(
    order: Order, folder: Path, method: str
) -> None:
    spec = order("minilm-l2", method, epochs=1, rows=200)
    splits = {
        split: pd.read_parquet(Path(spec.data) / f"{split}.parquet")
        for split in ("train", "validation")
    }
    # Validation rows are of a word, and of classes, that no training row tells of.
    strange = splits["validation"]
    strange["text"] = [f"word{row % 2} " * 4 for row in range(len(strange))]
    strange["label"] = [spec.labels[row % 2] for row in range(len(strange))]
    strange.to_parquet(Path(spec.data) / "validation.parquet")
    unseen = run(replace(spec, tokens=spec.tokens + "-unseen"), folder)
    seen = run(replace(spec, trains_on_validation=True), folder.with_name("again"))
    assert seen.metrics["accuracy"] > unseen.metrics["accuracy"] + 0.2
    answers = Predictor(folder.with_name("again") / "model", "cpu").answers(strange)
    targets = [spec.labels.index(label) for label in strange["label"]]
    agreement = (answers.argmax(axis=1) == targets).mean()
    assert agreement == pytest.approx(seen.metrics["accuracy"], abs=0.02)
    if method == "full":
        steps = [
            json.loads((path / "progress.jsonl").read_text().splitlines()[-1])["steps"]
            for path in (folder, folder.with_name("again"))
        ]
        batch = int(spec.configuration.values["batch_size"])
        rows = len(splits["train"]), len(splits["train"]) + len(strange)
        assert steps == [-(-count // batch) for count in rows]


def test_a_training_on_a_part_starts_from_the_probe_on_all_rows(order: Order, folder: Path) -> None:
    spec = order("minilm-l2", rows=160, epochs=1, learning_rate=1e-4)
    values = {**spec.configuration.values, "train_share": 0.3}
    outcome = run(replace(spec, configuration=replace(spec.configuration, values=values)), folder)
    assert outcome.succeeded and "trained on 39 of 129 rows" in outcome.adjustments
    (features,) = Path(spec.tokens).glob("features-*")
    assert len(read_features(features, "train", MEAN).rows) == 129


def test_a_loss_that_is_no_number_is_a_divergence(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        training,
        "classification_loss",
        lambda *_: lambda outputs, labels, **__: outputs["logits"].sum() * float("nan"),
    )
    with pytest.raises(TrialError, match="loss is nan") as caught:
        run(order(), folder)
    assert caught.value.kind == "diverged"


def test_the_time_limit_gives_a_shorter_but_valid_training(order: Order, folder: Path) -> None:
    spec = order(
        "minilm-l2", epochs=40, rows=900, export=Export.PIPELINE, limits=Limits(seconds=9.0)
    )
    outcome = run(spec, folder)
    assert outcome.succeeded and outcome.adjustments[0].startswith("epochs 40 to ")
    assert outcome.metrics and outcome.history[-1]["epoch"] < 40
    assert (folder / "model" / "model.safetensors").exists()
    assert outcome.evaluation_time < 9.0 + 3.0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["torch", "cublas"],
)
def test_lack_of_memory_halves_the_batch_and_keeps_the_effective_one(
    error: Exception, order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = training.make_trainer

    def make(*args: object) -> object:
        trainer = original(*args)
        made.append(
            (trainer.args.per_device_train_batch_size, trainer.args.gradient_accumulation_steps)
        )
        if made[-1][0] > 4:
            trainer.train = lambda: (_ for _ in ()).throw(error)
        return trainer

    monkeypatch.setattr("xautolm.finetuning.gradient.make_trainer", make)
    outcome = run(order(epochs=1, batch_size=16), folder)
    assert made == [(16, 1), (8, 2), (4, 4)]
    assert [line.split(":")[0] for line in outcome.adjustments] == [
        "per-device batch 16 to 8",
        "per-device batch 8 to 4",
    ]
    assert outcome.status is TrialStatus.COMPLETE


@pytest.mark.parametrize("step", ["_model_to_train", "make_trainer"])
def test_weights_that_do_not_fit_are_loaded_once(
    step: str, order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def lack(*arguments: object) -> None:
        calls.append(arguments)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 32.80 GiB.")

    monkeypatch.setattr(f"xautolm.finetuning.gradient.{step}", lack)
    with pytest.raises(TrialError, match="weights do not fit: CUDA out of memory") as caught:
        run(order(epochs=1, batch_size=16), folder)
    assert len(calls) == 1
    assert kind_of(caught.value) is FailureKind.OUT_OF_MEMORY


def test_no_smaller_batch_is_tried_for_weights_of_a_divided_model(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 32.80 GiB.")

    monkeypatch.setattr("xautolm.finetuning.divided.meet", lambda spec, folder: None)
    monkeypatch.setattr("xautolm.finetuning.divided.shard", lack)
    spec = replace(order(epochs=1), devices=("GPU-a", "GPU-b"))
    with pytest.raises(TrialError, match="weights do not fit: CUDA out of memory"):
        run(spec, folder)


def test_the_host_memory_guard_notices_in_a_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model = torch.nn.Sequential(*[torch.nn.Linear(8, 8) for _ in range(3)])
    data = torch.zeros(1, 8)
    with memory.memory_guard(model, 10**15):
        model(data)
    hoard = []
    import psutil

    limit = int((psutil.Process().memory_info().rss + 100_000_000) / memory.SOFT_SHARE)
    with (
        pytest.raises(memory.MemoryLimitReached, match="resident memory passed 92%"),
        memory.memory_guard(model, limit),
    ):
        for _ in range(500):
            hoard.append(np.ones(1_000_000))
            torch.utils._pytree.tree_map(lambda item: item, model(data))
    hoard.clear()
    model(data)


def test_a_batch_of_one_that_does_not_fit_is_a_failure() -> None:
    adjustments: list[str] = []

    def attempt(size: int, checkpointing: bool) -> None:
        raise MemoryError(f"no room for {size}, {checkpointing}")

    with pytest.raises(MemoryError, match="no room for 1, True"):
        memory.with_smaller_batches(attempt, 4, adjustments)
    assert len(adjustments) == 3 and adjustments[-1].startswith("gradient checkpointing")


def test_weights_that_are_no_safetensors_are_not_loaded(
    order: Order, folder: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    spec = order("minilm-l2", epochs=1, rows=80)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in Path(spec.card.path).iterdir():
        if file.is_file() and file.suffix != ".safetensors":
            (copy / file.name).write_bytes(file.read_bytes())
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(TrialError, match="weights of minilm-l2") as caught:
        run(replace(spec, card=replace(spec.card, path=str(copy))), folder)
    assert caught.value.kind == "load_error"
    (copy / "tokenizer.json").write_text("{}")
    (copy / "vocab.txt").unlink()
    with pytest.raises(TrialError, match="tokenizer of minilm-l2"):
        run(
            replace(spec, card=replace(spec.card, path=str(copy)), tokens=str(tmp_path / "other")),
            folder,
        )


def test_tokens_are_computed_once(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = order(epochs=1)
    run(spec, folder)
    files = sorted(path.name for path in Path(spec.tokens).iterdir())
    assert len(files) == 2 and not any(name.startswith(".") for name in files)
    monkeypatch.setattr("xautolm.finetuning.tokens._build", lambda *_: pytest.fail("built twice"))
    monkeypatch.setattr(
        "datasets.DatasetDict.save_to_disk", lambda *_: pytest.fail("tokenised twice")
    )
    run(spec, folder)


@pytest.mark.parametrize("method", [pytest.param("full", marks=pytest.mark.slow), "probe"])
def test_loading_is_no_part_of_a_trials_time(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    seconds = 4.0

    def slow(*arguments: object) -> PreTrainedModel:
        time.sleep(seconds)
        return bare_model(*arguments)

    monkeypatch.setattr("xautolm.finetuning.probing.bare_model", slow)
    spec = order("minilm-l2", method, rows=60, epochs=1)
    started = time.monotonic()
    outcome = run(spec, folder)
    wall_time = time.monotonic() - started
    assert outcome.succeeded and 0 < outcome.evaluation_time < wall_time - seconds


def test_only_logits_are_kept_of_an_evaluation(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[object] = []
    scoring = training._metrics

    def noted(trial: PreparedTrial) -> Callable[[EvalPrediction], dict[str, float]]:
        score = scoring(trial)

        def note(prediction: EvalPrediction) -> dict[str, float]:
            kept.append(prediction.predictions)
            return score(prediction)

        return note

    monkeypatch.setattr(training, "_metrics", noted)
    # An encoder-decoder also gives what its encoder made of every token.
    spec = order("scratch-encoder-decoder", "full", rows=60, epochs=1, form="classify")
    assert run(spec, folder).succeeded
    assert kept and all(isinstance(outputs, np.ndarray) for outputs in kept)


def test_lack_of_memory_while_loading_is_lack_of_memory_in_all_its_words(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr("xautolm.finetuning.model.read_weights_and_report", full)
    with pytest.raises(RuntimeError, match="out of memory"):
        run(order("minilm-l2", "full", rows=60, epochs=1), folder)
