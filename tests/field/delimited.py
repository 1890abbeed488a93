"""Field cases: comma-separated and other delimited files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS, table, ticket, tickets
from tests.field.writing import case, csv_text, with_text

PROBE = ticket(7)[0]
FINE = Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)})


def unquoted(
    frame: pd.DataFrame, separator: str, columns: Sequence[str] = ("text", "label")
) -> str:
    """Return a file whose writer knows nothing of quotes."""
    lines = [separator.join(columns)]
    lines += [separator.join(row) for row in frame[list(columns)].itertuples(index=False)]
    return "\n".join(lines) + "\n"


def opened(*rows: int) -> pd.DataFrame:
    """Return tickets of which some begin with a quote that nothing closes."""
    return with_text({row: f'"{ticket(row)[0]}' for row in rows})


UNICODE_LINE_ENDS = {
    "U+2028": "\u2028",
    "U+2029": "\u2029",
    "U+0085": "\x85",
    "VT": "\x0b",
    "FF": "\x0c",
    "FS": "\x1c",
    "GS": "\x1d",
    "RS": "\x1e",
}


def line_end_cases() -> list[Case]:
    """Return cases of characters that Python's `splitlines` takes for line ends."""
    cases = []
    for name, character in UNICODE_LINE_ENDS.items():
        text = f"It is late{character}says the courier"
        expect = Read(rows=ROWS, classes=CLASSES, probes={"text": (text,)})
        frame = with_text({5: text})
        cases.append(case(f"{name} in csv", "a.csv", csv_text(frame), expect))
        cases.append(case(f"{name} in tsv", "a.tsv", csv_text(frame, sep="\t"), expect))
        cases.append(
            case(f"{name} in quotes", "a.csv", csv_text(frame, quoting=csv.QUOTE_ALL), expect)
        )
    return cases


def quote_cases() -> list[Case]:
    """Return cases of quotes that open, close or do neither."""
    kept = Read(
        rows=ROWS,
        classes=CLASSES,
        probes={"text": (f'"{ticket(4)[0]}', ticket(5)[0])},
        notes=("line 6", "characters"),
    )
    many = opened(4, 20, 21, 50)
    odd = opened(4)
    both_ends = with_text({4: f'"{ticket(4)[0]}', 9: 'the pipe of 5"'})
    begun = with_text({4: '"Late again" says the note'})
    begun_read = Read(
        rows=ROWS, probes={"text": ('"Late again" says the note',)}, notes=("line 6",)
    )
    inside = with_text({4: 'a 5" pipe', 9: 'and one of 6"'})
    inside_read = Read(rows=ROWS, probes={"text": ('a 5" pipe', 'and one of 6"')})
    last = unquoted(opened(59), ",", ("label", "text"))
    all_quoted = csv_text(quoting=csv.QUOTE_ALL).replace("Ticket 7 is", 'Ticket 7 "is"')
    commas = with_text({3: "well, now", 8: "so, so"})
    beside_quoted = (
        csv_text(commas)
        .replace(ticket(20)[0], f'"{ticket(20)[0]}')
        .replace(ticket(30)[0], 'pipe of 5"')
    )
    backslashes = "text,label\n" + "".join(
        f'"He said \\"{text}\\", yes","{label}"\n' for text, label in tickets()
    )
    pasted = "".join(f'"{text}, {label}"\n' for text, label in tickets())
    doubled = csv_text(quoting=csv.QUOTE_ALL).splitlines()
    whole_lines = "".join('"{}"\n'.format(line.replace('"', '""')) for line in doubled)
    spaced = "text, label\n" + "".join(f'"{text}", "{label}"\n' for text, label in tickets())
    spoken = "text,label\n" + "".join(f'" ""{text}""",{label}\n' for text, label in tickets())
    with_commas = "text,label\n" + "".join(f'"{text}, yes",{label}\n' for text, label in tickets())
    newline = with_text({5: 'one line\nand another, with "quotes"\r\nand a third'})
    greeting = with_text({5: "Dear all, thanks\nbye"})
    return [
        case("four lone quotes in tsv", "a.tsv", unquoted(many, "\t"), kept),
        case("one lone quote in tsv", "a.tsv", unquoted(odd, "\t"), kept),
        case("four lone quotes in csv", "a.csv", unquoted(many, ","), kept),
        case("two lone quotes, bars", "a.csv", unquoted(opened(4, 9), "|"), kept),
        case("lone quote and inch mark in tsv", "a.tsv", unquoted(both_ends, "\t"), kept),
        case("lone quote and inch mark in csv", "a.csv", unquoted(both_ends, ","), kept),
        case("lone quotes, label first", "a.tsv", unquoted(many, "\t", ("label", "text")), kept),
        case("lone quote in the last row", "a.csv", last, Read(rows=ROWS, classes=CLASSES, notes=("line 61",))),
        case("text begins with quoted words", "a.tsv", unquoted(begun, "\t"), begun_read),
        case("quotes in the middle and at the end", "a.tsv", unquoted(inside, "\t"), inside_read),
        case("all cells quoted, one quote not doubled", "a.csv", all_quoted,
             Refused(place="a.csv, line 9", value="Ticket 7", cure='double those inside ("")')),
        case("lone quotes beside quoted cells", "a.csv", beside_quoted,
             Refused(place="line 22", value="Ticket 20", cure="Put quotes around the whole cell")),
        case("escapes by backslash", "a.csv", backslashes,
             Read(rows=ROWS, probes={"text": (f'He said "{PROBE}", yes',)}, notes=("backslash",))),
        case("rows pasted into a cell each", "a.csv", f"text,label\n{pasted}",
             Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)}, notes=("quotes around whole lines",))),
        case("rows of quoted cells in a cell each", "a.csv", whole_lines, FINE),
        case("a long row pasted into a cell", "a.csv", f'text,label\n{pasted}"{"word " * 40_000},billing"\n',
             Read(rows=ROWS + 1, classes=CLASSES)),
        case("quotes behind a space", "a.csv", spaced,
             Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)}, notes=("quotes behind spaces",))),
        case("a space inside quotes, before others", "a.csv", spoken,
             Read(rows=ROWS, classes=CLASSES, probes={"text": (f' "{PROBE}"',)})),
        case("commas in quotes and a row of three fields", "a.csv", f"{with_commas}one,two,three\n",
             Refused(place=f"line {ROWS + 2}: 3 fields", cure="Put quotes around texts")),
        case("line ends in a quoted cell", "a.csv", csv_text(newline),
             Read(rows=ROWS, probes={"text": (newline.text[5],)}, notes=("inside quoted texts: 2",))),
        case("two lines that could be rows", "a.csv", csv_text(greeting),
             Read(rows=ROWS, probes={"text": ("Dear all, thanks\nbye",)}, notes=("line 7",))),
        case("quote that is never closed", "a.csv", 'text,label\n"well, now,billing\nother,account\n',
             Refused(place="line 2", value="well, now", cure="quotes")),
    ]  # fmt: skip


