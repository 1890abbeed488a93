"""What people call data, and whether two names may mean the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from xautolm.data.naming import data_name, is_called


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("squad/train.parquet", "squad/train.parquet"),
        ("squad/data/train-00000-of-00001.parquet", "squad/data/train-00000-of-00001.parquet"),
        ("SST-2/train.tsv", "SST-2/train.tsv"),
        ("squad/train-v1.1.json", "squad/train-v1.1.json"),
        ("corpora/liar.csv", "liar.csv"),
        ("corpora/liar_train.csv.gz", "liar_train.csv.gz"),
        ("meld/raw/data.csv", "meld/raw/data.csv"),
        ("meld/trn/dev.csv", "meld/trn/dev.csv"),
    ],
)
def test_a_file_that_only_says_its_part_is_called_by_its_folder(
    tmp_path: Path, path: str, name: str
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.touch()
    assert data_name(str(file), file.name) == name
    assert data_name(file, file.name) == name


def test_folders_hub_names_and_tables(tmp_path: Path) -> None:
    folder = tmp_path / "squad" / "data"
    folder.mkdir(parents=True)
    assert data_name(folder, "data") == "squad/data"
    assert data_name(folder.parent, "squad") == "squad"
    assert data_name("stanfordnlp/sst2", "stanfordnlp/sst2") == "stanfordnlp/sst2"
    assert data_name(pd.DataFrame({"a": [1]}), "data") == "data"


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [
        ("squad/train.parquet", "squad", True),
        ("squad/data/train-00000-of-00001.parquet", "squad", True),
        ("SST-2/train.tsv", "sst2", True),
        ("stanfordnlp/sst2", "sst2", True),
        ("ag_news_train.csv", "ag_news", True),
        ("AG News.csv", "ag_news", True),
        ("liar.tar.csv", "liar", False),
        ("squad_v2/train.parquet", "squad", False),
        ("my-squad/train.parquet", "squad", False),
        ("train.parquet", "train", False),
        ("data frame", "squad", False),
        ("squad", "", False),
    ],
)
def test_names_that_read_alike(name: str, wanted: str, expected: bool) -> None:
    assert is_called(name, wanted) is expected
