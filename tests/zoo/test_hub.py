"""What the hub answers, or does not, becomes one reason and one way on, in seconds, and before any compute."""

from __future__ import annotations

import errno
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import patience
from tests.small_hub import COMMIT, SmallHub, go_online
from xautolm.errors import ModelUnavailableError, UnknownNameError
from xautolm.records import ModelCard
from xautolm.zoo import ZOO, find_models
from xautolm.zoo.hub import HubName, HubProcess, HubTrouble, look_up, read_hub_name
from xautolm.zoo.hub_errors import explained


def find(name: str) -> ModelCard:
    (card,) = find_models([name], ZOO.things)
    return card


def refusal(name: str) -> list[str]:
    with pytest.raises(ModelUnavailableError) as caught:
        find(name)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"The model {name!r} cannot be had from the hub."
    assert len(lines) <= 4
    return lines[1:]


@pytest.mark.parametrize(
    ("behaviour", "reason", "cure"),
    [
        (
            {"gated": True},
            "it is gated, and nobody has signed in",
            "Accept its terms at HUB/org/odd, then.*hf auth login",
        ),
        (
            {"private": True},
            "no such model, or it is private",
            "HUB/models.search=odd; for a private.*hf auth login",
        ),
        ({"status": 500}, r"the hub itself is in trouble \(HTTP 500\)", "Try again later"),
        ({"status": 503}, r"the hub itself is in trouble \(HTTP 503\)", "Try again later"),
        (
            {"status": 429},
            r"asked too often from here \(HTTP 429\)",
            "Wait some minutes.*hf auth login",
        ),
        (
            {"status": 403},
            r"forbids it to the token that is set here \(HTTP 403\)",
            "right to read models",
        ),
        ({"status": 418}, "the hub answers HTTP 418", "HF_ENDPOINT"),
    ],
    ids=str,
)
def test_each_refusal_has_its_reason_and_its_way_on(
    small_hub: SmallHub, behaviour: dict[str, Any], reason: str, cure: str
) -> None:
    small_hub.add("org/odd", **behaviour)
    got, fix = refusal("org/odd")
    assert got.startswith("Got: ") and re.search(reason, got)
    assert re.search(cure.replace("HUB", small_hub.address), fix)


def test_what_is_not_there_is_said_with_where_to_look(small_hub: SmallHub) -> None:
    got, fix = refusal("org/misspelt")
    assert "the hub has no such model, or it is private" in got
    assert f"{small_hub.address}/models?search=misspelt" in fix


