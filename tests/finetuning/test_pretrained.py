"""A folder with Python code in it is data: the code never runs, and what cannot be had without it is refused."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
from peft import LoraConfig
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from tests.conformance.tiny import tiny_model
from xautolm.errors import ModelUnavailableError, TrialError
from xautolm.finetuning.export import save_answering
from xautolm.finetuning.model import bare_model
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.pretrained import (
    fresh_weights,
    load_failure,
    read_config,
    read_tokenizer,
    read_weights,
)
from xautolm.finetuning.tokens import load_tokenizer
from xautolm.records import Answering
from xautolm.run_folder import ANSWERING
from xautolm.serialization import write_json
from xautolm.symptoms import kind_of
from xautolm.tasks import TASKS
from xautolm.vocabulary import FailureKind

TEXTS = ["some words to learn a tokenizer from", "and some more of them"]


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a stranger's code would write; whoever is asked on the terminal says yes."""
    monkeypatch.setattr("builtins.input", lambda *prompt: "y")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    return tmp_path / "marker"


def write_code(folder: Path, name: str, marker: Path) -> None:
    code = f"open({str(marker)!r}, 'w').write('ran')\nclass StrangerConfig: ...\nclass StrangerTokenizer: ...\n"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(code)


def change(path: Path, **values: object) -> None:
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**content, **values}))


@pytest.fixture
def stranger(tmp_path: Path, marker: Path) -> Path:
    """A model's folder whose configuration names a Python file of its own."""
    folder = tmp_path / "stranger"
    tiny_model("bert", folder, TEXTS)
    write_code(folder, "stranger.py", marker)
    change(
        folder / "config.json",
        model_type="stranger",
        auto_map={"AutoConfig": "stranger.StrangerConfig"},
    )
    write_json(
        folder / ANSWERING, {"task": "text-classification", "form": "classify", "max_length": 8}
    )
    return folder


def test_predicting_never_runs_the_code_of_a_folder(stranger: Path, marker: Path) -> None:
    with pytest.raises(
        ModelUnavailableError,
        match=r"Python code of its own, which xautolm never runs\.\nGot:.*auto_",
    ):
        Predictor(stranger, "cpu")
    assert not marker.exists()


def test_a_tokenizer_never_runs_the_code_of_a_folder(stranger: Path, marker: Path) -> None:
    auto_map = {"AutoTokenizer": ["stranger.StrangerTokenizer", None]}
    (stranger / "config.json").unlink()
    change(
        stranger / "tokenizer_config.json", auto_map=auto_map, tokenizer_class="StrangerTokenizer"
    )
    with pytest.raises(ModelUnavailableError, match="Python code of its own"):
        read_tokenizer(stranger)
    assert not marker.exists()


def test_a_known_architecture_is_read_without_the_code_beside_it(
    stranger: Path, marker: Path
) -> None:
    change(stranger / "config.json", model_type="bert")
    assert read_config(stranger).model_type == "bert"
    assert not marker.exists()


def test_a_generation_of_its_own_is_not_run(tmp_path: Path, marker: Path) -> None:
    folder = tmp_path / "decoder"
    tiny_model("gpt2", folder, TEXTS)
    write_code(folder, "custom_generate/generate.py", marker)
    read_weights(AutoModelForCausalLM, folder)
    assert not marker.exists()


def test_adapters_that_were_left_in_a_models_folder_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "merged"
    tiny_model("bert", folder, TEXTS)
    whole = read_weights(AutoModel, folder)
    LoraConfig(r=2, target_modules=["query"]).save_pretrained(folder)
    assert (folder / "adapter_config.json").is_file()
    beside_adapters = read_weights(AutoModel, folder)
    assert beside_adapters.state_dict().keys() == whole.state_dict().keys()


