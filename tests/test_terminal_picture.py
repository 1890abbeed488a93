"""The picture of the terminal shows a search in its middle and how it ended, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pandas as pd

from docs.tools.terminal import Photographer, drawing
from tests.trackers.searches import fit


def test_the_picture_of_a_search(tmp_path: Path, tickets: pd.DataFrame) -> None:
    screen = Photographer()
    auto = fit(tmp_path / "run", tickets, "", screen=screen)
    picture = drawing("xautolm fit tickets.csv", screen, auto.run_)
    # Rich writes spaces as non-breaking ones.
    text = unescape(re.sub(r"<[^>]+>", "", picture)).replace("\xa0", " ")
    assert "$ xautolm fit tickets.csv" in text
    assert "validation split made" in text and f"{tmp_path}/cwd/" not in text
    assert "trial 2" in text and "so far" in text
    assert f"best: trial {auto.best_.trial}, validation" in text
    assert "hyperparameters" not in text
    assert "font-face" not in picture and "url(http" not in picture