def test_who_has_signed_in_is_not_told_to_sign_in(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    small_hub.add("org/odd", gated=True, members={"hf_member"})
    for name in ("org/odd", "org/misspelt"):
        assert "hf auth login" not in " ".join(refusal(name))
    assert "the account whose token is set here has no access" in refusal("org/odd")[0]
    small_hub.add("org/busy", status=429)
    assert refusal("org/busy")[1] == "Wait some minutes."


def test_a_gated_model_is_given_to_its_members(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_member")
    small_hub.add("org/odd", gated=True, members={"hf_member"})
    assert find("org/odd").family == "bert"


def test_a_token_that_is_void_is_named(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_void")
    small_hub.add("org/odd", status=401)
    got, fix = refusal("org/odd")
    assert "does not accept the token" in got and "unset HF_TOKEN" in fix


def test_a_hub_that_hangs_is_given_up_in_seconds(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.zoo.hub.ANSWER_SECONDS", 1.0)
    small_hub.add("org/odd", silent=300)
    started = time.monotonic()
    got, fix = refusal("org/odd")
    assert time.monotonic() - started < patience(20)
    assert f"the hub does not answer ({small_hub.address})" in got and "HF_HUB_OFFLINE=1" in fix


def test_a_client_that_hangs_is_given_up_too(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.zoo.hub.PROGRAM", "import time; time.sleep(600)")
    monkeypatch.setattr("xautolm.zoo.hub.INSPECTION_SECONDS", 0.5)
    started = time.monotonic()
    got, _ = refusal("org/odd")
    assert time.monotonic() - started < patience(20)
    assert "the hub does not answer within" in got


def test_a_client_that_breaks_is_named(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.zoo.hub.PROGRAM", "raise ImportError('no such library')")
    got, _ = refusal("org/odd")
    assert "the program that asks the hub failed: ImportError: no such library" in got


def test_an_address_where_nobody_listens_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_online(monkeypatch, tmp_path / "home", "http://127.0.0.1:9")
    got, fix = refusal("org/odd")
    assert "cannot be reached at http://127.0.0.1:9 (" in got and "HF_ENDPOINT" in fix


def test_one_that_hangs_does_not_hold_up_the_others(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.zoo.hub.ANSWER_SECONDS", 1.0)
    names = [HubName(hub_id=f"org/m{index}") for index in range(4)]
    for name in names:
        small_hub.add(name.hub_id)
    small_hub.add("org/m2", silent=300)
    answers = look_up(names)
    assert [isinstance(answers[name], HubTrouble) for name in names] == [False, False, True, False]


@pytest.mark.parametrize(
    ("files", "reason", "cure"),
    [
        ({"config.json": b"{}", "pytorch_model.bin": b"p"}, r"no safetensors, only pickled.*pytorch_model", "convert"),
        ({"config.json": b"{}", "tf_model.h5": b"t", "x.msgpack": b"f"}, "TensorFlow.*Flax", "convert"),
        ({"config.json": b"{}", "model-q4.gguf": b"g"}, "only GGUF", "convert"),
        ({"config.json": b"{}", "onnx/model.onnx": b"o"}, r"it holds no model\.safetensors", "safetensors"),
        ({"config.json": b"{", "model.safetensors": b"s"}, "config.json is no JSON object", "revision"),
        ({"config.json": b'{"model_type": "own", "auto_map": {"AutoConfig": "a.B"}}', "model.safetensors": b"s"},
         "Python code", "never run"),
        ({"config.json": b'{"model_type": "foonew"}', "model.safetensors": b"s"},
         "its architecture 'foonew' is not in the transformers", "Use a model that transformers knows"),
        ({"config.json": b'{"quantization_config": {"quant_method": "gptq"}}', "model.safetensors": b"s"},
         "its weights are quantised .gptq.", "Take the unquantised model"),
        ({"config.json": b'{"model_type": "bert"}', "model.safetensors": b"s", "tokenizer_config.json": b"{}"},
         "there is no tokenizer", "Use another revision, or another model"),
        ({"adapter_config.json": b"{}", "adapter_model.safetensors": b"a"}, "adapter, not a model", "merge_and_unload"),
        ({"config.json": b"{}", "model.fp16.safetensors": b"w"}, "only model.fp16.safetensors", "names"),
        ({"README.md": b"r"}, "no config.json", "transformers"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_is_no_model_to_train_is_refused_before_it_is_fetched(
    small_hub: SmallHub, files: dict[str, bytes], reason: str, cure: str
) -> None:
    small_hub.add("org/odd", files)
    with pytest.raises(ModelUnavailableError, match=rf"org/odd.*\nGot: .*{reason}.*\n.*{cure}"):
        find("org/odd")
    assert not small_hub.fetched(".safetensors") and not small_hub.fetched(".bin")


def test_a_revision_can_be_asked_for(small_hub: SmallHub) -> None:
    small_hub.add("org/odd", revisions={"main", "refs/pr/1", "v1.0"})
    card = find("org/odd@v1.0")
    assert (card.name, card.hub_id, card.revision) == ("org/odd@v1.0", "org/odd", "v1.0")
    got, fix = refusal("org/odd@v2.0")
    assert "it has no revision 'v2.0'" in got and f"{small_hub.address}/org/odd" in fix


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("org/name", HubName(hub_id="org/name")),
        ("org/name@v1.0", HubName(hub_id="org/name", revision="v1.0")),
        ("org/name@refs/pr/1", HubName(hub_id="org/name", revision="refs/pr/1")),
        ("https://huggingface.co/org/name", HubName(hub_id="org/name")),
        ("https://huggingface.co/org/name/tree/dev", HubName(hub_id="org/name", revision="dev")),
        ("hf.co/org/name/", HubName(hub_id="org/name")),
        (f"org/name@{COMMIT}", HubName(hub_id="org/name", revision=COMMIT)),
        ("org/name/more", None),
        # Pages of other sites name a repository of code, or of nobody.
        ("https://github.com/org/name", None),
        ("https://huggingface.co.example.org/org/name", None),
        ("/somewhere/else", None),
        ("../model", None),
        ("./model", None),
        ("org/two words", None),
        ("name", None),
    ],
)
def test_names_of_models_on_the_hub(text: str, name: HubName | None) -> None:
    assert read_hub_name(text) == name


def test_a_page_of_a_hub_of_ones_own_names_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example.org/hub/")
    page = "https://mirror.example.org/hub/org/name/tree/dev"
    assert read_hub_name(page) == HubName(hub_id="org/name", revision="dev")
    assert read_hub_name("https://mirror.example.org/org/name") is None
    assert read_hub_name("https://hf.co/org/name") == HubName(hub_id="org/name")


def test_a_path_that_does_not_exist_is_no_hub_id(small_hub: SmallHub) -> None:
    with pytest.raises(ModelUnavailableError, match=r"There is no folder '/no/such/model'"):
        find("/no/such/model")
    with pytest.raises(UnknownNameError):
        find("no-such-model")
    assert small_hub.requests == []


def test_a_cache_that_cannot_be_written_is_named(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    small_hub.add("org/odd")
    got, fix = refusal("org/odd")
    assert "the hub cache cannot be written" in got and "HF_HOME" in fix


def of_httpx(name: str, text: str) -> Exception:
    """An error as the hub's client raises it, whichever library it uses for HTTP."""
    return type(name, (Exception,), {"__module__": "httpx2"})(text)


@pytest.mark.parametrize(
    ("error", "reason", "cure"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "the disk of the hub cache is full",
            "HF_HOME",
        ),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded"),
            "the disk of the hub cache is full",
            "HF_HOME",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "the hub cache cannot be written",
            "HF_HOME",
        ),
        (
            of_httpx("ConnectError", "[Errno -2] Name or service not known"),
            "cannot be reached.*not known",
            "HF_ENDPOINT",
        ),
        (
            of_httpx("ConnectError", "CERTIFICATE_VERIFY_FAILED"),
            "certificate of .* is not accepted",
            "SSL_CERT_FILE",
        ),
        (
            of_httpx("ProxyError", "403 Forbidden"),
            "the proxy does not reach the hub",
            "HTTPS_PROXY",
        ),
        (of_httpx("ConnectTimeout", "timed out"), "the hub does not answer", "HF_HUB_OFFLINE=1"),
        (
            of_httpx("RemoteProtocolError", "peer closed connection"),
            "the connection to the hub broke off",
            "again",
        ),
        (
            OSError("Consistency check failed: file should be of size 9"),
            "the connection to the hub broke off",
            "again",
        ),
        (
            json.JSONDecodeError("Expecting value", "<html>", 0),
            "what answers at .* is no model hub",
            "sign in first",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_network_and_disk_have_reasons(error: Exception, reason: str, cure: str) -> None:
    answer = explained(error, "org/odd", "")
    assert re.search(reason, answer["reason"])
    assert re.search(cure, answer["cure"])


def test_the_process_ends_with_the_conversation(small_hub: SmallHub) -> None:
    small_hub.add("org/odd", silent=300)
    models = [{"hub_id": "org/odd", "revision": ""}]
    with HubProcess({"action": "inspect", "models": models, "seconds": 300}) as conversation:
        assert conversation.reply(0.5) is None
    assert conversation.process.poll() is not None


def test_the_process_ends_when_its_parent_is_gone(small_hub: SmallHub) -> None:
    small_hub.add("org/odd", silent=300)
    models = [{"hub_id": "org/odd", "revision": ""}]
    with HubProcess({"action": "inspect", "models": models, "seconds": 300}) as conversation:
        conversation.process.stdin.close()
        assert conversation.process.wait(timeout=patience(20)) == 1
