"""Field cases: compressed files, archives, Parquet, workbooks, plain text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS, table, ticket, tickets
from tests.field.writing import case, csv_text

PROBE = ticket(7)[0]
FINE = Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)})
CSV = csv_text().encode()
LINES = table().to_json(orient="records", lines=True).encode()


def parquet(frame: pd.DataFrame, *, index: bool | None = None) -> bytes:
    """Return a frame as Parquet."""
    target = io.BytesIO()
    frame.to_parquet(target, index=index)
    return target.getvalue()


def archive(**members: bytes) -> bytes:
    """Return a zip archive of files; two underscores stand for a dot."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as writer:
        for name, content in members.items():
            writer.writestr(name.replace("__", "."), content)
    return target.getvalue()


def compressed_cases() -> list[Case]:
    """Return cases of files inside files."""
    both = archive(train__csv=CSV, test__csv=CSV)
    return [
        case("csv.gz", "a.csv.gz", gzip.compress(CSV), FINE),
        case("CSV.GZ", "A.CSV.GZ", gzip.compress(CSV), FINE),
        case("csv.bz2", "a.csv.bz2", bz2.compress(CSV), FINE),
        case("csv.xz", "a.csv.xz", lzma.compress(CSV), FINE),
        case("jsonl.gz", "a.jsonl.gz", gzip.compress(LINES), FINE),
        case("parquet.gz", "a.parquet.gz", gzip.compress(parquet(table())), FINE),
        case("gzip named csv", "a.csv", gzip.compress(CSV), FINE),
        case("zip of one file", "a.zip", archive(train__csv=CSV), FINE),
        case("csv.zip", "a.csv.zip", archive(a__csv=CSV), FINE),
        case("zip of two files", "a.zip", both, Refused(place="a.zip", value="train.csv, test.csv", cure="Unpack it")),
        case("zip named csv", "a.csv", archive(a__csv=CSV),
             Refused(place="a.csv", value="zip archive", cure="Name it")),
        case("zip of a picture", "a.zip", archive(cat__png=b"x"), Refused(place="cat.png", cure=".csv")),
        case("gzip cut off", "a.csv.gz", gzip.compress(CSV)[:-60], Refused(place="a.csv.gz", cure="cut off")),
        case("zip cut off", "a.zip", archive(a__csv=CSV)[:-60], Refused(place="a.zip", cure="cut off")),
        case("csv named gz", "a.csv.gz", CSV, Refused(place="a.csv.gz", value="gzip", cure="again")),
        case("xlsx", "a.xlsx", b"PK\x03\x04", Refused(place="a.xlsx", cure="CSV UTF-8")),
        case("pickle", "a.pkl", b"\x80\x04", Refused(place="a.pkl", cure="Parquet or JSON Lines")),
        case("old workbook named csv", "a.csv", b"\xd0\xcf\x11\xe0", Refused(place="a.csv", value="Excel", cure="CSV")),
    ]  # fmt: skip


def parquet_cases() -> list[Case]:
    """Return cases of Parquet."""
    whole = parquet(table())
    return [
        case("parquet", "a.parquet", whole, FINE),
        case("parquet, label in the index", "a.parquet", parquet(table().set_index("label")), FINE),
        case("parquet of categories", "a.parquet", parquet(table().astype({"label": "category"})), FINE),
        case("parquet cut off", "a.parquet", whole[: len(whole) // 2], Refused(place="a.parquet", cure="cut off")),
        case("parquet without rows", "a.parquet", parquet(table().head(0)), Refused(place="a.parquet has no rows")),
        case("parquet named csv", "a.csv", whole, Refused(place="a.csv", value="Parquet", cure="Name it .parquet")),
        case("csv named parquet", "a.parquet", CSV, Refused(place="a.parquet", value="not a readable Parquet file")),
        case("Git LFS pointer to parquet", "a.parquet", b"version https://git-lfs.github.com/spec/v1\n",
             Refused(place="a.parquet", value="LFS pointer", cure="git lfs pull")),
    ]  # fmt: skip


def text_cases() -> list[Case]:
    """Return cases of plain text."""
    fasttext = "\n".join(f"__label__{label} {text}" for text, label in tickets())
    behind = "\n".join(f"{text} __label__{label}" for text, label in tickets())
    several = fasttext.replace("__label__billing", "__label__billing __label__urgent")
    prose = "\n".join(text for text, _ in tickets())
    return [
        case("fastText", "a.txt", fasttext, FINE),
        case("fastText, labels behind", "a.txt", behind, FINE),
        case("fastText, two labels", "a.txt", several,
             Refused(place="line 2", value="['billing', 'urgent']", cure="multilabel-classification")),
        Case(name="fastText, two labels wanted", make=case("", "a.txt", several, FINE).make,
             task="multilabel-classification",
             expect=Read(rows=ROWS, classes=("account", "billing", "delivery", "urgent"), probes={"text": (PROBE,)})),
        case("prose", "a.txt", prose, Refused(place="a.txt", value="Ticket 0", cure="JSON Lines")),
    ]  # fmt: skip


CASES = [*compressed_cases(), *parquet_cases(), *text_cases()]
