from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from xautolm.data import prepare
from xautolm.errors import SpaceError, UnknownNameError
from xautolm.limits import LEAST_PROBE_ROWS, probe_rows
from xautolm.memory import SOFT_SHARE
from xautolm.methods import METHODS
from xautolm.methods.probe import LARGEST_SAMPLE
from xautolm.options import FitOptions
from xautolm.records import (
    BODY_SECONDS,
    Configuration,
    DataProfile,
    Experience,
    Gpu,
    Limits,
    ModelCard,
    SystemProfile,
)
from xautolm.resources import (
    BF16_TRAINING_SPEEDUP,
    CPU_EFFICIENCY,
    READING_EFFICIENCY,
    ResourceModel,
)
from xautolm.search_space import (
    build_space,
    data_needs,
    default_configurations,
    methods_by_model,
    precisions,
    read_space_option,
)
from xautolm.serialization import from_plain, to_plain
from xautolm.space import Space
from xautolm.space.shares import LARGE_DATA, RUNG_SHARES, lowest_rung
from xautolm.tasks import TASKS
from xautolm.testing import success
from xautolm.zoo import ZOO

TASK = TASKS.get("text-classification")
H100 = Gpu(name="H100", memory=80_000_000_000, compute_capability=9.0)


def walk(space: Space, **fixed: object) -> dict:
    return dict(
        space.walk(lambda key, parameter: fixed.get(parameter.name, parameter.default)).values
    )


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("name", list(ZOO.things))
def test_nothing_that_cannot_run_is_in_the_space(
    name: str, preset: str, profile: DataProfile, machine: SystemProfile
) -> None:
    card = ZOO.things[name]
    long = replace(profile, tokens_max=100_000, tokens_mean=3_000.0, train_examples=40)
    space = build_space(preset, TASK, [card], [], long, machine)
    for key, parameter in space.sites().items():
        if parameter.name == "max_length":
            assert max(parameter.options) <= card.positions, key
        if parameter.name == "trainable_layers":
            largest = parameter.high if hasattr(parameter, "high") else max(parameter.options)
            assert largest < card.layers
        if parameter.name == "batch_size":
            assert max(parameter.options) <= long.train_examples
        if parameter.name == "precision":
            assert parameter.options == ("fp32",)
    methods = space.parameters[0].branches[name].parameters[0].options
    if card.shared_layers:
        assert "partial.v1" not in methods
    if card.origin == "scratch":
        assert methods == ("full.v1",)


def test_learning_rates_differ_by_method_and_size(
    profile: DataProfile, machine: SystemProfile
) -> None:
    cards = [ZOO.things[name] for name in ("minilm-l6", "roberta-base", "roberta-large")]
    space = build_space("default", TASK, cards, ["full", "lora", "head"], profile, machine)
    rates = {
        (model, method): walk(space, model=model, method=method)["learning_rate"]
        for model in ("minilm-l6", "roberta-base", "roberta-large")
        for method in ("full.v1", "lora.v1", "head.v1")
    }
    assert (
        rates["minilm-l6", "full.v1"]
        > rates["roberta-base", "full.v1"]
        > rates["roberta-large", "full.v1"]
    )
    assert rates["roberta-base", "head.v1"] > rates["roberta-base", "full.v1"]


def test_large_batches_leave_steps_enough_in_an_epoch(
    profile: DataProfile, machine: SystemProfile, card: ModelCard
) -> None:
    for examples, sizes in (
        (40, (8, 16)),
        (600, (8, 16)),
        (1_000, (8, 16, 32)),
        (2_000, (8, 16, 32, 64)),
    ):
        space = build_space(
            "default", TASK, [card], ["full"], replace(profile, train_examples=examples), machine
        )
        assert space.sites()["batch_size"].options == sizes, examples


