"""Pages of the documentation as a shell runs them: their blocks of code in order, and what they say comes out.

`python -m tests.pages docs/tutorials/first-model.md` runs a page in a new folder and prints what comes out, for who
writes one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.postgres import PostgresServer, binaries

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
BLOCK = re.compile(
    r"""
    (?:^<!--\ (?P<remark>.+?)\ -->\n)?
    ^```(?P<language>\w*)\n(?P<source>.*?)^```$
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e-?\d+)?")
DURATION = re.compile(r"#(?: (?:h|min|s|ms|ns))+(?: # (?:min|s))*")
TEAM_STORE = "postgresql+psycopg://ada:password@db.example.org:5432/experience"
"""The store of the tutorial, which a server of the test takes the place of."""
END = "--- end of block ---"
"""Is printed after each block, to tell what comes out of which."""

PRELUDE = """
set -eu
exec 2>&1
xautolm() { "$PYTHON" -m "${PROGRAM:-xautolm}" "$@"; }
python() { "$PYTHON" "$@"; }
# A package of the reader's own is really built and installed, into a folder of the test and without a network.
pip() { "$PYTHON" -m pip "$@" --quiet --no-index --no-build-isolation --no-deps --target "$PACKAGES"; }
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page.

    A comment directly above it may say `file: NAME` (it is the content of a file), `exits: STATUS` (the command is
    refused), or `not run: WHY`.
    """

    language: str
    source: str
    remark: str = ""

    @property
    def file(self) -> str:
        """Return the name of the file that the block is the content of; empty for none."""
        return self._remark_on("file")

    @property
    def status(self) -> int:
        """Return the exit status of its last command."""
        return int(self._remark_on("exits") or 0)

    @property
    def why_not_run(self) -> str:
        """Return why no test runs it; empty where one does."""
        return self._remark_on("not run")

    @property
    def is_output(self) -> bool:
        """Return whether it shows what comes out of the block before it."""
        return self.language == "text"

    def _remark_on(self, subject: str) -> str:
        name, _, value = self.remark.partition(": ")
        return value if name == subject else ""

    def command(self) -> str:
        """Return what a shell does with it."""
        if self.file:
            folder = Path(self.file).parent
            return f"mkdir -p '{folder}'\ncat > '{self.file}' <<'END_OF_FILE'\n{self.source}END_OF_FILE\n"
        if self.language == "python":
            return f"python - <<'END_OF_FILE'\n{self.source}END_OF_FILE\n"
        return self.source


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of code of a page in Markdown."""
    blocks = []
    for match in BLOCK.finditer(text):
        blocks.append(Block(match["language"], match["source"], match["remark"] or ""))
    return blocks


def commands_of(blocks: list[Block]) -> list[Block]:
    """Return the blocks that a reader runs or saves, in order, without what no test can run."""
    return [block for block in blocks if not block.is_output and not block.why_not_run]


def script_of(blocks: list[Block]) -> str:
    """Return a script of all commands, which share a shell as those of a reader do."""
    parts = [PRELUDE]
    for block in blocks:
        if block.status:
            parts.append(f"status=0\n{{\n{block.command()}}} || status=$?\n")
            parts.append(f'[ "$status" = {block.status} ] || {{ echo "exit $status"; exit 1; }}\n')
        else:
            parts.append(block.command())
        parts.append(f"echo '{END}'\n")
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands in for what a page takes for granted, and a test does not have."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Texts of the page, and what takes their place."""


@contextmanager
def setting_of(page: Path) -> Iterator[Setting]:
    """Give a page what it takes for granted: GPUs that are made up, and a server that is real.

    Raises:
        LookupError: There are no programs of PostgreSQL here.
    """
    if page.name == "several-gpus.md":
        yield Setting(variables={"PROGRAM": "tests.faked_gpus"})
    elif page.name == "team-store.md":
        programs = binaries()
        if programs is None:
            raise LookupError("no package carries PostgreSQL for this system")
        with closing(PostgresServer(programs)) as server:
            server.start()
            yield Setting(replaced={TEAM_STORE: server.url})
    else:
        yield Setting()


def outputs_of(page: Path, folder: Path, setting: Setting) -> list[str]:
    """Run a page in a folder, and return what comes out of each of its commands, errors included.

    Args:
        page: In Markdown.
        folder: The working folder; a home for the reader is made in it.
        setting: What stands in for what is not here.
    """
    text = page.read_text(encoding="utf-8")
    for words, substitute in setting.replaced.items():
        assert words in text, f"{page.name} has no {words!r}"
        text = text.replace(words, substitute)
    script = script_of(commands_of(blocks_of(text)))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(folder) | setting.variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return done.stdout.split(f"{END}\n")[:-1]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a reader who has just installed this package, without a network."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("XAUTOLM_")}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    packages = folder / "packages"
    source = REPOSITORY / "src"
    return own | {
        "PYTHON": sys.executable,
        "PACKAGES": str(packages),
        "PYTHONPATH": os.pathsep.join(map(str, (source, REPOSITORY, packages))),
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XAUTOLM_CACHE": str(home / "cache"),
        "HF_HOME": str(home / "hub"),
        "HF_HUB_OFFLINE": "1",
        # Some seconds for each data set, for a vector that no page shows.
        "XAUTOLM_SENTENCES": "off",
        "COLUMNS": "110",
    }


def shows(expected: str, output: str) -> str:
    """Return the first line that a page shows and that does not come out; empty if all do, in this order.

    Numbers may differ, and `...` stands for anything, on a line of its own for any lines.
    """
    lines = iter([_without_numbers(line) for line in output.splitlines()])
    for line in expected.splitlines():
        if line.strip() in {"", "..."}:
            continue
        parts = [re.escape(part) for part in _without_numbers(line).split("...")]
        pattern = re.compile(".*".join(parts))
        if not any(pattern.fullmatch(printed) for printed in lines):
            return line
    return ""


def _without_numbers(line: str) -> str:
    """Return a line with its numbers and durations made alike, and its spaces and rules single."""
    numbered = NUMBER.sub("#", line)
    timed = DURATION.sub("TIME", numbered)
    return re.sub(r"\s+", " ", re.sub(r"[─━]+", "─", timed)).strip()


def main() -> None:
    """Run a page and print it, each block with what comes out."""
    page = Path(sys.argv[1])
    commands = commands_of(blocks_of(page.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder, setting_of(page) as setting:
        outputs = outputs_of(page, Path(folder), setting)
    for block, output in zip(commands, outputs, strict=True):
        print(block.source, output, sep="\n>>>\n")


if __name__ == "__main__":
    main()
