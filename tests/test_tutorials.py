"""Every tutorial runs as it stands, and what it shows comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import DOCS, blocks_of, commands_of, outputs_of, setting_of, shows

TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    try:
        with setting_of(page) as setting:
            outputs = outputs_of(page, folder, setting)
    except LookupError as missing:
        pytest.skip(str(missing))
    assert len(outputs) == len(commands_of(blocks))
    waiting = iter(outputs)
    source = output = ""
    for block in blocks:
        if block.is_output:
            missing = shows(block.source, output)
            assert missing == "", f"{source}\ngave\n{output}"
        else:
            source = block.source
            # What no test runs shows no output.
            output = "" if block.why_not_run else next(waiting)
