"""No call that can run a stranger's Python code leaves it to a question on the terminal whether to."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import xautolm

ROOT = Path(xautolm.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
DOOR = "pretrained.py"
"""The only file that loads models and tokenizers."""
LOADERS = {"from_pretrained", "from_config", "pipeline", "load_dataset", "SentenceTransformer", "CrossEncoder"}
"""Functions of transformers, datasets and sentence-transformers that know `trust_remote_code`."""
PICKLES = {"torch.load", "pickle.load", "pickle.loads", "joblib.load", "np.load", "numpy.load"}
CODELESS = {"PeftModel.from_pretrained"}
"""Adapters are weights and settings; peft has no code from outside, and does not know the argument."""


def calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


def refuses_code(call: ast.Call) -> bool:
    for keyword in call.keywords:
        if keyword.arg == "trust_remote_code":
            return isinstance(keyword.value, ast.Constant) and keyword.value.value is False
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_loader_refuses_remote_code(path: Path) -> None:
    for call in calls(path):
        name = name_of(call)
        assert name not in PICKLES, f"line {call.lineno}: {name} can run code"
        if name.rpartition(".")[2] in LOADERS and name not in CODELESS:
            assert refuses_code(call), f"line {call.lineno}: {name} lacks trust_remote_code=False"


def test_models_are_loaded_in_one_place() -> None:
    loaders = {"from_pretrained", "from_config"}
    files = {path.name for path in FILES for call in calls(path) if name_of(call).rpartition(".")[2] in loaders}
    assert files == {DOOR}


@pytest.mark.parametrize(
    "line", ["AutoConfig.from_pretrained(folder)", "pipeline('x', trust_remote_code=True)", "load_dataset(name, **how)"]
)
def test_a_call_that_asks_or_trusts_would_be_found(line: str) -> None:
    (call,) = [node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call)]
    assert name_of(call).rpartition(".")[2] in LOADERS
    assert not refuses_code(call)
