"""The page of the experience store: what it says, how it is filtered, and what is said of a store that is not there."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.report.pages import made_up_run
from tests.test_watching import asked, serving
from xautolm.experience import ExperienceStore
from xautolm.experience.overview import groups_of, newest_lines
from xautolm.metalearning import own_features, task_map
from xautolm.metalearning.task_map import classical_scaling
from xautolm.records import Configuration, Experience, Failure, TrialOutcome, digest_of
from xautolm.report.page import StoreFilter, store_fields, store_sections
from xautolm.report.page.blocks import Table
from xautolm.run_folder import RunFolder
from xautolm.store_view import StoreView, is_asked
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import FailureKind, TrialStatus
from xautolm.watching import WatchServer

EVIL = "<script>alert('data')</script>&\"x"
"""A name of a data set that would run if it were not escaped."""
FAILED = TrialOutcome(
    status=TrialStatus.FAILED, failure=Failure(kind=FailureKind.OUT_OF_MEMORY, message="large")
)


def trial(number: int, data: str, model: str, outcome: TrialOutcome, place: float) -> Experience:
    """Return an experience on data of a name, whose one meta-feature says where it lies."""
    values = {"model": model, "method": "full.v1", "n": number}
    experience = made_up_experience(number, Configuration(values=values, space="toy.v1"), outcome)
    fingerprint = digest_of(data)[:16]
    profile = replace(
        experience.data, name=data, fingerprint=fingerprint, source_fingerprint=fingerprint
    )
    return replace(
        experience,
        data=profile,
        features=own_features({"size": place}),
        created=f"2026-11-{number % 28 + 1:02d}T10:00:00+00:00",
    )


@pytest.fixture
def location(tmp_path: Path) -> str:
    """Fill a store: three data sets on a line, one of them with failures."""
    location = str(tmp_path / "own.db")
    trials = []
    for number in range(12):
        data, place = (("tickets", 1.0), ("reviews", 10.0), (EVIL, 100.0))[number % 3]
        outcome = FAILED if number % 3 == 1 and number > 3 else success(f1_macro=0.5 + number / 100)
        model = "tiny" if number < 8 else "Large_100%"
        trials.append(trial(number, data, model, outcome, place))
    with ExperienceStore(location) as store:
        store.add(trials)
    return location


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a run that has only begun."""
    folder = RunFolder(tmp_path / "run")
    folder.data.mkdir(parents=True)
    folder.write_info(made_up_run().info)
    return folder.root


@pytest.fixture
def server(run: Path, location: str) -> Iterator[WatchServer]:
    with serving(run, location) as server:
        yield server


def test_the_page_of_the_store_is_reached_from_that_of_a_run(server: WatchServer) -> None:
    _, page, _ = asked(server, "/")
    assert '<a href="/store">Experience store</a>' in page
    status, page, headers = asked(server, "/store")
    assert status == 200 and headers["X-Frame-Options"] == "DENY"
    for text in ("<b>12</b>", "tickets", "reviews", "out_of_memory", "Failures by kind (3)"):
        assert text in page
    # Three data sets with meta-features in common: a picture, in which nothing of them is a tag.
    assert "Data sets of text-classification by distance" in page and 'class="plot"' in page
    assert EVIL not in page and "<script>alert" not in page
    assert "&lt;script&gt;alert" in page and "http://" not in page and "https://" not in page


def test_it_is_filtered_and_searched(server: WatchServer) -> None:
    _, page, _ = asked(server, "/store?data=reviews&failure=out_of_memory")
    assert "<b>3</b>" in page and "of 12" in page and '<option value="reviews" selected>' in page
    assert "0.5100" not in page
    # Signs that mean anything in a pattern of SQL mean themselves.
    _, page, _ = asked(server, "/store?text=100%25")
    assert "<b>4</b>" in page and 'value="100%"' in page
    _, page, _ = asked(server, "/store?text=LARGE_")
    assert "<b>4</b>" in page
    _, page, _ = asked(server, "/store?text=%3Cscript%3E")
    assert 'value="&lt;script&gt;"' in page and "<b>4</b>" in page
    _, page, _ = asked(server, "/store?data=nothing")
    assert "No experience matches" in page and '<option value="nothing" selected>' in page
    status, page, _ = asked(server, "/store?record=x")
    assert status == 400 and "filtered by" in page


