"""`xautolm experience`: what is damaged is said, looked at and deleted; nothing is made by looking."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.poison import EXTREMES, KINDS, poison
from xautolm.cli import main
from xautolm.experience import ExperienceStore
from xautolm.printable import printable
from xautolm.records import Experience

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a subcommand: its exit code, and what it wrote to both streams."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["xautolm", "experience", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def path(experience: Experience, tmp_path: Path) -> Path:
    """A store with three sound experiences of two runs, and one record of each kind of damage and oddity."""
    path = tmp_path / "s.db"
    second = replace(experience, id="b2" * 12, trial=4, alias="liar_warmstart")
    third = replace(
        experience, id="c3" * 12, run="run-2", data=replace(experience.data, name="liar")
    )
    with ExperienceStore(path) as store:
        store.add([experience, second, third])
    poison(path, replace(experience, run="poisoned"), (*KINDS, *EXTREMES))
    return path


DAMAGED = len(KINDS)
SOUND = 3 + len(EXTREMES)
LEFT_OUT = f"{DAMAGED} damaged records of the experience store left out; see `xautolm experience list --damaged`\n"


def test_looking_at_a_poisoned_store(call: Call, path: Path, tmp_path: Path) -> None:
    code, shown, said = call("list", "--store", path, "--limit", 1000)
    assert code == 0 and said == LEFT_OUT
    assert len(shown.splitlines()) == 1 + SOUND and printable(shown) == shown
    code, shown, said = call("stats", "--store", path)
    assert code == 0 and shown.startswith(f"{SOUND} experiences in ") and said == LEFT_OUT
    assert printable(shown) == shown
    code, shown, said = call("show", "a1a1", "--store", path)
    assert code == 0 and json.loads(shown)["trial"] == 3 and said == ""
    code, shown, said = call("show", "dead", "--store", path)
    assert code == 2 and "Several experiences" in said
    code, shown, said = call("show", f"dead{0:020x}", "--store", path)
    assert code == 2 and "is damaged" in said and "objectives" in said


def test_the_damaged_are_listed_with_their_problem(call: Call, path: Path) -> None:
    code, shown, said = call("list", "--damaged", "--store", path, "--limit", 1000)
    assert code == 0 and said == LEFT_OUT
    assert len(shown.splitlines()) == 1 + DAMAGED
    assert "data.fingerprint is '../../x', which is not hexadecimal" in shown
    assert printable(shown) == shown


@pytest.mark.parametrize("command", [["list"], ["export", "shared.jsonl"]])
def test_a_task_that_the_store_has_can_be_asked_for(
    call: Call,
    experience: Experience,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.db"
    with ExperienceStore(path) as store:
        store.add([replace(experience, task="cooking")])
    code, shown, _ = call(*command, "--task", "cooking", "--store", path)
    assert code == 0 and ("a1a1" in shown or shown.startswith("1 experiences"))
    code, _, said = call(*command, "--task", "cookery", "--store", path)
    assert code == 2 and "Unknown task" in said


def test_exporting_and_merging_a_poisoned_store(call: Call, path: Path, tmp_path: Path) -> None:
    code, shown, said = call("export", tmp_path / "shared.jsonl", "--store", path)
    assert code == 0 and shown.startswith(f"{SOUND} experiences in") and said == LEFT_OUT
    code, shown, said = call(
        "import", tmp_path / "shared.jsonl", "--store", tmp_path / "imported.db"
    )
    assert code == 0 and shown.startswith(f"{SOUND} added, 0 known already, 0 skipped")
    code, shown, said = call("merge", path, "--store", tmp_path / "merged.db")
    assert code == 0 and shown.startswith(f"{SOUND} added, 0 known already") and said == LEFT_OUT
    code, shown, said = call("list", "--store", tmp_path / "merged.db")
    assert code == 0 and said == ""


def test_terminal_escapes_in_what_was_imported_stay_out_of_the_terminal(
    call: Call, path: Path, tmp_path: Path
) -> None:
    identity = f"dead{(*KINDS, *EXTREMES).index('terminal escapes'):020x}"
    code, shown, _ = call("show", identity, "--store", path)
    assert code == 0 and json.loads(shown)["data"]["name"] == "\x1b[2J\x1b]0;owned\x07"
    assert printable(shown) == shown
    (tmp_path / "a.jsonl").write_text('{"id": "\x1b[2J"}\n{"\\u001b[31mx": 1}\n')
    code, _, said = call("import", tmp_path / "a.jsonl", "--store", tmp_path / "a.db")
    assert code == 0 and said.count("skipped") == 2 and printable(said) == said


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (["a1a1"], 1),
        (["a1a1", "b2b2"], 2),
        (["--run", "run-1"], 2),
        (["--alias", "liar_warmstart"], 1),
        (["--data", "liar"], 1),
        (["--run", "run-1", "--data", "liar"], 0),
        (["--damaged"], DAMAGED),
        (["--damaged", "--run", "run-1"], 0),
        (["a1a1", "--damaged"], 0),
        (["--run", "nobody's"], 0),
    ],
)
def test_deleting(call: Call, path: Path, selection: list[str], count: int) -> None:
    with ExperienceStore(path) as store:
        before = len(store)
    code, shown, said = call("delete", *selection, "--yes", "--store", path)
    if count:
        assert code == 0 and shown.startswith(f"{count} experiences deleted")
    else:
        assert code == 2 and "No such experience" in said
    with ExperienceStore(path) as store:
        assert len(store) == before - count


def test_deleting_asks(call: Call, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, shown, _ = call("delete", "--run", "run-1", "--store", path)
    assert code == 1 and "Delete 2 experiences for good" in shown
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, shown, _ = call("delete", "--run", "run-1", "--store", path)
    assert code == 0 and "2 experiences deleted" in shown


def test_deleting_needs_to_be_told_what(call: Call, path: Path) -> None:
    code, _, said = call("delete", "--yes", "--store", path)
    assert code == 2 and "--damaged" in said
    code, _, said = call("delete", "", "--yes", "--store", path)
    assert code == 2 and "No such experience" in said
    code, _, said = call("delete", "dead", "--yes", "--store", path)
    assert code == 2 and "Several" in said


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "--damaged"],
        ["stats"],
        ["show", "a"],
        ["export", "x.jsonl"],
        ["delete", "a", "--yes"],
    ],
)
def test_looking_into_a_store_that_is_not_there_makes_none(
    call: Call, tmp_path: Path, command: list[str]
) -> None:
    code, _, said = call(*command, "--store", tmp_path / "sub" / "typo.db")
    assert code == 2 and "There is no experience store here" in said and "typo.db" in said
    assert not (tmp_path / "sub").exists() and not Path("x.jsonl").exists()


def test_merging_a_store_that_is_not_there_makes_neither(call: Call, tmp_path: Path) -> None:
    code, _, said = call("merge", tmp_path / "typo.db", "--store", tmp_path / "own.db")
    assert code == 2 and "There is no experience store here" in said
    assert not list(tmp_path.glob("*.db"))


def test_adding_to_a_store_that_may_not_be_written_to(
    call: Call, path: Path, tmp_path: Path
) -> None:
    call("export", tmp_path / "shared.jsonl", "--store", path)
    path.chmod(0o444)
    for command in (
        ["import", tmp_path / "shared.jsonl"],
        ["merge", path],
        ["delete", "a1a1", "--yes"],
    ):
        code, _, said = call(*command, "--store", path)
        assert code == 2 and "may not be written to" in said, command
    code, shown, _ = call("list", "--store", path)
    assert code == 0 and "run" not in shown and "made-up" in shown


@pytest.mark.parametrize("name", ["none/x.jsonl", "none/x.parquet", "folder.jsonl"])
def test_exporting_to_where_nothing_can_be_written(
    call: Call, path: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    code, _, said = call("export", tmp_path / name, "--store", path)
    assert code == 2 and "cannot be written" in said


def test_a_table_of_something_else_is_no_experience(call: Call, tmp_path: Path) -> None:
    import pandas as pd

    pd.DataFrame({"text": ["a"], "label": ["b"]}).to_parquet(tmp_path / "train.parquet")
    code, _, said = call("import", tmp_path / "train.parquet", "--store", tmp_path / "s.db")
    assert code == 2 and "Not a Parquet file of experiences" in said
    pd.DataFrame({"record": [1, 2]}).to_parquet(tmp_path / "numbers.parquet")
    code, shown, _ = call("import", tmp_path / "numbers.parquet", "--store", tmp_path / "s.db")
    assert code == 0 and shown.startswith("0 added, 0 known already, 2 skipped")


@pytest.mark.parametrize(
    ("option", "known"), [("--status=completed", "complete"), ("--task=text-class", "text-")]
)
def test_a_misspelt_filter_is_refused_and_empties_no_file(
    call: Call, path: Path, tmp_path: Path, option: str, known: str
) -> None:
    shared = tmp_path / "shared.jsonl"
    call("export", shared, "--store", path)
    content = shared.read_text()
    for command in (["export", shared], ["list"]):
        code, _, said = call(*command, option, "--store", path)
        assert code == 2 and "Did you mean" in said and known in said, command
    assert content and shared.read_text() == content
