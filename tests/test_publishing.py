"""A push puts the winner on a hub, whole and as private as was asked for, or says in a sentence why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.played import played
from tests.small_hub import SmallHub, small_hub
from xautolm import AutoLM
from xautolm.errors import NoModelError, RunFolderError, UsageError
from xautolm.publishing import Upload, planned_upload, push
from xautolm.run_folder import RunFolder

__all__ = ["small_hub"]
# The hub's own client calls httpx in a way that httpx will give up.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")
NAME = "me/tickets"
TOKEN = "hf_writer"


@pytest.fixture
def hub(small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch) -> SmallHub:
    """A hub at which somebody with the right to write has signed in."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    # Files go to the hub itself, not to a storage of its own protocol.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    # Nobody's own sign-in may reach a test.
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "no-such-file")
    small_hub.writers.add(TOKEN)
    return small_hub


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that was played, with weights in the winner's folder, one of them in a folder of its own."""
    played(tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    (run.best / "model.safetensors").write_bytes(b"weights" * 1000)
    (run.best / "2_Dense").mkdir()
    (run.best / "2_Dense" / "model.safetensors").write_bytes(b"more weights")
    return run


def refusal(upload: Upload) -> str:
    """Return the message of a push that fails."""
    with pytest.raises(UsageError) as caught:
        push(upload)
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    return message


def test_all_files_lie_on_the_hub_in_a_private_repository(hub: SmallHub, run: RunFolder) -> None:
    assert push(planned_upload(run, NAME)) == f"{hub.address}/{NAME}"
    shelf = hub.shelves[NAME]
    assert shelf.private
    files = {}
    for path in run.best.rglob("*"):
        if path.is_file():
            files[path.relative_to(run.best).as_posix()] = path.read_bytes()
    assert {"model.safetensors", "2_Dense/model.safetensors", "xautolm.json"} <= set(files)
    card_here = files.pop("README.md").decode()
    card = shelf.files.pop("README.md").decode()
    assert shelf.files == files
    # The lines of the card load the model from where it lies now; nothing else of it differs.
    assert "PATH_TO_THIS_FOLDER" in card_here and f'"{NAME}"' in card
    assert card == card_here.replace("PATH_TO_THIS_FOLDER", NAME)


def test_the_card_has_a_model_index_with_the_scores(run: RunFolder) -> None:
    upload = planned_upload(run, NAME)
    _, metadata, _ = upload.card.split("---\n", 2)
    (index,) = yaml.safe_load(metadata)["model-index"]
    (result,) = index["results"]
    assert result["task"]["type"] == "text-classification"
    assert {"type": "f1_macro", "value": 0.5, "name": "validation f1_macro"} in result["metrics"]


def test_a_fitted_automl_pushes_its_model(hub: SmallHub, run: RunFolder) -> None:
    auto = AutoLM.load(run.root)
    assert auto.push(NAME) == f"{hub.address}/{NAME}"
    assert hub.shelves[NAME].private
    auto.push("me/open", public=True)
    assert not hub.shelves["me/open"].private


def test_only_who_says_so_pushes_in_public(hub: SmallHub, run: RunFolder) -> None:
    push(planned_upload(run, NAME, is_private=False))
    assert not hub.shelves[NAME].private


@pytest.mark.parametrize(
    ("is_there_private", "cure"), [(False, "say --public"), (True, "leave out --public")]
)
def test_a_repository_of_another_visibility_gets_no_file(
    hub: SmallHub, run: RunFolder, is_there_private: bool, cure: str
) -> None:
    shelf = hub.add(NAME, {}, private=is_there_private)
    message = refusal(planned_upload(run, NAME, is_private=not is_there_private))
    assert f"{NAME} is there, and {'private' if is_there_private else 'public'}" in message
    assert cure in message
    assert shelf.files == {}


def test_a_second_push_deletes_what_only_the_earlier_model_had(
    hub: SmallHub, run: RunFolder
) -> None:
    push(planned_upload(run, NAME))
    shelf = hub.shelves[NAME]
    people_added = {
        "LICENSE": b"mine",
        ".gitattributes": b"* lfs",
        "LICENSE.txt": b"mine",
        "results.json": b"{}",
        "onnx/config.json": b"{}",
    }
    of_the_earlier_model = {
        "generation_config.json": b"{}",
        "vocab.txt": b"words",
        "source.spm": b"pieces",
        "target_vocab.json": b"{}",
        "bpe.codes": b"pairs",
        "additional_chat_templates/tools.jinja": b"{{ messages }}",
    }
    shelf.files |= people_added | of_the_earlier_model
    (run.best / "2_Dense" / "model.safetensors").unlink()
    (run.best / "model.safetensors").write_bytes(b"better weights")
    push(planned_upload(run, NAME))
    assert "2_Dense/model.safetensors" not in shelf.files
    assert shelf.files["model.safetensors"] == b"better weights"
    assert shelf.files["LICENSE"] == b"mine" and ".gitattributes" in shelf.files
    assert people_added.items() <= shelf.files.items()
    assert not of_the_earlier_model.keys() & shelf.files.keys()


def test_a_plan_sends_nothing_and_needs_no_token(
    small_hub: SmallHub, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    upload = planned_upload(run, f"https://huggingface.co/{NAME}")
    assert upload.repository == NAME and upload.is_private and upload.is_final
    assert upload.sizes["model.safetensors"] == 7000
    assert upload.sizes["README.md"] == len(upload.card.encode())
    assert small_hub.requests == []


def test_without_a_token_nothing_is_asked(
    hub: SmallHub, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    message = refusal(planned_upload(run, NAME))
    assert "Nobody has signed in" in message and "HF_TOKEN" in message
    assert hub.requests == []


def test_a_hub_that_is_turned_off(
    hub: SmallHub, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in refusal(planned_upload(run, NAME))
    assert hub.requests == []


def test_a_token_without_the_right_to_write(
    hub: SmallHub, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    message = refusal(planned_upload(run, NAME))
    assert "may not write to what belongs to me" in message and "right to write" in message
    assert TOKEN not in message and "hf_reader" not in message


def test_a_token_that_the_hub_does_not_know(hub: SmallHub, run: RunFolder) -> None:
    hub.add(NAME, {}, private=True, status=401)
    message = refusal(planned_upload(run, NAME))
    assert "does not accept the token" in message and "hf auth login" in message


def test_a_hub_in_trouble(hub: SmallHub, run: RunFolder) -> None:
    hub.add(NAME, {}, private=True, status=500)
    message = refusal(planned_upload(run, NAME))
    assert f"cannot be pushed to {NAME}" in message and "HTTP 500" in message


def test_a_card_that_the_hub_refuses(hub: SmallHub, run: RunFolder) -> None:
    upload = planned_upload(run, NAME)
    message = refusal(replace(upload, card=upload.card.replace("value: 0.5", "value: .nan")))
    assert "Invalid metadata in README.md" in message and "'value': nan" in message
    assert "--dry-run" in message and "network" not in message


@pytest.mark.parametrize(
    ("correct", "wrong", "expected"),
    [
        ("value: 0.5", "value: .nan", "f1_macro .nan"),
        ("type: data-frame", "type: My reviews (2)", "Write type: My-reviews-2 in"),
        ("model-index:", "model-index: [", "cannot be read"),
    ],
)
def test_a_card_that_the_hub_would_refuse_is_refused_before_anything_is_sent(
    hub: SmallHub, run: RunFolder, correct: str, wrong: str, expected: str
) -> None:
    path = run.best / "README.md"
    card = path.read_text(encoding="utf-8")
    assert correct in card
    path.write_text(card.replace(correct, wrong), encoding="utf-8")
    with pytest.raises(UsageError, match=expected):
        planned_upload(run, NAME)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("name", "expected"), [("data frame", "data-frame"), ("2024 01 31", "2024-01-31")]
)
def test_a_type_that_was_the_name_of_the_data_goes_up_as_the_hub_takes_it(
    run: RunFolder, name: str, expected: str
) -> None:
    path = run.best / "README.md"
    card = path.read_text(encoding="utf-8")
    card = card.replace("type: data-frame", f"type: {name}")
    path.write_text(card.replace("name: data frame", f"name: {name}"), encoding="utf-8")
    _, metadata, _ = planned_upload(run, NAME).card.split("---\n", 2)
    (index,) = yaml.safe_load(metadata)["model-index"]
    datasets = [result["dataset"] for result in index["results"]]
    assert {dataset["type"] for dataset in datasets} == {expected}
    assert {dataset["name"] for dataset in datasets} == {name}


@pytest.mark.parametrize(
    ("name", "written"), [("data frame", "|-\n          data frame"), ("&a data frame", "*a")]
)
def test_a_type_whose_end_no_place_tells_is_refused_as_it_stands(
    run: RunFolder, name: str, written: str
) -> None:
    path = run.best / "README.md"
    card = path.read_text(encoding="utf-8").replace("type: data-frame", f"type: {written}")
    path.write_text(card.replace("name: data frame", f"name: {name}"), encoding="utf-8")
    with pytest.raises(UsageError, match="Write type: data-frame in"):
        planned_upload(run, NAME)


@pytest.mark.parametrize(
    ("correct", "edited"),
    [
        ("---\n", "---\nyes: a\n2024-01-01: a\n[a, b]: c\n"),
        ("---\n", "---\nignore_metadata_errors: true\n"),
        ("---\n", "---\nreleased: 2024-13-45\n"),
        ("  - task:", "  - source: abc\n    task:"),
        ("model-index:", "model-index: abc\nothers:"),
        ("type: data-frame", "type: null"),
    ],
)
def test_what_people_add_to_a_card_is_left_to_the_hub(
    run: RunFolder, correct: str, edited: str
) -> None:
    path = run.best / "README.md"
    card = path.read_text(encoding="utf-8")
    assert correct in card
    card = card.replace(correct, edited, 1)
    path.write_text(card, encoding="utf-8")
    assert planned_upload(run, NAME).card == card.replace("PATH_TO_THIS_FOLDER", NAME)


def test_what_the_hub_says_against_a_push_is_told(hub: SmallHub, run: RunFolder) -> None:
    hub.add(NAME, {}, private=True, status=422)
    assert "the hub refuses it (HTTP 422): no" in refusal(planned_upload(run, NAME))


def test_a_hub_that_is_not_there(
    hub: SmallHub, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Port 9 is that of a service which nobody runs.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    message = refusal(planned_upload(run, NAME))
    assert "cannot be reached at http://127.0.0.1:9" in message and "push again" in message


@pytest.mark.parametrize(
    "name", ["tickets", "me/tick ets", "me/a--b", "../me", "me/tickets@v1", ""]
)
def test_what_is_no_name_of_a_repository_is_refused(run: RunFolder, name: str) -> None:
    with pytest.raises(UsageError, match="owner/name"):
        planned_upload(run, name)


def test_a_run_without_a_whole_model_is_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run here"):
        planned_upload(RunFolder(tmp_path / "nowhere"), NAME)
    (run.best / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="adapters"):
        planned_upload(run, NAME)
    run.best.rename(tmp_path / "elsewhere")
    with pytest.raises(NoModelError, match="no model yet"):
        planned_upload(run, NAME)


def test_a_run_that_a_search_works_on_waits(hub: SmallHub, run: RunFolder) -> None:
    with run.lock():
        assert "Another process works on this run" in refusal(planned_upload(run, NAME))
    assert hub.shelves == {}
    # And the lock is free again after a push.
    push(planned_upload(run, NAME))
    run.lock().release()
