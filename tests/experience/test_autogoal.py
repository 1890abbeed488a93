"""The importer of the paper's store, on files of both its layouts written here; the real ones under `data`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from xautolm.errors import StoreError
from xautolm.experience import (
    ExperienceStore,
    export_experiences,
    import_autogoal,
    import_experiences,
)
from xautolm.experience.autogoal import failure_kind
from xautolm.experience.validation import check
from xautolm.vocabulary import FailureKind, TrialStatus
from xautolm.zoo import ZOO

OLD = {
    "algorithms": [
        {
            "LoraLLMEmbeddingClassifier": {
                "inner_model": {"annotation": "a", "value": {"WORD_EMB_Distilbert_Base_Cased": {}}},
                "lora_r": {"value": 3},
                "learning_rate": {"value": 1e-5},
                "lr_scheduler": {"value": "cosine"},
                "use_early_stopping": {"value": False},
                "class_weighted_loss": {"value": True},
                "num_workers": {"value": "all"},
            }
        }
    ],
    "dataset_features": [10269.0, 6.0, 2.5, 0.08, 0.2, 0.4, 100.0, 40.0, 0.4, 0.22],
    "system_features": [8.0, 16.0, 5.0, 125.7, 0.0],
    "dataset_feature_extractor_name": "TextClassificationFeatureExtractor",
    "timestamp": "2024-11-02 11:20:22",
    "alias": "liar",
    "f1": 0.24,
    "accuracy": 0.25,
    "evaluation_time": 108.0,
    "error": None,
}
NEW = {
    "algorithms": [
        {
            "PartialFineTuneGenLLMTask": {
                "inner_model": {"annotation": "a", "value": {"TEXT_GEN_Google_Flan_T5_Base": {}}},
                "num_trainable_layers": {"value": 2},
                "quantization": {"value": "none"},
            }
        }
    ],
    "task_features": {
        "meta": [87599.0, 841.9, 320.2, 0.01, 20.0, 20.0, 0.2, 0.03, 0.1, 0.3, 0.05],
        "semantic": [0.1, 0.2],
    },
    "system_features": [128.0, 256.0, 2.25, 1007.7, 0.0],
    "dataset_feature_extractor_name": "GenerativeTaskFeatureExtractor",
    "timestamp": "2025-05-18 10:15:02",
    "alias": "squad_warmstart (a-pos f-neg)[linear_front]",
    "metrics": [
        {"name": "f1", "maximize": True, "value": 85.0},
        {"name": "exact_match", "maximize": True, "value": 70.0},
        {"name": "evaluation_time", "maximize": False, "value": 1436.0},
        {"name": "time_train_mean_seconds", "maximize": False, "value": 1037.0},
    ],
    "error": None,
}


def write(folder: Path, *records: dict) -> Path:
    for number, record in enumerate(records):
        path = folder / record["alias"] / "2024-11-02" / f"{number:02d}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
    return folder


def test_the_older_layout(tmp_path: Path) -> None:
    (found,) = import_autogoal(write(tmp_path, OLD)).experiences
    assert dict(found.configuration.values) == {
        "model": "distilbert-base-cased",
        "method": "lora.v1",
        "lora_r": 3,
        "learning_rate": 1e-5,
        "scheduler": "cosine",
        "early_stopping": "off",
        "class_weights": True,
    }
    assert (
        found.outcome.metrics == {"f1_macro": 0.24, "accuracy": 0.25}
        and found.outcome.evaluation_time == 108.0
    )
    assert (
        found.task == "text-classification"
        and found.data.classes == 6
        and found.data.train_examples == 10269
    )
    assert found.features["classification-paper.v1"][9] == 0.22
    assert found.created == "2024-11-02T11:20:22+00:00" and found.alias == "liar"


def test_the_newer_layout_with_f1_of_100_and_the_gpu_stated(tmp_path: Path) -> None:
    (found,) = import_autogoal(write(tmp_path, NEW), gpu_memory=24 * 1024**3).experiences
    assert (
        found.configuration.model == "flan-t5-base"
        and found.configuration.values["trainable_layers"] == 2
    )
    assert found.outcome.metrics == {"f1": 0.85, "exact_match": 0.7}
    assert found.task == "question-answering" and found.data.name == "squad"
    assert (
        found.features["system-paper.v1"][4] == 24.0 and found.system.gpus[0].memory == 24 * 1024**3
    )
    assert found.features["semantic-autogoal.v1"] == (0.1, 0.2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_twins_of_a_failure_are_one_and_the_reason_stays(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    nothing = {"f1": float("-inf"), "accuracy": None, "evaluation_time": float("inf")}
    times = ("2024-11-02 11:20:22", "2024-11-02 11:20:23")
    told = {**OLD, **nothing, "error": "CUDA out of memory. Tried", "timestamp": times[order[0]]}
    twin = {**OLD, **nothing, "timestamp": times[order[1]]}
    later = {**OLD, **nothing, "timestamp": "2024-11-02 11:21:00"}
    found = import_autogoal(write(tmp_path, told, twin, later)).experiences
    assert [one.outcome.failure.kind for one in found] == [
        FailureKind.OUT_OF_MEMORY,
        FailureKind.CRASH,
    ]
    assert [one.trial for one in found] == [0, 1]


def test_two_successes_at_once_are_two(tmp_path: Path) -> None:
    assert len(import_autogoal(write(tmp_path, OLD, OLD)).experiences) == 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CUDA out of memory. Tried to allocate 200.00 MiB", FailureKind.OUT_OF_MEMORY),
        ("Exceeded allowed time for execution.", FailureKind.TIMEOUT),
        (
            "Unrecognized configuration class <class 'X'> for this kind of AutoModel",
            FailureKind.LOAD_ERROR,
        ),
        ("Can't load tokenizer for 'x'", FailureKind.LOAD_ERROR),
        ("y does not appear to have a file named pytorch_model.bin", FailureKind.LOAD_ERROR),
        ("Error(s) in loading state_dict: size mismatch for w", FailureKind.INVALID_CONFIG),
        ("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)", FailureKind.INVALID_CONFIG),
        ("Input contains NaN", FailureKind.DIVERGED),
        ("'NoneType' object has no attribute 'shape'", FailureKind.CRASH),
    ],
)
def test_the_kind_is_read_from_the_error(text: str, kind: FailureKind) -> None:
    assert failure_kind(text) is kind


@pytest.mark.parametrize(
    "change",
    [
        {"algorithms": []},
        {"algorithms": [{}]},
        {"algorithms": [{"Strange": {}}]},
        {"algorithms": [{"StrangeClassifier": OLD["algorithms"][0]["LoraLLMEmbeddingClassifier"]}]},
        {"algorithms": [{"LoraLLMEmbeddingClassifier": {"inner_model": {"value": {}}}}]},
        {"timestamp": "yesterday"},
        {"system_features": ["many"]},
        {"dataset_features": [float("nan")] * 10},
        {"dataset_features": []},
        {"evaluation_time": 1e-300},
        {"f1": 1e300},
        {"dataset_features": [0.0] * 10},
        {"system_features": [0.0] * 5},
    ],
)
def test_damaged_files_are_listed_and_the_rest_imported(tmp_path: Path, change: dict) -> None:
    write(tmp_path, OLD, {**OLD, **change})
    (tmp_path / "liar" / "half.json").write_text('{"algorithms": [')
    read = import_autogoal(tmp_path)
    assert len(read.experiences) == 1 and len(read.skipped) == 2
    assert read.experiences[0].outcome.metrics["f1_macro"] == OLD["f1"]
    assert all(".json: " in line for line in read.skipped)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no experience"):
        import_autogoal(tmp_path)


@pytest.mark.data
def test_the_real_files() -> None:
    folder = (
        Path(os.environ.get("XAUTOLM_TEST_DATA", "none")).parent
        / "fixtures"
        / "autogoal_experiences"
    )
    if not folder.is_dir():
        pytest.skip("the fixtures are not there")
    read = import_autogoal(folder)
    files = list(folder.rglob("*.json"))
    assert read.skipped == [] and len(read.experiences) == len(files) - 1  # one pair of twins
    kinds = [one.outcome.failure.kind for one in read.experiences if one.outcome.failure]
    assert {FailureKind.OUT_OF_MEMORY, FailureKind.TIMEOUT} <= set(kinds)
    done = [one for one in read.experiences if one.outcome.status is TrialStatus.COMPLETE]
    assert all(0 <= value <= 1 for one in done for value in one.outcome.metrics.values())
    assert {one.configuration.model for one in read.experiences} <= set(ZOO.things)


@pytest.mark.parametrize(
    ("model_class", "model"),
    [
        ("WORD_EMB_Distilbert_Base_Cased", "distilbert-base-cased"),
        ("WORD_EMB_Bert_Base_Multilingual_Uncased", "bert-base-multilingual-uncased"),
        ("TEXT_GEN_Facebook_Bart_Base", "bart-base"),
        ("TEXT_GEN_Meta_Llama_Llama_32_1B", "llama-3.2-1b"),
        ("TEXT_GEN_Meta_Llama_Llama_31_70B", "llama-3.1-70b"),
        ("TEXT_GEN_Mistralai_Mistral_7B_Instruct_V01", "mistral-7b-instruct-v0.1"),
        ("TEXT_GEN_Mistralai_Mistral_7B_V02", "mistral-7b-v0.2"),
        ("TEXT_GEN_Microsoft_Phi_4_Reasoning", "phi-4-reasoning"),
        ("TEXT_GEN_Google_Byt5_Small", "byt5-small"),  # in no table: its spelling is enough
        (
            "TEXT_GEN_Google_T5_T5_11B",
            "google-t5/t5-11b",
        ),  # has no card; its hub id is what `--models` takes
        ("TEXT_GEN_Someone_New", "someone-new"),
    ],
)
def test_models_have_the_names_that_spaces_have(
    tmp_path: Path, model_class: str, model: str
) -> None:
    pipeline = {
        **OLD["algorithms"][0]["LoraLLMEmbeddingClassifier"],
        "inner_model": {"value": {model_class: {}}},
    }
    record = {**OLD, "algorithms": [{"LoraLLMEmbeddingClassifier": pipeline}]}
    (experience,) = import_autogoal(write(tmp_path, record)).experiences
    assert experience.configuration.model == model


def change(record: dict, *, values: dict | None = None, **changes: object) -> dict:
    """A record with other hyperparameters, metrics (by name) or further entries."""
    ((name, pipeline),) = record["algorithms"][0].items()
    extra = {key: {"value": value} for key, value in (values or {}).items()}
    metrics = changes.pop("metrics", None)
    if metrics is not None:
        changes["metrics"] = [
            {"name": key, "maximize": True, "value": value} for key, value in metrics.items()
        ]
    return {**record, "algorithms": [{name: {**pipeline, **extra}}], **changes}


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ({"data_downsize": "1/4"}, {"data_downsize": "quarter"}),
        ({"data_downsize": "half"}, {"data_downsize": "half"}),
        ({"data_downsize": "a third"}, {}),
        ({"quantization": "bnb-4bit"}, {"quantization": "4bit"}),
        ({"quantization": "bnb-8bit"}, {"quantization": "8bit"}),
        ({"quantization": "gptq"}, {}),
        (
            {
                "use_early_stopping": False,
                "early_stopping_patience": 4,
                "early_stopping_delta": 0.005,
            },
            {},
        ),
        (
            {"use_early_stopping": True, "early_stopping_patience": 4},
            {"early_stopping": "on", "early_stopping_patience": 4},
        ),
        (
            {"use_gradient_clipping": False, "gradient_clipping_max_norm": 1.0},
            {"gradient_clipping": "off"},
        ),
        ({"gradient_clipping_max_norm": 1.0}, {"max_grad_norm": 1.0}),
        ({"fan_in_fan_out": True}, {}),
    ],
)
def test_values_are_read_in_our_words_or_dropped(tmp_path: Path, stored: dict, read: dict) -> None:
    (plain,) = import_autogoal(write(tmp_path / "plain", OLD)).experiences
    (experience,) = import_autogoal(
        write(tmp_path / "changed", change(OLD, values=stored))
    ).experiences
    assert dict(experience.configuration.values) == {**plain.configuration.values, **read}


@pytest.mark.parametrize(("stored", "read"), [(2, 2), (16, 8), (12, 8), (64, 8), (8, 8)])
def test_no_more_layers_are_trained_than_the_model_has(
    tmp_path: Path, stored: int, read: int
) -> None:
    pipeline = {
        "inner_model": {"value": {"WORD_EMB_Roberta_Base": {}}},
        "num_trainable_layers": {"value": stored},
    }
    pipeline["quantization"] = {
        "value": "bnb-4bit"
    }  # nothing is frozen that could be kept with fewer bits
    record = {**OLD, "algorithms": [{"PartialFineTuneLLMEmbeddingClassifier": pipeline}]}
    (experience,) = import_autogoal(write(tmp_path, record)).experiences
    values = {"model": "roberta-base", "method": "partial.v1", "trainable_layers": read}
    assert dict(experience.configuration.values) == values


def scores(folder: Path, *records: dict) -> list[dict[str, float]]:
    return [
        dict(experience.outcome.metrics)
        for experience in import_autogoal(folder_of(folder, records)).experiences
    ]


def folder_of(folder: Path, records: tuple[dict, ...]) -> Path:
    stamped = [
        {**record, "timestamp": f"2025-05-18 10:15:{at:02d}"} for at, record in enumerate(records)
    ]
    return write(folder, *stamped)


def test_scores_are_in_the_unit_of_their_data_set(tmp_path: Path) -> None:
    def answered(alias: str, f1: float, match: float = 0.0) -> dict:
        return change(
            NEW, alias=alias, metrics={"f1": f1, "exact_match": match, "evaluation_time": 10.0}
        )

    squad = scores(
        tmp_path / "squad", answered("squad", 0.8, 0.0), answered("squad_warmstart (x)", 85.0, 70.0)
    )
    assert squad == [{"f1": 0.008, "exact_match": 0.0}, {"f1": 0.85, "exact_match": 0.7}]
    assert scores(tmp_path / "low", answered("squad", 0.8)) == [{"f1": 0.008, "exact_match": 0.0}]
    assert scores(tmp_path / "drop", answered("drop", 0.4, 1.0)) == [
        {"f1": 0.4, "exact_match": 1.0}
    ]
    # Nothing is known of this data set, but one of its scores lies above 1.
    news = scores(
        tmp_path / "news", answered("newsqa", 0.5), answered("newsqa", 40.0), answered("other", 0.5)
    )
    assert [metrics["f1"] for metrics in news] == [0.005, 0.4, 0.5]


@pytest.mark.parametrize("record", [OLD, NEW], ids=["classification", "generation"])
@pytest.mark.parametrize(
    "wrong", [{"f1": -1.0}, {"evaluation_time": -1.0}, {"f1": float("nan")}, {"f1": True}]
)
def test_minus_one_is_an_error_and_no_score(tmp_path: Path, record: dict, wrong: dict) -> None:
    metrics = {"f1": 0.5, "evaluation_time": 10.0, "accuracy": 0.5, **wrong}
    (experience,) = import_autogoal(write(tmp_path, change(record, metrics=metrics))).experiences
    assert experience.outcome.status is TrialStatus.FAILED
    assert experience.outcome.failure.kind is FailureKind.CRASH


def test_a_metric_of_minus_one_beside_others_is_left_out(tmp_path: Path) -> None:
    metrics = {"f1": 50.0, "exact_match": -1.0, "evaluation_time": 10.0}
    assert scores(tmp_path, change(NEW, metrics=metrics)) == [{"f1": 0.5}]


def test_generation_features_have_a_name_of_their_own_and_share_the_sizes(tmp_path: Path) -> None:
    vector = [0.05] * 384
    record = {**NEW, "task_features": {**NEW["task_features"], "semantic": vector}}
    (experience,) = import_autogoal(write(tmp_path, record)).experiences
    eleven = NEW["task_features"]["meta"]
    assert experience.features["generation-autogoal.v1"] == tuple(eleven)
    assert experience.features["generation-sizes.v1"] == (87599.0, 841.9, 320.2, 20.0, 20.0, 0.03)
    assert experience.features["semantic-minilm.v1"] == tuple(
        vector
    )  # the space of our sentence encoder
    assert not {"generation-paper.v1", "semantic-autogoal.v1"} & set(experience.features)


@pytest.mark.parametrize(
    "record", [OLD, NEW, change(NEW, alias="drop", metrics={"f1": 0.4, "evaluation_time": 9.0})]
)
def test_what_is_imported_passes_the_stores_own_checks(tmp_path: Path, record: dict) -> None:
    read = import_autogoal(write(tmp_path, record))
    for experience in read.experiences:
        check(experience)
    with ExperienceStore("sqlite://") as store:
        store.add(read.experiences)
        assert len(store.experiences()) == len(read.experiences) == 1


def test_an_experience_is_the_same_whatever_else_is_read_and_from_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [change(OLD, timestamp=f"2024-11-02 11:20:{second}") for second in (22, 32, 42)]
    write(tmp_path, *records)
    whole = import_autogoal(tmp_path)
    assert len({experience.id for experience in whole.experiences}) == 3
    last = max(tmp_path.rglob("*.json"), key=lambda file: json.loads(file.read_text())["timestamp"])
    monkeypatch.chdir(last.parent)
    alone = import_autogoal(Path(last.name))
    export_experiences(whole.experiences, tmp_path / "shared.jsonl")
    with ExperienceStore("sqlite://") as store:
        assert store.add(whole.experiences) == 3
        assert store.add(alone.experiences) == 0
        assert store.add(import_experiences(tmp_path / "shared.jsonl").experiences) == 0
    provenances = {experience.id: experience.provenance for experience in whole.experiences}
    (experience,) = alone.experiences
    assert experience.provenance == provenances[experience.id]
