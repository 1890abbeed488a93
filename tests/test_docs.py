"""The pages of the documentation hold together: links lead somewhere, and the menu has every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from docs.tools.site import (
    DOCS,
    REPOSITORY,
    anchors_of,
    linked_from_elsewhere,
    links_of,
    on_page_markdown,
    pages,
    path_at,
    place_of,
)
from tests.pages import Block, blocks_of, script_of, shows

PAGES = [*pages(), *(path for path in linked_from_elsewhere() if path.endswith(".md"))]
TUTORIALS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.md"))
LANGUAGES = {"bash", "python", "toml", "text"}


class Loader(yaml.SafeLoader):
    """Read MkDocs' configuration, which names a function of Python."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def menu() -> list[str]:
    """Return the pages of the site's menu."""
    text = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    # Safe: tags of Python become their names.
    configuration = yaml.load(text, Loader)
    entries: list[str] = []
    waiting = [configuration["nav"]]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            entries.append(part)
        else:
            waiting.extend(part.values() if isinstance(part, dict) else part)
    return entries


def test_there_are_links_to_look_at() -> None:
    links = [link for page in PAGES for link in links_of(page)]
    assert len(links) > 80 and sum(bool(link.anchor) for link in links) >= 10


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    broken = []
    for link in links_of(page):
        target = REPOSITORY / link.path
        if not target.exists():
            broken.append(f"{link.target}: no such file")
        elif link.anchor and link.anchor not in anchors_of(link.path):
            broken.append(f"{link.target}: no such heading")
    assert broken == []


def test_headings_are_named_as_github_does() -> None:
    anchors = anchors_of("docs/extending.md")
    assert "a-form-tasksformsnamepy-and-finetuningformsnamepy" in anchors
    assert "3-the-sampler-xautolm" in anchors_of("docs/experience.md")


def test_code_has_no_headings_and_no_links() -> None:
    # A script for Slurm, whose comments begin with a hash.
    assert not any("sbatch" in anchor for anchor in anchors_of("docs/many-machines.md"))
    assert all("lambda" not in link.target for page in PAGES for link in links_of(page))


def test_the_menu_has_every_page_once() -> None:
    in_docs = [place_of(page) for page in pages()]
    assert sorted(menu()) == sorted(in_docs)


def test_a_place_of_the_site_is_of_one_file() -> None:
    for path in ("README.md", "docs/gpus.md", "docs/tutorials/own-data.md", "CHANGELOG.md"):
        assert path_at(place_of(path)) == path


def test_links_are_moved_to_where_the_site_has_their_files() -> None:
    class File:
        src_uri = "tutorials/own-data.md"

    class Page:
        file = File

    text = (
        "[a](../../README.md) [b](../gpus.md#which-gpus) [c](../../CHANGELOG.md) [d](#here) "
        "[e](https://example.org/x) `[f](../gpus.md)`"
    )
    moved = on_page_markdown(text, Page)
    assert moved == (
        "[a](../index.md) [b](../gpus.md#which-gpus) [c](../repository/CHANGELOG.md) [d](#here) "
        "[e](https://example.org/x) `[f](../gpus.md)`"
    )


def test_pictures_fetch_nothing() -> None:
    for picture in REPOSITORY.glob("docs/**/*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|href=)[\"']?https?:", text), picture.name


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_says_of_each_block_what_it_is(page: Path) -> None:
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    fences = page.read_text(encoding="utf-8").count("\n```")
    assert fences == 2 * len(blocks), "a block that no test sees"
    for block in blocks:
        assert block.language in LANGUAGES, block
        # Whatever is only to be saved has a name.
        assert block.language != "toml" or block.file, block
        assert not block.is_output or not block.remark, block
    run = [block for block in blocks if not block.is_output and not block.why_not_run]
    shown = [block for block in blocks if block.is_output]
    assert len(run) >= 3 and len(shown) >= 2


def test_the_tutorials_are_seven() -> None:
    assert len(TUTORIALS) == 7
    readme = {link.path for link in links_of("README.md")}
    assert {f"{DOCS}tutorials/{page.name}" for page in TUTORIALS} <= readme


def test_blocks_are_read_with_their_remarks() -> None:
    text = (
        "<!-- file: a/b.py -->\n```python\nx = 1\n```\n\n<!-- exits: 2 -->\n```bash\nfalse\n```\n"
        "\n<!-- not run: wants a GPU -->\n```bash\nrun\n```\n\n```text\nout\n```\n"
    )
    file, refused, left_out, output = blocks_of(text)
    assert file == Block("python", "x = 1\n", "file: a/b.py") and file.file == "a/b.py"
    assert refused.status == 2 and not refused.file
    assert left_out.why_not_run == "wants a GPU" and left_out.status == 0
    assert output.is_output
    script = script_of([file, refused])
    assert "cat > 'a/b.py'" in script and "run" not in script.split()


@pytest.mark.parametrize(
    ("expected", "output", "missing"),
    [
        ("a 1\nb 2 s", "x\na 33\nb 1 min 2 s\n", ""),
        ("b\na", "a\nb\n", "a"),
        ("run folder .../runs/a", "run folder /home/ada/runs/a\n", ""),
        ("f1 0.8\n...\nend", "f1 0.91\nmore\nend\n", ""),
        ("best  model", "best model\n", ""),
        ("best model", "best models\n", "best model"),
        ("lr 1e-05", "lr 0.0002\n", ""),
    ],
)
def test_output_is_compared_without_its_numbers(expected: str, output: str, missing: str) -> None:
    assert shows(expected, output) == missing


def test_what_a_budget_brought_is_what_was_measured() -> None:
    """Compare the tutorial's table with the results of the benchmark."""
    tutorial = (REPOSITORY / "docs/tutorials/what-a-budget-buys.md").read_text(encoding="utf-8")
    results = (REPOSITORY / "benchmarks/first_minute.md").read_text(encoding="utf-8")
    measured: dict[tuple[str, str], list[str]] = {}
    for line in results.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[1].endswith(("min", "s")):
            # Macro F1; accuracy follows in brackets.
            measured[cells[0], cells[1]] = [cell.partition(" ")[0] for cell in cells[2:]]
    rows = re.findall(
        r"^\| (\w[^|]+) \| (0[^|]+) \| ([^|]+) \| ([^|]*)\| ([^|]+) \|$", tutorial, re.MULTILINE
    )
    assert len(rows) == 8
    for name, minute, five, fifteen, baseline in rows:
        key = re.sub(r"[ -]", "_", name.partition(",")[0].lower())
        key = {"sst_2": "sst2", "sst_5": "sst5"}.get(key, key)
        *baselines, ours = measured[key, "5 min"]
        assert (ours, baseline) == (five, max(score for score in baselines if score != "-"))
        assert measured[key, "1 min"][-1] == minute
        assert measured[key, "15 min"][-1] == fifteen.strip()
