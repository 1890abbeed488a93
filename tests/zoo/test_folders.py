"""Model folders as people have them: loaded, or refused before any compute with the folder, the fault and the cure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models

from xautolm.errors import ModelUnavailableError
from xautolm.records import ModelCard
from xautolm.zoo import ZOO, find_models
from xautolm.zoo.folders import card_of_config, parameters_of_files

SHAPE = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 12,
    "max_position_embeddings": 130,
}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 437\n"


def write_config(folder: Path, **changes: Any) -> None:
    (folder / "config.json").write_text(json.dumps(SHAPE | changes))


def write_weights(path: Path, tokens: int = 12) -> None:
    save_file({"embeddings.word_embeddings.weight": np.zeros((tokens, 8), np.float32)}, path)


def write_tokenizer(folder: Path, tokens: int = 10) -> None:
    words = {f"word{index}": index for index in range(tokens)}
    Tokenizer(models.WordLevel(words, unk_token="word0")).save(str(folder / "tokenizer.json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The smallest folder that passes."""
    root = tmp_path / "my model"
    root.mkdir()
    write_config(root)
    write_weights(root / "model.safetensors")
    write_tokenizer(root)
    return root


def card_of(folder: Path) -> ModelCard:
    (card,) = find_models([str(folder)], ZOO.things)
    return card


