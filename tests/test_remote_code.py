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
LOADERS = {
    "from_pretrained",
    "from_config",
    "pipeline",
    "load_dataset",
    "SentenceTransformer",
    "CrossEncoder",
}
"""Functions of transformers, datasets and sentence-transformers that know `trust_remote_code`."""
PICKLES = {"torch.load", "pickle.load", "pickle.loads", "joblib.load"}
ARRAYS = {"np.load", "numpy.load"}
"""Read arrays only if they are told so in the call itself."""
CODELESS = {"PeftModel.from_pretrained"}
"""Adapters are weights and settings; peft has no code from outside, and does not know the argument."""


def calls_in(source: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]


def calls(path: Path) -> list[ast.Call]:
    return calls_in(path.read_text(encoding="utf-8"))


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


def refuses(call: ast.Call, argument: str) -> bool:
    for keyword in call.keywords:
        if keyword.arg == argument:
            return isinstance(keyword.value, ast.Constant) and keyword.value.value is False
    return False


def refuses_code(call: ast.Call) -> bool:
    return refuses(call, "trust_remote_code")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_loader_refuses_remote_code(path: Path) -> None:
    for call in calls(path):
        name = name_of(call)
        assert name not in PICKLES, f"line {call.lineno}: {name} can run code"
        if name in ARRAYS:
            assert refuses(call, "allow_pickle"), (
                f"line {call.lineno}: {name} lacks allow_pickle=False"
            )
        if name.rpartition(".")[2] in LOADERS and name not in CODELESS:
            assert refuses_code(call), f"line {call.lineno}: {name} lacks trust_remote_code=False"


def test_models_are_loaded_in_one_place() -> None:
    loaders = {"from_pretrained", "from_config"}
    files = {
        path.name
        for path in FILES
        for call in calls(path)
        if name_of(call).rpartition(".")[2] in loaders
    }
    assert files == {DOOR}


@pytest.mark.parametrize(
    "line",
    [
        "AutoConfig.from_pretrained(folder)",
        "pipeline('x', trust_remote_code=True)",
        "load_dataset(name, **how)",
    ],
)
def test_a_call_that_asks_or_trusts_would_be_found(line: str) -> None:
    (call,) = calls_in(line)
    assert name_of(call).rpartition(".")[2] in LOADERS
    assert not refuses_code(call)


@pytest.mark.parametrize(
    ("line", "is_safe"), [("np.load(path)", False), ("np.load(path, allow_pickle=False)", True)]
)
def test_arrays_are_read_without_pickles(line: str, is_safe: bool) -> None:
    (call,) = calls_in(line)
    assert name_of(call) in ARRAYS and refuses(call, "allow_pickle") is is_safe