def test_what_is_added_meanwhile_is_counted(server: WatchServer, location: str) -> None:
    assert "<b>12</b>" in asked(server, "/store")[1]
    with ExperienceStore(location) as store:
        store.add([trial(50, "tickets", "tiny", success(f1_macro=0.9), 1.0)])
    assert "<b>13</b>" in asked(server, "/store")[1]


def test_counts_and_list_agree_on_what_matches(location: str) -> None:
    view = StoreView(location)
    for filtered in (
        StoreFilter(),
        StoreFilter(text="memory"),
        StoreFilter(model="tiny", status="complete"),
        StoreFilter(data=EVIL, text="LARGE"),
    ):
        content = view.content(filtered)
        with ExperienceStore(location) as store:
            matching = [group for group in groups_of(store) if is_asked(group, filtered)]
            lines = newest_lines(store, filtered.columns, filtered.text, matching, 100)
        assert content.matching == len(lines) == len(content.trials)
        assert [line.created for line in lines] == sorted(
            (line.created for line in lines), reverse=True
        )


def test_letters_of_any_alphabet_are_found_in_capitals_or_not(tmp_path: Path) -> None:
    location = str(tmp_path / "own.db")
    names = ("Größe", "GRÖSSE", "данные", "ÜBER")
    with ExperienceStore(location) as store:
        store.add(
            [trial(n, name, "tiny", success(f1_macro=0.5), 1.0) for n, name in enumerate(names)]
        )
    view = StoreView(location)
    for text, count in (("größe", 2), ("ДАННЫЕ", 1), ("über", 1), ("a" * 60_000, 0)):
        content = view.content(StoreFilter(text=text))
        assert (content.matching, len(content.trials)) == (count, count)


def test_the_newest_are_listed_of_however_many_data_sets(tmp_path: Path) -> None:
    location = str(tmp_path / "own.db")
    trials = [trial(n, f"data {n % 7}", "tiny", success(f1_macro=0.5), 1.0) for n in range(28)]
    with ExperienceStore(location) as store:
        store.add(trials)
        for text in ("", "DATA"):
            lines = newest_lines(store, {}, text, groups_of(store), 3)
            assert [line.trial for line in lines] == [27, 26, 25]
        assert newest_lines(store, {}, "nowhere", [], 3) == []


def test_a_damaged_record_is_listed_as_one(server: WatchServer, location: str) -> None:
    with sqlite3.connect(location) as database:
        database.execute("UPDATE experiences SET record = '{}' WHERE trial = 11")
    _, page, _ = asked(server, "/store")
    assert page.count("damaged record") == 1


def test_an_empty_store_and_none_at_all_say_so(run: Path, tmp_path: Path) -> None:
    ExperienceStore(tmp_path / "empty.db").close()
    with serving(run, str(tmp_path / "empty.db")) as server:
        assert "is empty: each search adds its trials" in asked(server, "/store")[1]
    with serving(run, str(tmp_path / "none.db")) as server:
        status, page, _ = asked(server, "/store")
    assert status == 200 and "There is no experience store here" in page
    assert "A search makes the usual store" in page
    # Looking makes none.
    assert not (tmp_path / "none.db").exists()


def test_of_very_many_data_sets_the_largest_are_listed(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.report.page.store.LISTED", 2)
    content = StoreView(location).content(StoreFilter(text="tickets"))
    assert [data.data for data in content.data] == ["tickets"]
    everything = StoreView(location).content(StoreFilter())
    _, tasks, *_ = store_sections(everything)
    table = tasks.blocks[-1]
    assert isinstance(table, Table)
    assert len(table.rows) == 2 and "1 more with fewer trials" in table.note
    (data,) = [field for field in store_fields(everything) if field.name == "data"]
    # Nothing, which asks for all, and the first two by name.
    assert len(data.options) == 3


def test_distances_on_a_plane_are_kept() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(7, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    places, share = classical_scaling(distances)
    again = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert np.allclose(again, distances) and math.isclose(share, 1.0)
    assert classical_scaling(np.zeros((1, 1)))[0].tolist() == [[0.0, 0.0]]


def test_tasks_that_cannot_be_compared_are_not_on_the_map() -> None:
    samples = [trial(n, f"data {n}", "tiny", success(f1_macro=0.5), 10.0**n) for n in range(4)]
    samples[2] = replace(samples[2], features=own_features({"another": 3.0}))
    plane = task_map(samples)
    assert plane.placed == (0, 1, 3) and plane.places.shape == (3, 2)
    gaps = np.abs(plane.places[:, 0] - plane.places[0, 0])
    assert 0 < gaps[1] < gaps[2]