def dialect_cases() -> list[Case]:
    """Return cases of separators, headers and line ends."""
    plain = csv_text()
    commas = with_text({3: "well, now", 8: "so, so"})
    decimal = csv_text(with_text({3: "1,5 and 2,5"}), sep=";")
    spaced = table().rename(columns={"text": " text", "label": "label "})
    doubled = pd.concat([table(), table()[["text"]]], axis=1)
    mixed = plain.replace("\n", "\r\n", 20)
    ragged = plain.replace(ticket(10)[0], "well, now")
    short = plain.replace(f"{ticket(10)[0]},", "well")
    again = plain + plain.split("\n", 1)[1].replace("Ticket", "Note").join(("text,label\n", ""))
    nul = plain.replace("Ticket 7 is", "Ticket 7\x00is")
    marked = f"{plain}\ufeff{plain}"
    drawn = " text | label\n------+-------\n" + unquoted(table(), "|").split("\n", 1)[1]
    padded = "\n".join(f" {text} | {label:10}" for text, label in tickets())
    counted = f" text | label\n------+-------\n{padded}\n({ROWS} rows)\n\n"
    headless = "text\n" + plain.split("\n", 1)[1]
    hollow = plain.replace("\n", ",,\n")
    return [
        case("semicolons", "a.csv", csv_text(sep=";"), Read(rows=ROWS, classes=CLASSES, notes=("semicolon",))),
        case("semicolons and commas", "a.csv", csv_text(commas, sep=";"), FINE),
        case("semicolons, decimal commas", "a.csv", decimal, FINE),
        case("tabs named csv", "a.csv", csv_text(sep="\t"), FINE),
        case("bars", "a.csv", csv_text(sep="|"), FINE),
        case("carets", "a.csv", csv_text(sep="^"), FINE),
        case("tildes", "a.txt", csv_text(sep="~"), FINE),
        case("colons", "a.csv", csv_text(sep=":"), FINE),
        case("unit separators", "a.csv", csv_text(sep="\x1f"), FINE),
        case("commas named tsv", "a.tsv", plain, FINE),
        case("tabs named txt", "a.txt", csv_text(sep="\t"), FINE),
        case("semicolons, a row of three", "a.csv", csv_text(sep=";").replace("Ticket 7 is", "Ticket; 7 is"),
             Refused(place="line 9: 3 fields", value="Ticket; 7", cure="semicolon")),
        case("sep=, line", "a.csv", "sep=,\n" + plain, FINE),
        case("sep=; line", "a.csv", "sep=;\r\n" + csv_text(sep=";"), FINE),
        case("sep= of a tab", "a.csv", '"sep=\t"\n' + csv_text(sep="\t"), FINE),
        case("a column named in another case", "a.csv", plain.replace("label", "Kind", 1),
             Refused(value="'kind'", cure="Did you mean 'Kind'?"), label="kind"),
        case("blank first line", "a.csv", "\n" + plain, FINE),
        case("blank lines between", "a.csv", "\n" + plain.replace("\n", "\n\n"), FINE),
        case("line ends \\r\\n", "a.csv", plain.replace("\n", "\r\n"), FINE),
        case("line ends \\r", "a.csv", plain.replace("\n", "\r"), FINE),
        case("line ends mixed", "a.csv", mixed, FINE),
        case("spaces in the header", "a.csv", csv_text(spaced),
             Read(rows=ROWS, classes=CLASSES, notes=("' text', 'label '",))),
        case("zero-width space in the header", "a.csv", "\u200b" + plain, FINE),
        case("two columns of one name", "a.csv", csv_text(doubled),
             Refused(place="line 1", value="'text'", cure="Rename or remove")),
        case("no header", "a.csv", csv_text(header=False),
             Refused(place="line 1", value="'account'", cure="line of column names")),
        case("comma at every line's end", "a.csv", plain.replace("\n", ",\n"), FINE),
        case("two hollow columns", "a.csv", hollow, FINE),
        case("index column", "a.csv", table().to_csv(), FINE),
        case("rows without content", "a.csv", plain + ",\n,\n", Read(rows=ROWS, notes=("any content left out: 2",))),
        case("header repeated below", "a.csv", again, Read(rows=2 * ROWS, classes=CLASSES, notes=("line 62",))),
        case("tabs and blanks below the header", "a.tsv", "text\tlabel\n \t \t \n",
             Refused(place="line 2", value="3 fields", cure="Most lines have 3 fields")),
        case("header repeated below, with a mark", "a.csv", marked,
             Read(rows=2 * ROWS, classes=CLASSES, notes=("repetitions of the header left out: 1",))),
        case("line of dashes below the header", "a.txt", drawn,
             Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)}, notes=("line of dashes",))),
        case("a table as PostgreSQL's client draws it", "a.txt", counted, Read(
            rows=ROWS, classes=CLASSES, probes={"text": (PROBE,), "label": ("account",)}, notes=("line of dashes",))),
        case("dashes for a text and its label", "a.tsv", plain.replace(",", "\t").replace("\n", "\n---\t--\n", 1),
             Read(rows=ROWS, classes=CLASSES, notes=("line 2 has '--'",))),
        case("sign of DOS at the end", "a.csv", f"{plain}\x1a", FINE),
        case("title above the header", "a.csv", f"Tickets of May\n\n{plain}",
             Refused(place="line 3", value="text,label", cure="Remove what stands above the column names")),
        case("a name for two columns", "a.csv", headless,
             Refused(place="line 2", value="2 fields", cure="Most lines have 2 fields: line 1 must name each")),
        case("a row of three fields", "a.csv", ragged,
             Refused(place="line 12: 3 fields", value="well, now", cure="quotes")),
        case("a row of one field", "a.csv", short, Refused(place="line 12: 1 fields", value="well", cure="quotes")),
        case("NUL in a text", "a.csv", nul, Read(rows=ROWS, probes={"text": ("Ticket 7\x00is" + PROBE[11:],)})),
        case("header only", "a.csv", "text,label\n", Refused(place="a.csv", value="'text', 'label'")),
        case("empty file", "a.csv", "", Refused(place="a.csv is empty", cure="line of column names")),
        case("blank lines only", "a.csv", "\n\n \n", Refused(place="a.csv is empty", cure="line of column names")),
        case("web page named csv", "a.csv", "<!DOCTYPE html><html></html>", Refused(place="a.csv", value="web page")),
        case("Git LFS pointer", "a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
             Refused(place="a.csv", value="LFS pointer", cure="git lfs pull")),
    ]  # fmt: skip


def quoted_everywhere() -> str:
    """Return the tickets as Python's csv module writes them with quotes around texts only."""
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_NONNUMERIC).writerows([("text", "label"), *tickets()])
    return target.getvalue()


CASES = [
    case("plain.csv", "plain.csv", csv_text(), FINE),
    case("quotes around all texts", "a.csv", quoted_everywhere(), FINE),
    *line_end_cases(),
    *quote_cases(),
    *dialect_cases(),
]
