"""Field cases: compressed files, archives, Parquet, workbooks, plain text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pandas as pd
import pyarrow
from pyarrow import feather, ipc
from pyarrow import parquet as parquet_writer

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


def archive(compression: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    """Return a zip archive of files; two underscores stand for a dot."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as writer:
        for name, content in members.items():
            writer.writestr(name.replace("__", "."), content)
    return target.getvalue()


def damaged(packed: bytes) -> bytes:
    """Return bytes of which one in the middle is another."""
    middle = len(packed) // 2
    other = bytes([packed[middle] ^ 255])
    return packed[:middle] + other + packed[middle + 1 :]


def tar() -> bytes:
    """Return a tar archive of one file."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as writer:
        member = tarfile.TarInfo("train.csv")
        member.size = len(CSV)
        writer.addfile(member, io.BytesIO(CSV))
    return target.getvalue()


def arrow(*, stream: bool) -> bytes:
    """Return the tickets as an Arrow file (Feather's second version), or as a stream, as `datasets` caches them."""
    target = io.BytesIO()
    content = pyarrow.Table.from_pandas(table())
    if stream:
        with ipc.new_stream(target, content.schema) as writer:
            writer.write_table(content)
    else:
        feather.write_feather(content, target)
    return target.getvalue()


def same_names() -> bytes:
    """Return a Parquet file of which two columns have one name."""
    target = io.BytesIO()
    texts, labels = table()["text"], table()["label"]
    parquet_writer.write_table(
        pyarrow.Table.from_arrays([texts, labels, labels], names=["text", "label", "label"]), target
    )
    return target.getvalue()


def compressed_cases() -> list[Case]:
    """Return cases of files inside files."""
    twice = gzip.compress(gzip.compress(CSV))
    described = archive(README__md=b"x", __DS_Store=b"x", train__csv=CSV)
    zstandard = pyarrow.compress(CSV, "zstd", asbytes=True)
    both = archive(train__csv=CSV, test__csv=CSV)
    return [
        case("csv.gz", "a.csv.gz", gzip.compress(CSV), FINE),
        case("CSV.GZ", "A.CSV.GZ", gzip.compress(CSV), FINE),
        case("csv.bz2", "a.csv.bz2", bz2.compress(CSV), FINE),
        case("csv.xz", "a.csv.xz", lzma.compress(CSV), FINE),
        case("jsonl.gz", "a.jsonl.gz", gzip.compress(LINES), FINE),
        case("parquet.gz", "a.parquet.gz", gzip.compress(parquet(table())), FINE),
        case("gzip named csv", "a.csv", gzip.compress(CSV), FINE),
        case("bzip2 named csv", "a.csv", bz2.compress(CSV), FINE),
        case("xz named csv", "a.csv", lzma.compress(CSV), FINE),
        case("zstd named csv", "a.csv", zstandard, FINE),
        case("csv.zst", "a.csv.zst", zstandard, FINE),
        case("csv.lzma", "a.csv.lzma", lzma.compress(CSV, format=lzma.FORMAT_ALONE), FINE),
        case("gzip in gzip", "a.csv.gz", twice, FINE),
        case("zip of a gzip", "a.zip", archive(a__csv__gz=gzip.compress(CSV)), FINE),
        case("zip with a description", "a.zip", described, FINE),
        case("tar.gz", "a.tar.gz", gzip.compress(tar()), Refused(place="a.tar.gz", cure="Unpack it")),
        case("tar.gz named csv.gz", "a.csv.gz", gzip.compress(tar()), Refused(value="tar archive", cure="Unpack it")),
        case("zeros at the end", "a.csv", CSV + bytes(500), Refused(place="a.csv", value="500 zero", cure="again")),
        case("PDF named csv", "a.csv", b"%PDF-1.4\xe2", Refused(place="a.csv", value="PDF", cure="CSV")),
        case("picture named csv", "a.csv", b"\x89PNG\r\n", Refused(place="a.csv", value="picture", cure="texts")),
        case("zstd cut off", "a.csv.zst", zstandard[:-60], Refused(place="a.csv.zst", cure="cut off")),
        case("zip of one file", "a.zip", archive(train__csv=CSV), FINE),
        case("csv.zip", "a.csv.zip", archive(a__csv=CSV), FINE),
        case("zip with a workbook", "a.zip", archive(test__csv=CSV, train__xlsx=b"PK"),
             Refused(place="a.zip", value="test.csv, train.xlsx", cure="Unpack it")),
        case("a text that begins like an archive", "a.csv", CSV.replace(b"text", b"Rar! text", 1), FINE,
             text="Rar! text"),
        case("zip of two files", "a.zip", both, Refused(place="a.zip", value="train.csv, test.csv", cure="Unpack it")),
        case("zip named csv", "a.csv", archive(a__csv=CSV),
             Refused(place="a.csv", value="zip archive", cure="Name it")),
        case("zip of a picture", "a.zip", archive(cat__png=b"x"), Refused(place="cat.png", cure=".csv")),
        case("gzip cut off", "a.csv.gz", gzip.compress(CSV)[:-60], Refused(place="a.csv.gz", cure="cut off")),
        case("zip cut off", "a.zip", archive(a__csv=CSV)[:-60], Refused(place="a.zip", cure="cut off")),
        case("zip without its beginning", "a.zip", archive(a__csv=CSV)[40:],
             Refused(place="a.zip", value="cannot be unpacked", cure="cut off")),
        case("csv named gz", "a.csv.gz", CSV, Refused(place="a.csv.gz", value="gzip", cure="take .gz off its name")),
        case("csv named zst", "a.csv.zst", CSV, Refused(place="a.csv.zst", value="ZSTD", cure="take .zst off")),
        case("zstd named gz", "a.csv.gz", zstandard, FINE),
        case("csv.zip of a member that is called so", "a.csv.zip", archive(a__csv__zip=CSV), FINE),
        case("zip by bzip2", "a.zip", archive(zipfile.ZIP_BZIP2, a__csv=CSV), FINE),
        case("zip by bzip2, damaged", "a.zip", damaged(archive(zipfile.ZIP_BZIP2, a__csv=CSV)),
             Refused(place="a.zip", value="cannot be unpacked", cure="cut off")),
        case("zip by LZMA, damaged", "a.zip", damaged(archive(zipfile.ZIP_LZMA, a__csv=CSV)),
             Refused(place="a.zip", value="cannot be unpacked", cure="cut off")),
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
        *(case(f"parquet, {column} in the index too", "a.parquet", parquet(table().set_index(column, drop=False)), FINE)
          for column in ("text", "label")),
        case("parquet of categories", "a.parquet", parquet(table().astype({"label": "category"})), FINE),
        case("parquet named pq", "a.pq", whole, FINE),
        case("parquet of bytes", "a.parquet", parquet(table().map(str.encode)), FINE),
        case("parquet of bytes that are no text", "a.parquet", parquet(table().assign(text=b"\xff\xfe\xfd")),
             Refused(value="bytes", place="row 0, column 'text'", cure="--text NAME")),
        case("arrow stream", "a.arrow", arrow(stream=True), FINE),
        case("arrow file", "a.arrow", arrow(stream=False), FINE),
        case("feather", "a.feather", arrow(stream=False), FINE),
        case("arrow cut off", "a.arrow", arrow(stream=False)[:200], Refused(place="a.arrow", cure="cut off")),
        case("arrow with damaged notes of pandas", "a.arrow", arrow(stream=False).replace(b'"columns"', b'"column\n"'),
             Refused(place="a.arrow", value="not a readable Arrow file", cure="again")),
        case("arrow named parquet", "a.parquet", arrow(stream=False), Refused(value="an Arrow file", cure=".arrow")),
        case("parquet, two columns of one name", "a.parquet", same_names(),
             Refused(place="a.parquet", value="'label'", cure="Rename or remove")),
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
        case("fastText, commas behind labels", "a.txt", fasttext.replace(" Ticket", " , Ticket"), FINE),
        case("fastText, labels behind", "a.txt", behind, FINE),
        case("fastText, two labels", "a.txt", several,
             Refused(place="line 2", value="['billing', 'urgent']", cure="multilabel-classification")),
        Case(name="fastText, two labels wanted", make=case("", "a.txt", several, FINE).make,
             task="multilabel-classification",
             expect=Read(rows=ROWS, classes=("account", "billing", "delivery", "urgent"), probes={"text": (PROBE,)})),
        case("prose", "a.txt", prose, Refused(place="a.txt", value="Ticket 0", cure="JSON Lines")),
    ]  # fmt: skip


CASES = [*compressed_cases(), *parquet_cases(), *text_cases()]
