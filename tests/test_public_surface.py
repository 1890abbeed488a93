"""What is promised, and how little it loads."""

from __future__ import annotations

import subprocess
import sys

import xautolm

MARK = "-- modules --"


def loaded_by(statement: str) -> set[str]:
    # A help page that the statement prints may hold the names of modules as words.
    code = f"import sys\n{statement}\nprint('{MARK}')\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.partition(MARK)[2].split())


def test_all_is_sorted_and_every_name_is_there() -> None:
    assert xautolm.__all__ == sorted(xautolm.__all__)
    assert all(getattr(xautolm, name) is not None for name in xautolm.__all__)
    assert set(xautolm.__all__) == set(xautolm._HOMES)


def test_importing_the_package_loads_none_of_the_heavy_libraries() -> None:
    heavy = {
        "torch",
        "transformers",
        "pandas",
        "optuna",
        "sqlalchemy",
        "sklearn",
        "plotly",
        "pydantic",
    }
    assert not loaded_by("import xautolm") & heavy


def test_neither_help_nor_the_automl_class_load_torch() -> None:
    heavy = {"torch", "transformers", "pandas", "optuna"}
    help_page = "from xautolm.cli import app\ntry:\n    app(['fit', '--help'])\nexcept SystemExit:\n    pass"
    assert not loaded_by(help_page) & heavy
    assert "torch" not in loaded_by("from xautolm import AutoLM, ExperienceStore")


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(xautolm, "AutoML")