def test_in_a_trial_it_is_a_load_error(stranger: Path, marker: Path, order) -> None:
    spec = order("minilm-l2", "full")
    spec = replace(spec, card=replace(spec.card, path=str(stranger)))
    tokenizer = load_tokenizer(spec.card, Path(spec.data), Path(spec.tokens))
    with pytest.raises(TrialError, match="Python code of its own") as caught:
        bare_model(spec, TASKS.get(spec.task), tokenizer)
    assert caught.value.kind == FailureKind.LOAD_ERROR and not marker.exists()


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ConnectionResetError("reset by peer"), FailureKind.INFRASTRUCTURE),
        (TimeoutError("timed out"), FailureKind.INFRASTRUCTURE),
        (OSError(errno.ENOSPC, "No space left on device"), FailureKind.INFRASTRUCTURE),
        (ValueError("header too large"), FailureKind.LOAD_ERROR),
        (OSError(errno.ENOENT, "No such file"), FailureKind.LOAD_ERROR),
    ],
    ids=str,
)
def test_trouble_of_network_and_disk_is_not_the_models(
    tmp_path: Path, cause: BaseException, kind: FailureKind
) -> None:
    failure = load_failure("weights", tmp_path, cause)
    failure.__cause__ = cause
    assert kind_of(failure) == kind


def test_a_folder_that_vanished_is_not_the_models_fault(order, tmp_path: Path) -> None:
    spec = order("minilm-l2", "full")
    card = replace(spec.card, path=str(tmp_path / "gone"))
    with pytest.raises(TrialError, match="tokenizer of minilm-l2") as caught:
        load_tokenizer(card, Path(spec.data), Path(spec.tokens))
    assert caught.value.kind == FailureKind.INFRASTRUCTURE


PUBLISHED_GENERATION = {
    "min_length": 16,
    "max_length": 20,
    "no_repeat_ngram_size": 3,
    "forced_bos_token_id": 1,
    "forced_eos_token_id": 2,
    "do_sample": True,
    "temperature": 0.6,
    "suppress_tokens": [5],
}


@pytest.mark.parametrize("file", ["generation_config.json", "config.json"])
def test_lengths_and_bans_that_a_model_was_published_with_are_left_behind(
    tmp_path: Path, file: str
) -> None:
    folder = tmp_path / "bart"
    tiny_model("bart", folder, TEXTS)
    (folder / "generation_config.json").unlink()
    change(folder / file, **PUBLISHED_GENERATION)
    config = read_config(folder)
    for model in (
        read_weights(AutoModelForSeq2SeqLM, folder),
        fresh_weights(AutoModelForSeq2SeqLM, config),
    ):
        generation = model.generation_config
        assert [getattr(generation, name) for name in PUBLISHED_GENERATION] == [None] * 8
        for name in ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"):
            assert getattr(generation, name) == getattr(config, name) is not None


STRUCK_OUT = "some <s>words</s> to learn<pad>"


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_signs_of_special_tokens_in_a_text_are_text(tmp_path: Path, family: str) -> None:
    tiny_model(family, tmp_path, TEXTS)
    tokenizer = read_tokenizer(tmp_path)
    special = set(tokenizer.all_special_ids)
    around = [token for token in tokenizer("some words")["input_ids"] if token in special]
    tokens = tokenizer(STRUCK_OUT)["input_ids"]
    assert [token for token in tokens if token in special] == around != []
    assert tokenizer.decode(tokens, skip_special_tokens=True) == STRUCK_OUT


@pytest.mark.parametrize(
    "template", [None, "{% for m in messages %}<s>{{ m.content }}{% endfor %}"]
)
def test_plain_transformers_reads_texts_alike_and_chat_templates_whole(
    tmp_path: Path, template: str | None
) -> None:
    tiny_model("gpt2", tmp_path, TEXTS)
    tokenizer = read_tokenizer(tmp_path)
    tokenizer.chat_template = template
    save_answering(
        tokenizer, Answering(task="text-generation", form="generate", max_length=8), tmp_path
    )
    tokens = AutoTokenizer.from_pretrained(tmp_path)(STRUCK_OUT)["input_ids"]
    has_own_tokens = tokens == tokenizer(STRUCK_OUT, split_special_tokens=False)["input_ids"]
    assert has_own_tokens == (template is not None)
    assert has_own_tokens != (tokens == tokenizer(STRUCK_OUT)["input_ids"])
