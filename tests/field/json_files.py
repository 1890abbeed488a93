"""Field cases: JSON and JSON Lines, whatever the file is called."""

from __future__ import annotations

import json

import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS, table, ticket
from tests.field.writing import case, with_text

PROBE = ticket(7)[0]
FINE = Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)})
RECORDS = table().to_dict("records")
LINES = [json.dumps(record) for record in RECORDS]


def lines_with(number: int, line: str) -> str:
    """Return JSON Lines of which one, counted from 1, is another."""
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]])


def layout_cases() -> list[Case]:
    """Return cases of layouts that have rows."""
    splits = {"train": RECORDS, "test": table(30, first=ROWS).to_dict("records")}
    pretty = "\n".join(json.dumps(record, indent=2) for record in RECORDS)
    rasa = {
        "rasa_nlu_data": {
            "common_examples": [{"text": r["text"], "intent": r["label"]} for r in RECORDS]
        }
    }
    bunch = {"data": list(table()["text"]), "label": list(table()["label"])}
    nested = "\n".join(
        json.dumps({"data": {"text": r["text"]}, "annotation": {"label": r["label"]}})
        for r in RECORDS
    )
    differing = "\n".join(
        json.dumps({**r, **({"id": n} if n % 3 else {})}) for n, r in enumerate(RECORDS)
    )
    trailing = "".join(f"{line},\n" for line in LINES)
    late = with_text({5: "It is late\u2028says\x85the courier"}).to_json(
        orient="records", lines=True, force_ascii=False
    )
    return [
        case("JSON Lines", "a.jsonl", "\n".join(LINES), FINE),
        case("JSON Lines, blank lines", "a.jsonl", "\n\n".join(["", *LINES, ""]), FINE),
        case("JSON Lines, \\r\\n", "a.jsonl", "\r\n".join(LINES), FINE),
        case("JSON Lines, \\r", "a.jsonl", "\r".join(LINES), FINE),
        case("an object of rows by their names", "a.json",
             json.dumps({f"ticket-{number}": record for number, record in enumerate(RECORDS)}), FINE),
        case("JSON Lines named json", "a.json", "\n".join(LINES), FINE),
        case("JSON Lines with commas at their ends", "a.jsonl", trailing, FINE),
        case("JSON Lines with Unicode's line ends", "a.jsonl", late,
             Read(rows=ROWS, probes={"text": ("It is late\u2028says\x85the courier",)})),
        case("JSON Lines put one below the other, with marks", "a.jsonl",
             "".join(f"\ufeff{line}\n" for line in LINES), FINE),
        case("a list named jsonl", "a.jsonl", json.dumps(RECORDS), FINE),
        case("a list", "a.json", json.dumps(RECORDS, indent=1), FINE),
        case("objects one after the other", "a.json", "".join(LINES), FINE),
        case("objects over several lines", "a.jsonl", pretty, FINE),
        case("a list inside an object", "a.json", json.dumps({"version": 1, "data": RECORDS}), FINE),
        case("splits inside an object", "a.json", json.dumps(splits),
             Read(rows=ROWS + 30, test_rows=30, classes=CLASSES, probes={"text": (PROBE,)})),
        *(case(f"splits inside an object, training as {name}", "a.json",
               json.dumps({"version": "1", name: RECORDS, "test": splits["test"]}),
               Read(rows=ROWS + 30, test_rows=30, classes=CLASSES, probes={"text": (PROBE,)}))
          for name in ("data", "rows", "train")),
        case("a list inside an object, beside names of classes", "a.json",
             json.dumps({"classes": CLASSES, "data": RECORDS}), FINE),
        case("a list inside an object, beside what describes its columns", "a.json",
             json.dumps({"features": [{"id": 0, "name": "text"}, {"id": 1, "name": "label"}], "rows": RECORDS}), FINE),
        *(case(f"a list inside an object, beside {name}", "a.json", json.dumps({"data": RECORDS, name: content}), FINE)
          for name, content in (("items", [{"id": 1, "name": "a"}]), ("records", [{"count": 60}]), ("test", []),
                                ("dev", ["a", "b"]))),
        *(case(f"splits inside an object, beside {name}", "a.json", json.dumps({**splits, name: content}),
               Read(rows=ROWS + 30, test_rows=30, classes=CLASSES, probes={"text": (PROBE,)}))
          for name, content in (("label_names", CLASSES), ("info", {"by": "me"}), ("validation", []))),
        case("pandas, by column", "a.json", table().to_json(), FINE),
        case("pandas, split", "a.json", table().to_json(orient="split"), FINE),
        case("pandas, index", "a.json", table().to_json(orient="index"), FINE),
        case("pandas, table", "a.json", table().to_json(orient="table"), FINE),
        case("columns of lists", "a.json", json.dumps(table().to_dict("list")), FINE),
        case("columns of lists, one of them called data", "a.json", json.dumps(bunch), FINE, text="data"),
        case("Rasa's examples", "a.json", json.dumps(rasa), FINE),
        case("objects inside each row", "a.jsonl", nested, FINE),
        case("names that differ between rows", "a.jsonl", differing, FINE),
    ]  # fmt: skip