def test_frozen_embeddings_need_no_memory_for_their_training(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card = ZOO.things["minilm-l6"]
    space = build_space("default", TASK, [card], ["full"], profile, machine)
    model = ResourceModel({card.name: card}, profile, machine, TASK.forms)
    whole, frozen = (
        model.predict(configured(space, freeze_embeddings=choice)).memory
        for choice in (False, True)
    )
    # A gradient and two moments of 4 bytes for 30,522 words of 384 numbers.
    assert whole - frozen == pytest.approx(3 * 4 * 30_522 * 384, rel=0.01)


def test_max_length_follows_the_data(
    profile: DataProfile, machine: SystemProfile, card: ModelCard
) -> None:
    short = build_space("default", TASK, [card], [], replace(profile, tokens_max=50), machine)
    longer = build_space("default", TASK, [card], [], replace(profile, tokens_max=200), machine)
    assert short.sites()["max_length"].options == (64,)
    assert longer.sites()["max_length"].options == (64, 128, 256)


def test_one_very_long_text_moves_neither_the_default_length_nor_the_time(
    machine: SystemProfile, card: ModelCard
) -> None:
    texts = [f"The parcel of order {number} came late to my address" for number in range(120)]
    labels = ["billing", "delivery"] * 60
    profiles = []
    for first in (texts[0], "word " * 20_000):
        table = {"text": [first, *texts[1:]], "label": labels}
        profiles.append(prepare(table, data_needs(TASK), columns={}).profile)
    usual, with_exception = profiles
    assert with_exception.tokens_mean > 10 * usual.tokens_mean
    assert with_exception.tokens_typical == pytest.approx(usual.tokens_typical, rel=0.15)
    seconds = []
    for data in profiles:
        space = build_space("default", TASK, [card], ["full"], data, machine)
        default = space.default()
        assert default.values["max_length"] == 64
        seconds.append(
            ResourceModel({card.name: card}, data, machine, TASK.forms).predict(default).seconds
        )
    assert seconds[1] < 1.5 * seconds[0]
    # Where a tenth of the texts are long, they are no exceptions.
    mixed = replace(usual, tokens_mean=120.0, tokens_p90=300.0, tokens_max=400)
    assert (
        build_space("default", TASK, [card], [], mixed, machine).sites()["max_length"].default
        == 512
    )


def test_profiles_from_before_the_quantile_was_measured_are_read(
    profile: DataProfile, machine: SystemProfile, card: ModelCard
) -> None:
    plain = to_plain(replace(profile, tokens_mean=50.0))
    del plain["tokens_p90"]
    earlier = from_plain(DataProfile, plain)
    assert earlier.tokens_typical == earlier.tokens_read(64) == 50.0
    assert (
        build_space("default", TASK, [card], [], earlier, machine).sites()["max_length"].default
        == 128
    )


def test_precision_follows_the_device(machine: SystemProfile, card: ModelCard) -> None:
    assert precisions(machine, card) == ("fp32",)
    assert precisions(replace(machine, bf16_speedup=1.14), card) == ("fp32",)
    assert precisions(replace(machine, bf16_speedup=1.15), card) == ("bf16", "fp32")
    assert precisions(replace(machine, device="mps", bf16_speedup=2.0), card) == ("fp32",)
    new = replace(machine, device="cuda", gpus=(H100,))
    assert precisions(new, card) == ("bf16", "fp32")
    # Beside frozen weights, float32 is no choice that could pay.
    assert precisions(new, card, has_masters=False) == ("bf16",)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("bert", ("fp16", "fp32")),
        ("t5", ("fp32",)),
        ("mt5", ("fp32",)),
        ("gemma", ("fp32",)),
        ("gemma3_text", ("fp32",)),
        ("gemma2", ("fp32",)),
    ],
)
def test_float16_is_for_families_that_fit_in_it(
    machine: SystemProfile, card: ModelCard, family: str, expected: tuple[str, ...]
) -> None:
    turing = replace(H100, compute_capability=7.5)
    # A trial may come to either: the older decides.
    old = replace(machine, device="cuda", gpus=(H100, turing))
    assert precisions(old, replace(card, family=family)) == expected


