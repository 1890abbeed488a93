from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xautolm.errors import BudgetError, SpaceError, UnknownNameError, UsageError
from xautolm.options import FitOptions, bytes_of, config_text, lacks_data, read_config, seconds
from xautolm.search_space import read_space_option


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("30 min", 1800),
        ("1h 30m", 5400),
        ("2 Hours", 7200),
        ("1d", 86400),
        ("90 sec.", 90),
        ("45", 45),
        (7, 7),
    ],
)
def test_durations(text: object, value: float) -> None:
    assert float(seconds(text)) == value


@pytest.mark.parametrize(
    "text", ["", "soon", "10 parsecs", "-5m", "0", "5mm", "1h30", "5 months", "min 5"]
)
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(BudgetError, match="budget="):
        FitOptions.parse({"budget": text})


@pytest.mark.parametrize(
    ("text", "value"), [("8GB", 8e9), ("512 MiB", 512 * 2**20), (100, 100), ("100", 100)]
)
def test_sizes(text: object, value: float) -> None:
    assert bytes_of(text) == value


def test_all_problems_at_once_and_unknown_options() -> None:
    with pytest.raises(UsageError) as caught:
        FitOptions.parse({"parallel": 0, "trial_memory_limit": "lots", "seed": "x"})
    assert all(
        name in str(caught.value)
        for name in ("parallel=0", "trial_memory_limit='lots'", "seed='x'")
    )
    with pytest.raises(UnknownNameError, match="Did you mean 'budget'"):
        FitOptions.parse({"buget": "30m"})


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("budget", math.nan, "positive and finite"),
        ("budget", math.inf, "positive and finite"),
        ("budget", True, "switches only"),
        ("trial_time_limit", "9" * 400, "positive and finite"),
        ("seed", 2**32, "less than or equal to 4294967295"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", True, "switches only"),
        ("seed", math.nan, "finite number"),
        ("trials", 0, "greater than or equal to 1"),
        ("max_train", 0, "greater than or equal to 2"),
        ("trial_memory_limit", 8, "8 bytes hold no model; write the unit"),
        ("trial_memory_limit", "8", "8 bytes hold no model; write the unit"),
        ("trial_memory_limit", "8kB", "8000 bytes hold no model"),
        ("trial_memory_limit", math.nan, "positive and finite"),
        ("trial_memory_limit", "9" * 400 + "GB", "positive and finite"),
    ],
)
def test_numbers_that_mean_nothing(name: str, value: object, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        FitOptions.parse({name: value})
    assert f"{name}=" in str(caught.value) and reason in str(caught.value)


def test_the_largest_numbers_that_mean_something() -> None:
    options = FitOptions.parse({"seed": 2**32 - 1, "trial_memory_limit": "64MiB", "explain": True})
    assert (options.seed, options.trial_memory_limit, options.explain) == (2**32 - 1, 2**26, True)


def test_defaults_and_lists() -> None:
    assert FitOptions.parse({}).spending.seconds == 1800
    assert FitOptions.parse({"trials": 5}).spending.seconds is None
    assert (
        FitOptions.parse({"models": "a, b"}).models
        == ("a", "b")
        == FitOptions.parse({"models": ["a", "b"]}).models
    )


def test_a_folder_of_a_model_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "bert, ours"
    assert FitOptions(models=str(folder)).models == (f"{tmp_path}/bert", "ours")
    folder.mkdir()
    assert FitOptions(models=str(folder)).models == (str(folder),)
    assert FitOptions(methods=str(folder)).methods == (f"{tmp_path}/bert", "ours")


def test_configuration_files(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: train.csv\nmax-train: 100\nmodels: [a, b]\n")
    assert read_config(path) == {"data": "train.csv", "max_train": 100, "models": ["a", "b"]}
    for content, message in (("- a", "must map"), ("a: [", "not valid YAML")):
        path.write_text(content)
        with pytest.raises(UsageError, match=message):
            read_config(path)
    with pytest.raises(UsageError, match="No such configuration file"):
        read_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "content",
    [
        "validation: 2024-13-45",
        "[" * 3000,
        "task: [",
        b"\xff\xfe\x00",
        "seed: 1\ntrials: 5\nseed: 2\n",
    ],
)
def test_configuration_files_that_are_no_yaml(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match="not valid YAML") as caught:
        read_config(path)
    assert len(str(caught.value).splitlines()) <= 4
    with pytest.raises(SpaceError, match="not valid YAML"):
        read_space_option(str(path))


@pytest.mark.parametrize(
    "store",
    [
        "postgresql+psycopg://me:secret@host/db",
        "postgresql://host/db?user=me&password=secret",
        "postgresql://host/db?sslpassword=secret",
        "mssql+pyodbc://host/db?UID=me&PWD=secret",
        "postgresql://u:se/secret:x@h:y@z/d",
    ],
)
def test_a_saved_configuration_holds_no_password(tmp_path: Path, store: str) -> None:
    path = tmp_path / "saved.yaml"
    path.write_text(config_text("d.csv", FitOptions(store=store, trials=3)))
    assert "secret" not in path.read_text() and "XAUTOLM_STORE" in path.read_text()
    assert "store" not in read_config(path) and read_config(path)["trials"] == 3
    path.write_text(config_text("d.csv", FitOptions(store="postgresql://host/db")))
    assert read_config(path)["store"] == "postgresql://host/db"


TABLE = pd.DataFrame({"text": ["a secret"], "label": ["no"]})


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize(
    "rows",
    [TABLE, TABLE.to_dict("records"), (["a secret"], ["no"]), TABLE.to_dict("list"), np.array([1])],
    ids=["frame", "rows", "pair", "columns", "array"],
)
def test_a_split_in_memory_is_left_out_of_a_saved_configuration(
    tmp_path: Path, split: str, rows: object
) -> None:
    path = tmp_path / "saved.yaml"
    path.write_text(config_text("d.csv", FitOptions.parse({split: rows, "trials": 3})))
    assert "secret" not in path.read_text()
    assert f"# {split}: left out, since it was given in memory" in path.read_text()
    assert split not in read_config(path) and read_config(path)["trials"] == 3
    assert lacks_data(path.read_text())


def test_a_split_with_a_name_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "saved.yaml"
    path.write_text(config_text("d.csv", FitOptions(validation=Path("v.csv"), test="t.csv")))
    assert (read_config(path)["validation"], read_config(path)["test"]) == ("v.csv", "t.csv")
    assert not lacks_data(path.read_text())


@pytest.mark.parametrize("layer", ["b{0}: &b{0} [{1}]", "b{0}: &b{0} {{<<: [{1}]}}"])
def test_a_few_aliases_that_stand_for_billions_of_values_are_refused(
    layer: str, tmp_path: Path
) -> None:
    layers = ["b0: &b0 {x: 1}"]
    for number in range(1, 10):
        aliases = ", ".join([f"*b{number - 1}"] * 10)
        layers.append(layer.format(number, aliases))
    path = tmp_path / "fit.yaml"
    path.write_text("\n".join(layers))
    with pytest.raises(UsageError, match="more than 10,000 values"):
        read_config(path)


def test_an_alias_stands_for_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "fit.yaml"
    path.write_text("models: &models [tiny-bert, tiny-gpt]\nfamilies: *models\n")
    names = ["tiny-bert", "tiny-gpt"]
    assert read_config(path) == {"models": names, "families": names}


def test_what_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.yaml"
    path.write_text(f"task: {'[' * 1000}{']' * 1000}\n")
    with pytest.raises(UsageError, match="too deeply"):
        read_config(path)


def test_mappings_may_take_in_several_others(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("full: {<<: {epochs: 1}, <<: {batch_size: 8}}\n")
    _, changes = read_space_option(str(path))
    assert changes == {"full": {"epochs": 1, "batch_size": 8}}


@pytest.mark.parametrize(
    "content",
    [
        "epochs: 1\nepochs: 2\n",
        "full: {epochs: 1, epochs: 2}\n",
        "full:\n  lora: [{epochs: 1, epochs: 2}]\n",
        "1: {epochs: 1, epochs: 2}\n'1': 3\n",
    ],
)
def test_a_key_that_stands_twice_in_a_mapping_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(content)
    with pytest.raises(SpaceError, match="it has the key 'epochs' twice"):
        read_space_option(str(path))


def test_one_key_may_stand_in_several_mappings_and_behind_aliases(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("full: &same {epochs: 1}\nlora: *same\nprobe: {epochs: 2}\n")
    _, changes = read_space_option(str(path))
    assert changes == {"full": {"epochs": 1}, "lora": {"epochs": 1}, "probe": {"epochs": 2}}