def damage_cases() -> list[Case]:
    """Return cases of files that have no rows, or not all of them."""
    whole = json.dumps(RECORDS, indent=1)
    return [
        case("a list of lists", "a.json", json.dumps([["text", "label"], [PROBE, "billing"]]),
             Refused(place="a.json, row 0", value="['text', 'label']", cure="each with the same names")),
        case("lists on lines", "a.jsonl", '["text", "label"]\n["a", "b"]\n',
             Refused(place="a.jsonl, line 1", value="['text', 'label']", cure="one JSON object a line")),
        case("an object without rows", "a.json", '{"version": 1, "author": "me"}',
             Refused(place="a.json", value="'version', 'author'", cure="a list of objects")),
        *(case(f"two lists of rows, data and {name}", "a.json", json.dumps({name: RECORDS[40:], "data": RECORDS[:40]}),
               Refused(place="a.json", value=f"20 rows in {name!r}, 40 rows in 'data'", cure="Leave one list"))
          for name in ("rows", "train", "authors")),
        case("a list cut off", "a.json", whole[: len(whole) // 2],
             Refused(place="line ", value="the file ends inside", cure="cut off")),
        case("JSON Lines cut off", "a.jsonl", "\n".join(LINES)[:-20],
             Refused(place="a.jsonl, line 60", value="Ticket 59", cure="one JSON object a line")),
        case("a line that is no JSON", "a.jsonl", lines_with(7, "{'text': 'a'}"),
             Refused(place="a.jsonl, line 7", value="{'text': 'a'}", cure="one JSON object a line")),
        case("a line that is a number", "a.jsonl", lines_with(7, "5"),
             Refused(place="line 7", value="5", cure="object")),
        case("a name twice in an object", "a.jsonl", lines_with(7, '{"text": "a", "text": "b", "label": "billing"}'),
             Refused(place="a.jsonl, line 7", value="'text' twice")),
        case("an empty json", "a.json", "", Refused(place="a.json is empty", cure="list of objects")),
        case("an empty list", "a.json", "[]", Refused(place="a.json has no rows")),
        case("a json of blanks", "a.json", "\n \n", Refused(place="a.json is empty", cure="list of objects")),
        case("nesting that is read and cannot be followed", "a.jsonl",
             lines_with(7, f'{{"text": "a", "label": "billing", "meta": {"[" * 500}{"]" * 500}}}'),
             Refused(place="a.jsonl, line 7, column 'meta'", value="too deeply", cure="Remove this column")),
        case("nesting without end", "a.json", "[" * 100_000, Refused(place="a.json", value="not valid JSON")),
    ]  # fmt: skip


def half(text: str) -> str:
    """Return a text with half of a character behind it, as a program writes it that cut it."""
    return json.dumps(text)[:-1] + '\\ud83d"'


def surrogate_cases() -> list[Case]:
    """Return cases of halves of characters."""
    in_text = lines_with(5, f'{{"text": {half("Late")}, "label": "billing"}}')
    in_label = "\n".join(f'{{"text": "{r["text"]}", "label": {half(r["label"])}}}' for r in RECORDS)
    in_name = "\n".join(
        f'{{"text": "{r["text"]}", "label": "{r["label"]}", "\\ud83d": 1}}' for r in RECORDS
    )
    pair = lines_with(5, '{"text": "Late \\ud83d\\ude00", "label": "billing"}')
    replaced = Read(
        rows=ROWS, classes=CLASSES, probes={"text": ("Late\ufffd",)}, notes=("surrogates", "line 5")
    )
    rows: list[dict[str, object]] = [
        *RECORDS[:4],
        {"text": "Late\ud83d", "label": "billing"},
        *RECORDS[5:],
    ]
    columns = {name: [row[name] for row in rows] for name in ("text", "label")}
    frame = pd.DataFrame(columns, dtype=object)
    noted = Read(
        rows=ROWS, classes=CLASSES, probes={"text": ("Late\ufffd",)}, notes=("surrogates", "row 4")
    )
    joined = columns | {"text": ["Late \ud83d\ude00", *columns["text"][1:]]}
    return [
        case("half a character in a text", "a.jsonl", in_text, replaced),
        case("half a character in a json", "a.json", f"[{','.join(in_text.splitlines())}]",
             Read(rows=ROWS, probes={"text": ("Late\ufffd",)}, notes=("surrogates", "row 4"))),
        case("half a character in labels", "a.jsonl", in_label,
             Read(rows=ROWS, classes=tuple(f"{name}\ufffd" for name in CLASSES), notes=("60 rows",))),
        case("half a character in a name", "a.jsonl", in_name, Read(rows=ROWS, classes=CLASSES)),
        case("a whole pair", "a.jsonl", pair, Read(rows=ROWS, probes={"text": ("Late \U0001f600",)})),
        Case(name="half a character in rows", make=lambda folder: rows, expect=noted),
        Case(name="half a character in columns", make=lambda folder: columns, expect=noted),
        Case(name="half a character in a frame", make=lambda folder: frame, expect=noted),
        Case(name="a pair in two halves", make=lambda folder: joined,
             expect=Read(rows=ROWS, probes={"text": ("Late \U0001f600",)})),
    ]  # fmt: skip


CASES = [*layout_cases(), *damage_cases(), *surrogate_cases()]