def test_frozen_weights_take_half_on_a_gpu_that_computes_in_bfloat16(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card = ZOO.things["roberta-large"]

    def weights(system: SystemProfile, method: str) -> float:
        space = build_space("default", TASK, [card], [method], profile, system)
        resources = ResourceModel({card.name: card}, profile, system, forms=TASK.forms)
        estimate = resources.predict(space.default())
        return estimate.memory - estimate.memory_per_example

    gpu = replace(machine, device="cuda", gpus=(H100,))
    old = replace(gpu, gpus=(replace(H100, compute_capability=7.5),))
    saved = weights(old, "lora") - weights(gpu, "lora")
    # And the copies in float16 that autocast makes of matrices which lie in float32.
    copies = 2 * card.layers * 12 * card.hidden_size**2
    assert saved == pytest.approx(2 * card.parameters + copies, rel=0.01)
    assert weights(old, "full") == weights(gpu, "full")


def test_albert_is_not_predicted_to_need_less_with_checkpointing(
    profile: DataProfile, machine: SystemProfile, card: ModelCard
) -> None:
    def least(family: str) -> tuple[float, float]:
        resources = ResourceModel(
            {card.name: replace(card, family=family)}, profile, machine, forms=TASK.forms
        )
        space = build_space("default", TASK, [card], ["full"], profile, machine)
        estimate = resources.predict(space.default())
        return estimate.least_memory, estimate.memory

    least_of_bert, memory_of_bert = least("bert")
    assert least_of_bert < memory_of_bert
    least_of_albert, memory_of_albert = least("albert")
    assert least_of_albert == memory_of_albert


def test_few_bits_are_for_large_models_on_a_gpu_with_bitsandbytes(
    profile: DataProfile, machine: SystemProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = {name: ZOO.things[name] for name in ("roberta-large", "roberta-base", "gpt2-medium")}
    gpu = replace(machine, device="cuda", gpus=(H100,))

    def sites(system: SystemProfile, *names: str) -> dict:
        return build_space(
            "default", TASK, [cards[name] for name in names], ["lora"], profile, system
        ).sites()

    assert sites(gpu, "roberta-large")["quantization"].options == ("none", "8bit", "4bit")
    assert "quantization" not in sites(gpu, "roberta-base", "gpt2-medium") | sites(
        machine, "roberta-large"
    )
    space = build_space("default", TASK, [cards["roberta-large"]], ["lora"], profile, gpu)
    few = space.walk(lambda key, one: {"quantization": "4bit"}.get(one.name, one.default))
    chosen = {"lora_init": ["pissa"]}  # it takes weights apart, which needs full width
    with pytest.raises(SpaceError, match=r"lora_init: 'pissa' is not one of default\|gaussian"):
        build_space("default", TASK, [cards["roberta-large"]], ["lora"], profile, gpu, chosen)
    whole_width = build_space(
        "default",
        TASK,
        [cards["roberta-large"]],
        ["lora"],
        profile,
        gpu,
        {**chosen, "quantization": "none"},
    )
    assert whole_width.sites()["lora_init"].options == ("pissa",)
    model = ResourceModel(cards, profile, gpu, TASK.forms)
    whole = model.predict(space.default())
    assert model.predict(few).memory < whole.memory - 0.3e9  # 302 M of 355 M weights, at 2 bytes
    monkeypatch.setattr("xautolm.search_space.find_spec", lambda name: None)
    assert "quantization" not in sites(gpu, "roberta-large")


def test_the_paper_preset_has_the_papers_sets(profile: DataProfile, machine: SystemProfile) -> None:
    space = build_space("paper", TASK, [ZOO.things["roberta-large"]], [], profile, machine)
    sites = space.sites()
    assert sites["learning_rate"].options == (5e-6, 1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4)
    assert sites["batch_size"].options == (2, 4, 8, 16, 32, 64, 128, 256)
    assert sites["trainable_layers"].options == (1, 2, 4, 8, 16)
    assert (sites["lora_r"].low, sites["lora_r"].high) == (1, 32)
    assert sites["optimizer"].options == ("adamw", "adam", "sgd", "adagrad")
    assert (
        walk(space, early_stopping="off").keys()
        & {"early_stopping_patience", "early_stopping_delta"}
        == set()
    )


def test_the_paper_preset_has_the_papers_sets_for_generation(
    profile: DataProfile, machine: SystemProfile
) -> None:
    task, gpt2 = TASKS.get("question-answering"), ZOO.things["gpt2"]
    gpu = replace(machine, device="cuda", gpus=(H100,))
    space = build_space(
        "paper", task, [gpt2, ZOO.things["opt-350m"]], [], replace(profile, tokens_max=5_000), gpu
    )
    sites = space.sites()
    assert sites["data_downsize"].options == ("none", "half", "quarter")
    assert sites["max_length[500|700|900|1024]"].options == (500, 700, 900, 1024)
    assert sites["early_stopping_delta"].options == (0.001, 0.005, 0.01)
    assert sites["quantization"].options == ("none", "8bit", "4bit")
    assert not {"optimizer", "dropout", "class_weights"} & {
        parameter.name for parameter in sites.values()
    }
    model = ResourceModel({"gpt2": gpt2}, profile, gpu, forms=task.forms)
    all_data, quarter = (
        model.predict(configured(space, data_downsize=name)).seconds for name in ("none", "quarter")
    )
    assert quarter < 0.7 * all_data


def test_space_options(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("preset: paper\nepochs: [1, 2]\nlearning_rate: 1e-5\n")
    assert read_space_option(str(path)) == ("paper", {"epochs": [1, 2], "learning_rate": "1e-5"})
    assert read_space_option("default") == ("default", {})
    with pytest.raises(UnknownNameError, match="Did you mean 'paper'"):
        read_space_option("papr")
    path.write_text("- 1\n")
    with pytest.raises(SpaceError, match="must map parameters"):
        read_space_option(str(path))
    path.write_text("a: [1\n")
    with pytest.raises(SpaceError, match="not valid YAML"):
        read_space_option(str(path))


@pytest.mark.parametrize(
    ("preset", "ranges", "said"),
    [
        ("default", {"scheduler": "nosuch"}, "scheduler: 'nosuch' is not one of linear|"),
        ("default", {"precision": "int4"}, "precision: 'int4' is not one of fp32|"),
        ("default", {"max_length": [64, 5000]}, "max_length: 5000 is too large"),
        ("default", {"label_smoothing": 2}, "label_smoothing: 2.0 is too large"),
        ("default", {"label_smoothing": "some"}, "label_smoothing: 'some' is not a number"),
        ("default", {"dropout": {"high": 1.5}}, "dropout: 1.5 is too large"),
        ("default", {"warmup_ratio": 1}, "warmup_ratio: 1.0 is too large"),
        ("default", {"trainable_layers": [99]}, "trainable_layers: 99 is too large"),
        ("default", {"lora_bias": "some"}, "lora_bias: 'some' is not one of none|all|lora_only"),
        ("default", {"lora_dropout": 1}, "lora_dropout: 1.0 is too large"),
        ("default", {"lora_targets": "queries"}, "lora_targets: 'queries' is not one of"),
        ("default", {"lora_init": "nosuch"}, "lora_init: 'nosuch' is not one of default|"),
        ("default", {"class_weights": "false"}, "class_weights: 'false' is not true or false"),
        ("default", {"freeze_embeddings": "no"}, "freeze_embeddings: 'no' is not true or false"),
        ("paper", {"optimizer": "lion"}, "optimizer: 'lion' is not one of adamw|adam|sgd|adagrad"),
        ("paper", {"use_mixed_precision": 2}, "use_mixed_precision: 2 is not true or false"),
        ("default", {"full": {"learning_rate": 0}}, "learning_rate: 0.0 is too small"),
        ("paper", {"learning_rate": [0, 1e-5]}, "learning_rate: 0.0 is too small"),
        ("paper", {"dropout": [0.1, 1.5]}, "dropout: 1.5 is too large"),
        ("paper", {"max_length": 5000}, "max_length: 5000 is too large"),
    ],
)
def test_values_that_can_never_run_are_refused(
    preset: str,
    ranges: dict[str, object],
    said: str,
    profile: DataProfile,
    machine: SystemProfile,
) -> None:
    bert = ZOO.things["bert-base-uncased"]
    with pytest.raises(SpaceError, match=re.escape(said)):
        build_space(preset, TASK, [bert], [], profile, machine, ranges)


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        ("bert-base-uncased", "scheduler", "inverse_sqrt"),
        ("bert-base-uncased", "precision", "bf16"),
        ("bert-base-uncased", "label_smoothing", 0.3),
        ("deberta-v3-small", "max_length", 1024),
    ],
)
def test_values_that_are_possible_and_not_usual_are_taken(
    model: str, name: str, value: object, profile: DataProfile, machine: SystemProfile
) -> None:
    ranges = {name: value}
    space = build_space("default", TASK, [ZOO.things[model]], ["full"], profile, machine, ranges)
    assert space.sites()[name].options == (value,)


def test_no_method_for_any_model_is_said_with_the_reason(
    profile: DataProfile, machine: SystemProfile
) -> None:
    with pytest.raises(SpaceError, match="nothing worth adapting"):
        build_space("default", TASK, [ZOO.things["scratch-tiny"]], ["lora"], profile, machine)


@pytest.fixture
def resources(profile: DataProfile, machine: SystemProfile) -> tuple[ResourceModel, Space]:
    cards = [ZOO.things[name] for name in ("minilm-l6", "minilm-l2", "roberta-large")]
    space = build_space("default", TASK, cards, [], profile, machine)
    return ResourceModel({card.name: card for card in cards}, profile, machine, TASK.forms), space


def configured(space: Space, **fixed: object):
    return space.walk(lambda key, parameter: fixed.get(parameter.name, parameter.default))


def test_predictions_order_what_is_obvious(resources: tuple[ResourceModel, Space]) -> None:
    model, space = resources
    full, probe, large, small = (
        model.predict(configured(space, model=name, method=method))
        for name, method in (
            ("minilm-l6", "full.v1"), ("minilm-l6", "probe.v1"), ("roberta-large", "full.v1"), ("minilm-l2", "full.v1"))
    )  # fmt: skip
    assert small.first_result_seconds < full.first_result_seconds < large.first_result_seconds
    assert probe.first_result_seconds < full.first_result_seconds
    assert probe.memory < full.memory < large.memory
    # 355 M parameters, gradients and two moments in float32 are 5.7 GB before any activation.
    assert 5.7e9 < large.memory < 8e9


def test_a_probe_of_large_data_takes_no_longer_than_its_sample(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card = ZOO.things["minilm-l6"]
    space = build_space("default", TASK, [card], ["probe"], profile, machine)

    def seconds(rows: int) -> float:
        model = ResourceModel(
            {card.name: card}, replace(profile, train_examples=rows), machine, TASK.forms
        )
        return model.predict(configured(space)).first_result_seconds

    assert seconds(10 * LARGEST_SAMPLE) == seconds(LARGEST_SAMPLE) > seconds(LARGEST_SAMPLE // 2)


def test_passes_that_keep_nothing_for_gradients_are_quicker_than_those_of_trainings(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card = ZOO.things["minilm-l6"]

    def epoch_seconds(system: SystemProfile, method: str, **values: object) -> float:
        space = build_space("default", TASK, [card], [], profile, system)
        model = ResourceModel({card.name: card}, profile, system, TASK.forms)
        fixed = {"method": method, "max_length": 64, **values}
        return model.predict(configured(space, **fixed)).epoch_seconds

    probe, full = (epoch_seconds(machine, method) for method in ("probe.v1", "full.v1"))
    # Three passes against one, each at less than half of the speed.
    assert full / probe == pytest.approx(3 * READING_EFFICIENCY / CPU_EFFICIENCY, rel=0.1)
    with_bf16 = replace(machine, bf16_speedup=2.0)
    assert epoch_seconds(with_bf16, "probe.v1") == pytest.approx(probe / 2)
    in_bf16 = epoch_seconds(with_bf16, "full.v1", precision="bf16")
    assert in_bf16 == pytest.approx(full / BF16_TRAINING_SPEEDUP)


def test_the_first_probe_of_large_data_takes_a_tenth_of_the_time(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card = ZOO.things["minilm-l6"]
    large = replace(profile, train_examples=50_000, validation_examples=1_000)
    space = build_space("default", TASK, [card], [], large, machine)
    model = ResourceModel({card.name: card}, large, machine, TASK.forms)
    probe = configured(space, method="probe.v1")

    def seconds(rows: int) -> float:
        return replace(model, probe_rows=rows).predict(probe).first_result_seconds

    rows = probe_rows(FitOptions(budget="5m"), model, space)
    assert rows is not None and LEAST_PROBE_ROWS <= rows < LARGEST_SAMPLE
    assert seconds(rows) <= 30 < seconds(2 * rows)
    # A score of fewer rows would say nothing.
    assert (probe_rows(FitOptions(budget="10s"), model, space) or 0) >= LEAST_PROBE_ROWS
    by_trial_limit = FitOptions(budget="5m", trial_time_limit="30s")
    assert (probe_rows(by_trial_limit, model, space) or 0) < rows
    assert probe_rows(FitOptions(budget="10h"), model, space) is None
    assert probe_rows(FitOptions(trials=10), model, space) is None


def test_small_data_is_probed_whole_whatever_the_time(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card = ZOO.things["minilm-l6"]
    space = build_space("default", TASK, [card], [], profile, machine)
    model = ResourceModel({card.name: card}, profile, machine, TASK.forms)
    options = FitOptions(budget="1m", trial_time_limit="2s")
    assert probe_rows(options, model, space) is None


def test_part_of_an_epoch_over_large_data_is_some_thousand_rows(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card = ZOO.things["minilm-l6"]
    large = replace(profile, train_examples=1_000_000)
    space = build_space("default", TASK, [card], ["full"], large, machine)
    model = ResourceModel({card.name: card}, large, machine, TASK.forms)
    training = configured(space)
    estimate = model.predict(training)
    a_hundredth = Limits(seconds=3.0 + estimate.validation_seconds + estimate.epoch_seconds / 100)
    assert model.obstacle(training, a_hundredth)
    assert not model.obstacle(training, a_hundredth, 1 / 3)


def test_a_part_of_the_rows_takes_its_part_of_the_time(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card, large = ZOO.things["minilm-l6"], replace(profile, train_examples=LARGE_DATA)
    model = ResourceModel({card.name: card}, large, machine, TASK.forms)
    space = build_space("default", TASK, [card], [], large, machine, rungs=True)
    estimates = [model.predict(configured(space, train_share=share)) for share in RUNG_SHARES]
    seconds = [
        estimate.first_result_seconds - estimate.validation_seconds - 3.0 for estimate in estimates
    ]
    assert [each / seconds[-1] for each in seconds] == pytest.approx(RUNG_SHARES)


def test_rungs_are_for_trainings_on_large_data(
    profile: DataProfile, machine: SystemProfile
) -> None:
    large = replace(profile, train_examples=LARGE_DATA)
    cards = [ZOO.things["minilm-l6"]]
    smaller = replace(profile, train_examples=LARGE_DATA - 1)
    plain = build_space("default", TASK, cards, [], large, machine)
    assert build_space("default", TASK, cards, [], smaller, machine, rungs=True) == plain
    space = build_space("default", TASK, cards, [], large, machine, rungs=True)
    assert "train_share" in space.sites() and "train_share" not in plain.sites()
    for default in default_configurations(space):
        is_trained = METHODS.get(default.method).trains_by_gradient
        assert default.values.get("train_share") == (RUNG_SHARES[0] if is_trained else None)
    some = build_space(
        "default", TASK, cards, [], large, machine, {"train_share": [0.3, 1.0]}, rungs=True
    )
    assert lowest_rung(some) == {"train_share": 0.3}
    with pytest.raises(SpaceError, match=r"train_share: 0\.5 is not one of"):
        build_space("default", TASK, cards, [], large, machine, {"train_share": [0.5]}, rungs=True)


def test_a_measured_trial_corrects_the_next_prediction(
    resources: tuple[ResourceModel, Space],
) -> None:
    model, space = resources
    one = configured(space)
    before = model.predict(one).first_result_seconds - 3.0
    model.observe(one, success(seconds=10 * before, f1_macro=0.5))
    assert model.predict(one).first_result_seconds - 3.0 == pytest.approx(10 * before)
    model.observe(one, success(seconds=10 * before, f1_macro=0.5))
    assert model.predict(one).first_result_seconds - 3.0 == pytest.approx(10 * before)


def test_a_probe_says_what_running_the_body_took_and_nothing_where_its_features_were_kept(
    resources: tuple[ResourceModel, Space],
) -> None:
    model, space = resources
    probe, training = configured(space, method="probe.v1"), configured(space, method="full.v1")
    probe_before = model.predict(probe).first_result_seconds - 3.0
    before = model.predict(training).first_result_seconds - 3.0
    # A regression that takes long, on features that were there: nothing is known of the body's speed.
    kept = success(seconds=100 * probe_before, f1_macro=0.5)
    kept = replace(kept, history=({**kept.history[0], BODY_SECONDS: 0.0},))
    model.observe(probe, kept)
    assert model.ratios == []
    # The body itself was twice as fast as predicted, whatever else the trial did.
    first = replace(kept, history=({**kept.history[0], BODY_SECONDS: probe_before / 2},))
    model.observe(probe, first)
    assert model.predict(training).first_result_seconds - 3.0 == pytest.approx(before / 2)


def test_attempts_that_lacked_memory_say_nothing_of_speed(
    resources: tuple[ResourceModel, Space],
) -> None:
    model, space = resources
    training = configured(space, method="full.v1")
    estimate = model.predict(training)
    # A fiftieth of an epoch and one evaluation, at half the predicted speed, after a minute of larger batches.
    seconds = 2 * (0.02 * estimate.epoch_seconds + estimate.validation_seconds)
    stopped = success(seconds=seconds, f1_macro=0.5)
    stopped = replace(
        stopped,
        history=({**stopped.history[0], "epoch": 0.02, "seconds": seconds},),
        evaluation_time=seconds + 60,
    )
    model.observe(training, stopped)
    corrected = model.predict(training)
    assert corrected.epoch_seconds == pytest.approx(2 * estimate.epoch_seconds)
    assert corrected.validation_seconds == pytest.approx(2 * estimate.validation_seconds)


def test_trials_of_a_kind_correct_each_other(resources: tuple[ResourceModel, Space]) -> None:
    model, space = resources
    training = configured(space, method="full.v1")
    probe = configured(space, method="probe.v1")
    before = {
        name: model.predict(one).epoch_seconds for name, one in (("t", training), ("p", probe))
    }
    for factor, one in ((2.0, training), (0.25, probe)):
        estimate = model.predict(one)
        uncorrected = replace(model, ratios=[]).predict(one)
        seconds = factor * (uncorrected.epoch_seconds + uncorrected.validation_seconds)
        assert estimate.seconds > 0
        model.observe(one, success(seconds=seconds, f1_macro=0.5))
    assert model.predict(training).epoch_seconds == pytest.approx(2 * before["t"])
    assert model.predict(probe).epoch_seconds == pytest.approx(before["p"] / 4)


def test_past_trials_on_such_a_machine_correct_the_first_prediction(
    resources: tuple[ResourceModel, Space], profile: DataProfile, machine: SystemProfile
) -> None:
    model, space = resources
    one = configured(space)
    before = model.predict(one).first_result_seconds - 3.0
    # A data set of twice the size took three times as long as would be predicted for it.
    twice = replace(
        profile, train_examples=2 * profile.train_examples, validation_examples=500, name="other"
    )
    expected = replace(model, profile=twice).predict(one).first_result_seconds - 3.0

    def past(**changes: object) -> Experience:
        known = {
            "id": "a", "created": "", "run": "r", "trial": 0, "task": "text-classification", "data": twice,
            "system": machine, "configuration": one, "outcome": success(seconds=3 * expected, f1_macro=0.5),
            "limits": Limits(), "objectives": ("f1_macro",), "seed": 0, "versions": {},
        }  # fmt: skip
        return Experience(**{**known, **changes})

    odd = Configuration(values={"model": "minilm-l6", "method": "lora.v1"}, space="other")
    model.learn([past(system=replace(machine, physical_cores=64)), past(configuration=odd)])
    assert model.predict(one).first_result_seconds - 3.0 == pytest.approx(before)
    model.learn([past()])
    assert model.predict(one).first_result_seconds - 3.0 == pytest.approx(3 * before)
    model.observe(one, success(seconds=5 * before, f1_macro=0.5))
    assert model.predict(one).first_result_seconds - 3.0 == pytest.approx(5 * before)


def test_one_wrong_record_cannot_make_everything_look_too_slow(
    resources: tuple[ResourceModel, Space], profile: DataProfile, machine: SystemProfile
) -> None:
    model, space = resources
    configuration = configured(space)
    before = model.predict(configuration).first_result_seconds - 3.0

    def past(seconds: float) -> Experience:
        return Experience(
            id="a", created="", run="r", trial=0, task="text-classification", data=profile, system=machine,
            configuration=configuration, outcome=success(seconds=seconds, f1_macro=0.5), limits=Limits(),
            objectives=("f1_macro",), seed=0, versions={},
        )  # fmt: skip

    for seconds in (1e-9, 1e-300, 1e9 * before, float("inf"), float("nan"), -1.0, 0.0):
        model.learn([past(seconds)])
        assert model.past_ratios == [], seconds
    model.learn([past(50 * before)])
    assert model.predict(configuration).first_result_seconds - 3.0 == pytest.approx(3 * before)
    model.learn([past(2 * before), past(2 * before)])
    assert model.predict(configuration).first_result_seconds - 3.0 == pytest.approx(2 * before)


def test_data_of_no_size_says_nothing_of_time(
    resources: tuple[ResourceModel, Space], profile: DataProfile, machine: SystemProfile
) -> None:
    model, space = resources
    for changes in (
        {"train_examples": 0, "validation_examples": 0},
        {"tokens_mean": 0.0},
        {"tokens_mean": 1e-300},
    ):
        experience = Experience(
            id="a", created="", run="r", trial=0, task="text-classification", data=replace(profile, **changes),
            system=machine, configuration=configured(space), outcome=success(seconds=5.0, f1_macro=0.5),
            limits=Limits(), objectives=("f1_macro",), seed=0, versions={},
        )  # fmt: skip
        model.learn([experience])
        model.learn([replace(experience, system=replace(machine, gflops=0.0))])
    assert model.past_ratios == []


def test_what_does_not_fit_is_an_obstacle(resources: tuple[ResourceModel, Space]) -> None:
    model, space = resources
    large = configured(space, model="roberta-large")
    assert model.obstacle(large, Limits(memory=4_000_000_000)).startswith("out_of_memory")
    assert model.obstacle(large, Limits(seconds=5.0)).startswith("timeout")
    assert model.obstacle(configured(space), Limits()) == ""


def test_what_lacks_little_memory_by_a_prediction_is_tried(
    resources: tuple[ResourceModel, Space],
) -> None:
    model, space = resources
    training = configured(space)
    needed = model.predict(training).least_memory
    assert model.obstacle(training, Limits(memory=int(0.96 * needed))) == ""
    assert model.obstacle(training, Limits(memory=int(0.94 * needed))).startswith("out_of_memory")


def test_a_training_that_would_be_cut_is_told_from_one_that_fits(
    resources: tuple[ResourceModel, Space],
) -> None:
    model, space = resources
    training = configured(space)
    estimate = model.predict(training)
    some_epochs = Limits(seconds=(estimate.first_result_seconds + estimate.seconds) / 2)
    assert not model.obstacle(training, some_epochs)
    assert "for all its epochs" in model.obstacle_to_whole(training, some_epochs)
    assert not model.obstacle_to_whole(training, Limits(seconds=1.01 * estimate.seconds))
    assert "first epoch" not in model.obstacle_to_whole(training, Limits())
    no_memory = Limits(memory=1)
    assert model.obstacle_to_whole(training, no_memory) == model.obstacle(training, no_memory)


def test_the_per_device_batch_is_halved_until_it_is_predicted_to_fit(
    resources: tuple[ResourceModel, Space],
) -> None:
    model, space = resources
    one = configured(space, batch_size=64, max_length=256)
    roomy, tight = (
        model.micro_batch(one, Limits()),
        model.micro_batch(one, Limits(memory=1_600_000_000)),
    )
    assert roomy == 64 and tight in {1, 2, 4, 8, 16, 32}


def test_the_first_batch_stays_below_where_a_training_on_a_processor_gives_it_up(
    resources: tuple[ResourceModel, Space],
) -> None:
    model, space = resources
    pair = configured(space, batch_size=2, max_length=256)
    estimate = model.predict(pair)
    needed = estimate.memory + estimate.memory_per_example
    within, between = (int(needed / share) for share in (SOFT_SHARE - 0.01, SOFT_SHARE + 0.01))
    assert model.micro_batch(pair, Limits(memory=within)) == 2
    assert model.micro_batch(pair, Limits(memory=between)) == 1
    # Lack of memory on a GPU is an error that comes at the whole limit.
    gpu = replace(model.system, device="cuda", gpus=(H100,))
    on_gpu = replace(model, system=gpu)
    estimate = on_gpu.predict(pair)
    needed = estimate.memory + estimate.memory_per_example
    assert on_gpu.micro_batch(pair, Limits(gpu_memory=int(needed) + 1)) == 2


def test_checkpointing_is_foreseen_where_nothing_else_fits(
    resources: tuple[ResourceModel, Space],
) -> None:
    model, space = resources
    large = configured(space, model="roberta-large", max_length=256)
    estimate = model.predict(large)
    between = Limits(memory=int((estimate.least_memory + estimate.memory) / 2))
    assert model.obstacle(large, between) == "" and model.micro_batch(large, between) == 1
    assert model.needs_checkpointing(large, between) and not model.needs_checkpointing(
        large, Limits()
    )


def test_each_architecture_is_cast_in_its_form(
    machine: SystemProfile, profile: DataProfile
) -> None:
    names = ("roberta-base", "gpt2", "t5-small")
    cards = [ZOO.things[name] for name in names]
    space = build_space("default", TASKS.get("question-answering"), cards, [], profile, machine)
    assert methods_by_model(space) == {
        "roberta-base": ("full.v1", "lora.v1", "partial.v1"),
        "gpt2": ("full.v1", "lora.v1", "partial.v1", "zero_shot.v1"),
        "t5-small": ("full.v1", "lora.v1", "zero_shot.v1"),
    }
    assert not {"class_weights", "label_smoothing"} & {
        parameter.name for parameter in space.sites().values()
    }
    with pytest.raises(SpaceError, match="text-generation is not for an encoder"):
        build_space("default", TASKS.get("text-generation"), cards[:1], [], profile, machine)
    # Saying words costs a vocabulary's width of logits for each token.
    gpt2 = ZOO.things["gpt2"]
    space = build_space("default", TASK, [gpt2], ["full"], profile, machine)
    assert space.sites()["form"].options == ("classify", "label-words")
    model = ResourceModel({"gpt2": gpt2}, profile, machine, forms=TASK.forms)
    says, classifies = (
        model.predict(configured(space, form=form)) for form in ("label-words", "classify")
    )
    assert says.memory > classifies.memory and says.seconds > classifies.seconds


def test_a_body_is_trained_without_masters_where_only_that_fits(
    profile: DataProfile, machine: SystemProfile
) -> None:
    card = replace(ZOO.things["roberta-large"], parameters=3_000_000_000, layers=48)
    gpu = replace(machine, device="cuda", gpus=(H100,))
    space = build_space("default", TASK, [card], ["full"], profile, gpu)
    configuration = space.default()
    resources = ResourceModel({card.name: card}, profile, gpu, forms=TASK.forms)
    usual = resources.predict(configuration).least_memory
    narrow = resources.predict(configuration, has_masters=False).least_memory
    # Of 16 bytes for each trained weight, and 4 for each that is not, half are left.
    assert 0.45 < narrow / usual < 0.6

    def within(memory: float) -> tuple[bool, str, float]:
        limits = Limits(gpu_memory=int(memory))
        return (
            resources.lacks_masters(configuration, limits),
            resources.obstacle(configuration, limits).partition(":")[0],
            resources.peak_memory(configuration, limits),
        )

    assert within(1.01 * usual)[:2] == (False, "")
    lacks, obstacle, peak = within(0.99 * usual)
    assert (lacks, obstacle) == (True, "") and peak <= 0.99 * usual
    assert within(0.99 * narrow)[:2] == (False, "out_of_memory")
    # Nothing of it where passes run in float32, or on a processor.
    plain = replace(configuration, values={**configuration.values, "precision": "fp32"})
    assert not resources.lacks_masters(plain, Limits(gpu_memory=int(0.99 * usual)))
    on_processor = ResourceModel({card.name: card}, profile, machine, forms=TASK.forms)
    assert not on_processor.lacks_masters(configuration, Limits(memory=int(0.99 * usual)))
