"""Field cases: bytes that are not UTF-8, or begin with a mark."""

from __future__ import annotations

import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS, table, ticket
from tests.field.writing import case, csv_text, with_text

PROBE = ticket(7)[0]


def accented() -> pd.DataFrame:
    """Return tickets with letters, quotes and dots beyond ASCII."""
    frame = table()
    frame["text"] += " \u2019caf\u00e9\u2019 \u2026"
    return frame


def encoding_cases() -> list[Case]:
    """Return the cases."""
    probe = f"{PROBE} \u2019caf\u00e9\u2019 \u2026"
    fine = Read(rows=ROWS, classes=CLASSES, probes={"text": (probe,)})
    text = csv_text(accented())
    json_lines = accented().to_json(orient="records", lines=True, force_ascii=False)
    windows = text.encode("cp1252")
    cyrillic = csv_text(with_text({7: "Где мой заказ"})).encode("cp1251")
    japanese = csv_text(with_text({7: "注文の品"})).encode("iso2022_jp")
    circled = csv_text(with_text({7: "①番の注文"})).encode("cp932")
    chinese = csv_text(table().assign(text=[f"{number} {'订单' * 20}" for number in range(ROWS)]))
    two_encodings = text.encode() + "last caf\u00e9,billing\n".encode("cp1252")
    cut_off = csv_text(with_text({7: "caf\u00e9"})).encode() + "last,caf\u00e9".encode()[:-1]
    tabs = csv_text(accented(), sep="\t").encode("utf-16-be")
    little = Refused(place="a.csv", value="UTF-16", cure="--encoding utf-16-le")
    big = Refused(place="a.csv", value="UTF-16", cure="--encoding utf-16-be")
    named = Refused(place="line 2", value="Windows-1252", cure="--encoding cp1252")
    noted = Read(rows=ROWS, probes={"text": (probe,)}, notes=("read as UTF-8",))
    russian = Read(rows=ROWS, probes={"text": ("Где мой заказ",)})
    return [
        case("UTF-8 with mark", "a.csv", text.encode("utf-8-sig"), fine),
        case("UTF-16 with mark", "a.csv", text.encode("utf-16"), fine),
        case("UTF-16 BE with mark, tabs", "a.txt", "\ufeff".encode("utf-16-be") + tabs, fine),
        case("UTF-32 with mark", "a.csv", text.encode("utf-32"), fine),
        case("UTF-16 LE without mark", "a.csv", text.encode("utf-16-le"), little),
        case("UTF-16 BE without mark", "a.csv", text.encode("utf-16-be"), big),
        case("UTF-16 BE, said so", "a.csv", text.encode("utf-16-be"), fine, encoding="utf-16-be"),
        case("UTF-16 cut inside a character", "a.csv", text.encode("utf-16")[:-1],
             Refused(place="a.csv", value="UTF-16", cure="cut off")),
        case("UTF-32 LE without mark", "a.csv", text.encode("utf-32-le"),
             Refused(value="UTF-32", cure="--encoding utf-32-le")),
        case("UTF-32 BE without mark", "a.csv", text.encode("utf-32-be"),
             Refused(value="UTF-32", cure="--encoding utf-32-be")),
        case("ISO-2022-JP", "a.csv", japanese, Refused(value="ISO-2022-JP", cure="--encoding iso2022_jp")),
        case("UTF-32 of Chinese", "a.csv", csv_text(table().assign(text="订单" * 20)).encode("utf-32-le"),
             Refused(value="UTF-32", cure="--encoding utf-32-le")),
        case("UTF-16 of Chinese", "a.csv", chinese.encode("utf-16-le"),
             Refused(value="UTF-16", cure="--encoding utf-16-le")),
        case("UTF-16 of Chinese, big end first", "a.csv", chinese.encode("utf-16-be"),
             Refused(value="UTF-16", cure="--encoding utf-16-be")),
        case("ASCII, called UTF-16", "a.csv", csv_text(),
             Read(rows=ROWS, probes={"text": (PROBE,)}, notes=("read as UTF-8",)), encoding="utf-16"),
        case("Windows' Shift-JIS, called Shift-JIS", "a.csv", circled,
             Read(rows=ROWS, probes={"text": ("①番の注文",)}, notes=("cp932",)), encoding="shift_jis"),
        case("two encodings in one file", "a.csv", two_encodings,
             Refused(place="line 62", value="most lines are", cure="Write this line in UTF-8")),
        case("ISO-2022-KR", "a.csv", csv_text(with_text({7: "주문"})).encode("iso2022_kr"),
             Refused(value="ISO-2022-KR", cure="--encoding iso2022_kr")),
        case("escapes of a terminal", "a.csv", csv_text(with_text({7: "\x1b[31mlate\x1b(B\x1b[m"})),
             Read(rows=ROWS, probes={"text": ("\x1b[31mlate\x1b(B\x1b[m",)})),
        case("an escape in UTF-8", "a.csv", csv_text(with_text({7: "\x1b$B 注文"})),
             Read(rows=ROWS, probes={"text": ("\x1b$B 注文",)})),
        case("ISO-2022-JP, said so", "a.csv", japanese, Read(rows=ROWS, probes={"text": ("注文の品",)}),
             encoding="iso2022_jp"),
        case("UTF-16 in JSON Lines", "a.jsonl", json_lines.encode("utf-16"), fine),
        case("Windows-1252", "a.csv", windows, named),
        case("Windows-1252, as it reads", "a.csv", windows, Refused(value="\u2019caf\u00e9\u2019")),
        case("Windows-1252, said so", "a.csv", windows, fine, encoding="cp1252"),
        case("Windows-1252, called latin1", "a.csv", windows, fine, encoding="latin1"),
        case("Windows-1252 in JSON Lines", "a.jsonl", json_lines.encode("cp1252"),
             Refused(place="line 1", value="Windows-1252", cure="--encoding cp1252")),
        case("Windows-1252 in JSON Lines, said so", "a.jsonl", json_lines.encode("cp1252"), fine, encoding="cp1252"),
        case("UTF-8, called Windows-1252", "a.csv", text, noted, encoding="cp1252"),
        case("Windows-1251, said so", "a.csv", cyrillic, russian, encoding="cp1251"),
        case("UTF-8 cut inside a character", "a.csv", cut_off,
             Refused(place="line 62", value="ends inside a character", cure="again")),
        case("unknown encoding", "a.csv", text, Refused(value="klingon", cure="cp1252"), encoding="klingon"),
        case("codec that is no encoding", "a.csv", text, Refused(value="rot13", cure="cp1252"), encoding="rot13"),
    ]  # fmt: skip


CASES = encoding_cases()
