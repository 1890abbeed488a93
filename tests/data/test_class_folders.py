"""Texts in a folder for each class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from xautolm.data.loading import load
from xautolm.errors import DataError


def lay(folder: Path, texts: Mapping[str, str]) -> Path:
    """Write texts to paths below a folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def reviews(prefix: str = "", suffix: str = ".txt") -> dict[str, str]:
    """Make up two texts of two classes."""
    texts = {}
    for label in ("neg", "pos"):
        for number in range(2):
            texts[f"{prefix}{label}/{number}{suffix}"] = f"{prefix}{label} film {number}\n"
    return texts


def rows_of(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return texts with their labels."""
    return list(zip(table["text"], table["label"], strict=True))


def test_the_name_of_the_folder_is_the_class_of_its_texts(tmp_path: Path) -> None:
    source = load(lay(tmp_path, reviews()))
    assert rows_of(source.splits["train"]) == [
        ("neg film 0", "neg"),
        ("neg film 1", "neg"),
        ("pos film 0", "pos"),
        ("pos film 1", "pos"),
    ]
    assert source.splits["train"].index[0] == "neg/0.txt"
    assert source.notes == ("train: 4 files, classes by folder: neg, pos",)


@pytest.mark.parametrize("suffix", [".txt", ""])
@pytest.mark.parametrize("place", ["{}/", "corpus/{}/", "news-bydate-{}/"])
def test_folders_of_splits_lie_above_those_of_classes(
    tmp_path: Path, place: str, suffix: str
) -> None:
    texts = {**reviews(place.format("train"), suffix), **reviews(place.format("test"), suffix)}
    source = load(lay(tmp_path, texts))
    assert {split: len(table) for split, table in source.splits.items()} == {"train": 4, "test": 4}
    assert set(source.splits["test"]["label"]) == {"neg", "pos"}


def test_what_lies_beside_the_classes_is_no_text(tmp_path: Path) -> None:
    beside = {
        "README": "about",
        "docs/one.txt": "about",
        "docs/two.txt": "about",
        "imdb.vocab": "a",
        "train/urls_pos.txt": "http",
        "train/labeledBow.feat": "1:1",
        "train/unsup/0_0.txt": "no class",
        "train/unsup/1_0.txt": "no class",
    }
    source = load(lay(tmp_path, {**reviews("train/"), **beside}))
    assert len(source.splits["train"]) == 4
    assert source.notes[-1].endswith("or no split: 6 in docs, train, train/unsup")


def test_a_text_beside_the_folders_of_the_classes_is_of_none(tmp_path: Path) -> None:
    source = load(lay(tmp_path, {**reviews("news/"), "news/README.TXT": "about"}))
    assert set(source.splits["train"]["label"]) == {"neg", "pos"}
    assert source.notes[-1].endswith("or no split: 1 in news")


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ("development/{}", r"development is named like a split"),
        ("other/{}.md", r"other stands beside[\s\S]*Name each of its texts \.txt"),
        ("other/mail{}", r"other stands beside"),
        ("other/{}.pdf", r"other stands beside"),
        ("other/{}.txt.gz", r"other stands beside"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "corpus/"])
def test_no_class_is_lost_for_its_name_or_for_those_of_its_files(
    tmp_path: Path, prefix: str, beside: str, message: str
) -> None:
    texts = {prefix + beside.format(number): "a text" for number in range(2)}
    folder = lay(tmp_path, {**reviews(prefix), **texts})
    with pytest.raises(DataError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "beside", ["pictures/{}.png", "scripts/clean{}.py", "unsup/{}.txt", "testing/{}.txt"]
)
def test_what_is_no_text_or_has_no_class_may_lie_beside_the_classes(
    tmp_path: Path, beside: str
) -> None:
    texts = {beside.format(number): "a" for number in range(2)}
    source = load(lay(tmp_path, {**reviews(), **texts, "pos/scan.html": "b"}))
    assert set(source.splits["train"]["label"]) == {"neg", "pos"}
    place = beside.partition("/")[0]
    assert source.notes[-1].endswith(f"or no split: 3 in {', '.join(sorted([place, 'pos']))}")


@pytest.mark.parametrize("beside", ["docs/README.md", "LICENSES/LICENSE", "paper/paper.pdf"])
def test_a_document_beside_the_classes_is_no_class(tmp_path: Path, beside: str) -> None:
    source = load(lay(tmp_path, {**reviews(), beside: "about"}))
    assert set(source.splits["train"]["label"]) == {"neg", "pos"}
    assert source.notes[-1].endswith(f"1 in {beside.partition('/')[0]}")


def test_links_to_folders_are_followed_but_not_back(tmp_path: Path) -> None:
    elsewhere = lay(tmp_path / "elsewhere", {"1.txt": "linked", "2.txt": "linked, too"})
    folder = lay(tmp_path / "data", reviews())
    (folder / "mixed").symlink_to(elsewhere)
    (folder / "back").symlink_to(folder)
    source = load(folder)
    assert sorted(source.splits["train"]["label"]) == ["mixed"] * 2 + ["neg"] * 2 + ["pos"] * 2
    (folder / "negative").symlink_to(folder / "neg")
    (folder / "mixed again").symlink_to(elsewhere)
    assert len(load(folder).splits["train"]) == 6
    tables = lay(tmp_path / "tables", {"train.csv": "text,label\nfine,1\npoor,0\n"})
    lay(tmp_path / "tested", {"part.csv": "text,label\ngood,1\n"})
    (tables / "test").symlink_to(tmp_path / "tested")
    assert list(load(tables).splits) == ["train", "test"]
    versions = lay(tmp_path / "versions", {"2024/train.csv": "text,label\nfine,1\npoor,0\n"})
    (versions / "latest").symlink_to(versions / "2024")
    assert len(load(versions).splits["train"]) == 2


def test_a_class_may_be_named_as_a_split(tmp_path: Path) -> None:
    texts = {
        f"train/{label}/{number}.txt": "a" for label in ("testing", "dev") for number in (1, 2)
    }
    source = load(lay(tmp_path, texts))
    assert list(source.splits) == ["train"]
    assert set(source.splits["train"]["label"]) == {"testing", "dev"}


def test_a_table_that_a_split_is_named_by_comes_first(tmp_path: Path) -> None:
    folder = lay(tmp_path, {**reviews(), "train.csv": "text,label\nfine,1\npoor,0\n"})
    assert list(load(folder).splits["train"]["text"]) == ["fine", "poor"]


@pytest.mark.parametrize(
    "texts",
    [
        {"only/1.txt": "a", "only/2.txt": "b"},
        {"1.txt": "a", "2.txt": "b"},
        {"train/1.txt": "a", "train/2.txt": "b"},
        {"a/1.txt": "a", "b/1.txt": "b"},
        {"a/1.png": "a", "a/2.png": "a", "b/1.png": "b", "b/2.png": "b"},
    ],
    ids=["one class", "no folder", "only a split", "single texts", "pictures"],
)
def test_other_folders_have_no_training_split(tmp_path: Path, texts: Mapping[str, str]) -> None:
    with pytest.raises(DataError, match=r"no training split[\s\S]*folder for each class"):
        load(lay(tmp_path, texts))


@pytest.mark.parametrize(
    "content",
    [b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", b"\x89PNG\r\n\x1a\n\xff\xfa"],
    ids=["pointer", "picture"],
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    folder = lay(tmp_path, reviews())
    (folder / "neg" / "0.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"neg/0\.txt"):
        load(folder)


def test_a_web_page_is_a_text(tmp_path: Path) -> None:
    folder = lay(tmp_path, {**reviews(), "neg/0.txt": "<html>poor</html>"})
    assert load(folder).splits["train"]["text"].iloc[0] == "<html>poor</html>"


def test_a_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    folder = lay(tmp_path, reviews())
    (folder / "pos" / "1.txt").write_bytes("schön".encode("cp1252"))
    with pytest.raises(DataError, match=r"pos/1\.txt"):
        load(folder)
    assert load(folder, encoding="cp1252").splits["train"]["text"].iloc[-1] == "schön"