def drop(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def both(first: Callable[[Path], None], second: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        first(folder)
        second(folder)

    return change


def put(name: str, content: str | bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def instead(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(content)

    return change


def halve(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return change


def shape(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: write_config(folder, **changes)


def to_shards(folder: Path, *missing: str) -> None:
    (folder / "model.safetensors").unlink()
    write_weights(folder / "model-00001-of-00002.safetensors")
    save_file(
        {"pooler.dense.bias": np.zeros(8, np.float32)}, folder / "model-00002-of-00002.safetensors"
    )
    places = {
        "embeddings.word_embeddings.weight": "model-00001-of-00002.safetensors",
        "pooler.dense.bias": "model-00002-of-00002.safetensors",
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    for name in missing:
        (folder / name).unlink()


def lead_out(folder: Path) -> None:
    write_weights(folder.parent / "elsewhere.safetensors")
    (folder / "model.safetensors").unlink()
    places = {"embeddings.word_embeddings.weight": "../elsewhere.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def to_adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "someone/base"})
    )


def to_parent(folder: Path) -> None:
    checkpoint = folder / "checkpoint-10"
    checkpoint.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).rename(checkpoint / name)


REFUSED: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no tokenizer": (drop("tokenizer.json"), "there is no tokenizer", "tokenizer.save_pretrained"),
    "vocab.json without merges": (
        both(drop("tokenizer.json"), put("vocab.json", "{}")),
        "there is no tokenizer",
        "tokenizer.save_pretrained",
    ),
    "settings of a tokenizer without its words": (
        both(
            drop("tokenizer.json"),
            put("tokenizer_config.json", '{"tokenizer_class": "BertTokenizer"}'),
        ),
        "there is no tokenizer",
        "tokenizer.save_pretrained",
    ),
    "tokenizer is a pointer": (
        put("tokenizer.json", POINTER),
        "tokenizer.json is a Git LFS pointer",
        "git lfs pull",
    ),
    "half a tokenizer": (
        halve("tokenizer.json"),
        "tokenizer.json is damaged",
        "the tokenizer again",
    ),
    "empty tokenizer": (put("tokenizer.json", ""), "tokenizer.json is empty", "again"),
    "damaged settings": (
        put("tokenizer_config.json", "{"),
        "tokenizer_config.json is not a JSON object",
        "again",
    ),
    "another model's tokenizer": (
        lambda folder: write_tokenizer(folder, tokens=40),
        "tokenizer.json knows 40 tokens where config.json says 12",
        "belongs to the weights",
    ),
    "weights are a pointer": (
        put("model.safetensors", POINTER),
        "model.safetensors is a Git LFS pointer",
        "git lfs pull",
    ),
    "half the weights": (
        halve("model.safetensors"),
        "model.safetensors is damaged",
        "weights again",
    ),
    "empty weights": (put("model.safetensors", ""), "model.safetensors is empty", "again"),
    "a page in place of weights": (
        put("model.safetensors", "<!DOCTYPE html><p>Not found</p>"),
        "damaged",
        "again",
    ),
    "no weights": (
        drop("model.safetensors"),
        "there is no model.safetensors",
        "download the weights",
    ),
    "pickled": (
        instead("pytorch_model.bin", b"PK"),
        "only pickled weights (pytorch_model.bin)",
        "save_pretrained",
    ),
    "pickled in shards": (
        instead("pytorch_model-00001-of-00002.bin", b"PK"),
        "only pickled weights",
        "save_pretrained",
    ),
    "TensorFlow's": (
        instead("tf_model.h5", b"HDF"),
        "only TensorFlow weights (tf_model.h5)",
        "save_pretrained",
    ),
    "GGUF": (
        instead("model-q4.gguf", b"GGUF"),
        "only GGUF weights (model-q4.gguf)",
        "safetensors from the hub",
    ),
    "ONNX": (
        instead("model.onnx", b"x"),
        "only ONNX weights (model.onnx)",
        "safetensors from the hub",
    ),
    "GGUF alone": (
        both(instead("model-q4.gguf", b"GGUF"), drop("config.json")),
        "it holds GGUF weights (*.gguf) and no config.json",
        "safetensors from the hub",
    ),
    "a shard is missing": (
        lambda folder: to_shards(folder, "model-00002-of-00002.safetensors"),
        "model-00002-of-00002.safetensors is missing",
        "download the weights",
    ),
    "an index that leads out": (
        lead_out,
        "../elsewhere.safetensors is missing",
        "download the weights",
    ),
    "weights of another configuration": (
        shape(vocab_size=999),
        "embeddings of 12 tokens where config.json says 999",
        "of the same model",
    ),
    "config is no JSON": (
        put("config.json", "{not json"),
        "config.json is not a JSON object",
        "Copy config.json again",
    ),
    "config is a list": (
        put("config.json", "[]"),
        "config.json is not a JSON object",
        "Copy config.json again",
    ),
    "config is in Latin-1": (
        put("config.json", b'{"a": "\xe9"}'),
        "not a JSON object",
        "Copy config.json again",
    ),
    "config is a pointer": (
        put("config.json", POINTER),
        "config.json is a Git LFS pointer",
        "git lfs pull",
    ),
    "config is empty": (put("config.json", ""), "config.json is empty", "again"),
    "no layers": (shape(num_hidden_layers=0), "num_hidden_layers=0", "whole number from 1"),
    "negative size": (shape(hidden_size=-8), "hidden_size=-8", "whole number from 1"),
    "absurd size": (shape(hidden_size=10**12), "hidden_size=1000000000000", "whole number from 1"),
    "size as text": (shape(hidden_size="8"), "hidden_size='8'", "whole number from 1"),
    "size is true": (shape(vocab_size=True), "vocab_size=True", "whole number from 1"),
    "no sizes": (
        put("config.json", '{"model_type": "odd"}'),
        "model_type 'odd'",
        "use another model",
    ),
    "code of its own": (
        shape(model_type="mine", auto_map={"AutoModel": "modeling_mine.Mine"}),
        "its architecture 'mine' is Python code beside the weights",
        "Remote code is never run",
    ),
    "quantised": (
        shape(quantization_config={"quant_method": "gptq", "bits": 4}),
        "its weights are quantised (gptq)",
        "Take the unquantised model",
    ),
    "an architecture of nobody": (
        shape(model_type="foonew"),
        "its architecture 'foonew' is not in the transformers that is installed",
        "Use a model that transformers knows",
    ),
    "adapter": (to_adapter, "an adapter of someone/base", "merge_and_unload"),
    "parent of checkpoints": (to_parent, "models in checkpoint-10", "checkpoint-10"),
    "nothing": (
        drop("config.json", "model.safetensors", "tokenizer.json"),
        "it holds no config.json",
        "model.safetensors",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trained_is_refused_by_name(folder: Path, case: str) -> None:
    change, fault, cure = REFUSED[case]
    change(folder)
    with pytest.raises(ModelUnavailableError) as caught:
        card_of(folder)
    message = str(caught.value)
    assert str(folder) in message and fault in message and cure in message
    assert len(message.splitlines()) <= 4


def test_all_faults_are_said_at_once(folder: Path) -> None:
    put("model.safetensors", POINTER)(folder)
    drop("tokenizer.json")(folder)
    with pytest.raises(ModelUnavailableError) as caught:
        card_of(folder)
    assert "Git LFS pointer" in str(caught.value) and "no tokenizer" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "change"),
    [
        (["vocab.txt"], drop("tokenizer.json")),
        (["vocab.json", "merges.txt"], drop("tokenizer.json")),
        (["spiece.model"], drop("tokenizer.json")),
        (["qwen.tiktoken"], drop("tokenizer.json")),
        (["pytorch_model.bin", "model-q4.gguf", "README.md"], lambda folder: None),
        ([], to_shards),
        ([], shape(auto_map={"AutoModel": "modeling_bert.Bert"})),
        ([], shape(quantization_config=None)),
    ],
    ids=[
        "word pieces",
        "byte pairs",
        "sentence pieces",
        "tiktoken",
        "other formats beside",
        "shards",
        "code not needed",
        "unquantised again",
    ],
)
def test_folders_in_other_forms_pass(
    folder: Path, files: list[str], change: Callable[[Path], None]
) -> None:
    change(folder)
    for name in files:
        put(name, "content")(folder)
    assert card_of(folder).hidden_size == 8


def test_a_model_of_bytes_needs_no_vocabulary(folder: Path) -> None:
    drop("tokenizer.json")(folder)
    put("tokenizer_config.json", '{"tokenizer_class": "ByT5Tokenizer"}')(folder)
    assert card_of(folder).vocabulary == 12


def test_tokens_added_after_pretraining_are_no_fault(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens([f"<extra{index}>" for index in range(8)])
    tokenizer.save(str(folder / "tokenizer.json"))
    assert tokenizer.get_vocab_size() > 12 and card_of(folder).vocabulary == 12


def test_a_folder_is_described_by_its_configuration(folder: Path) -> None:
    write_config(folder, model_type="roberta", pad_token_id=1)
    card = card_of(folder)
    assert (card.origin, card.positions, card.layers, card.path) == ("folder", 128, 2, str(folder))


@pytest.mark.parametrize("family", ["camembert", "longformer", "mpnet", "xlm-roberta"])
def test_positions_behind_the_padding_are_not_counted(folder: Path, family: str) -> None:
    write_config(folder, model_type=family, pad_token_id=1)
    assert card_of(folder).positions == 128


@pytest.mark.parametrize("family", ["deepseek_v2", "llama", "mixtral", "smollm3"])
def test_a_folder_of_a_decoders_body_is_a_decoder(folder: Path, family: str) -> None:
    write_config(folder, model_type=family, architectures=["AModel"])
    assert card_of(folder).architecture == "decoder"


def test_the_number_of_weights_is_that_of_the_files(folder: Path) -> None:
    path = folder / "model.safetensors"
    by_shape = card_of_config(json.loads((folder / "config.json").read_text()), "a", path=None)
    weights = load_file(path)
    # So few weights cannot be the model's: what is fake says nothing.
    assert card_of(folder).parameters == by_shape.parameters
    weights["ballast"] = np.zeros((by_shape.parameters, 1), np.float16)
    save_file(weights, path)
    stored = sum(array.size for array in weights.values())
    assert card_of(folder).parameters == stored > by_shape.parameters


@pytest.mark.parametrize(
    ("config", "weights"),
    [({}, 25), ({"torch_dtype": "bfloat16"}, 50), ({"dtype": "float16"}, 50), ({"dtype": "x"}, 25)],
)
def test_the_number_of_weights_is_told_by_sizes_on_the_hub(
    config: dict[str, str], weights: int
) -> None:
    files = {"a-00001-of-00002.safetensors": 60, "a-00002-of-00002.safetensors": 40, "b.bin": 999}
    assert parameters_of_files(config, files) == weights


def test_matrices_that_lie_transposed_are_not_quantised(folder: Path) -> None:
    assert card_of(folder).quantizable
    write_config(folder, model_type="gpt2")
    assert not card_of(folder).quantizable


def test_the_numbers_of_a_model_that_reads_images_too_are_its_language_models(folder: Path) -> None:
    numbers = ("hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings")
    config = {name: value for name, value in SHAPE.items() if name not in numbers}
    config |= {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"]}
    config["text_config"] = {"model_type": "gemma3_text", **{name: SHAPE[name] for name in numbers}}
    config["vision_config"] = {"hidden_size": 99}
    (folder / "config.json").write_text(json.dumps(config))
    card = card_of(folder)
    assert (card.family, card.architecture) == ("gemma3", "decoder")
    assert (card.hidden_size, card.layers, card.vocabulary, card.positions) == (8, 2, 12, 130)
    # Weights are compared with the same numbers.
    write_weights(folder / "model.safetensors", tokens=11)
    with pytest.raises(ModelUnavailableError, match="embeddings of 11 tokens where"):
        card_of(folder)
