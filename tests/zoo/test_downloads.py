"""Fetching models: only what is needed, the size first, nothing twice; trouble is said, and never evidence."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from tests.conftest import patience
from tests.small_hub import COMMIT, SmallHub
from xautolm.cli import app
from xautolm.errors import ModelUnavailableError
from xautolm.records import Gpu, ModelCard, SystemProfile
from xautolm.testing.fakes import made_up_machine
from xautolm.zoo import ZOO, Fetched, fetch, find_models, is_asked_for
from xautolm.zoo.downloads import needed_files, sized
from xautolm.zoo.hub import HubName, Repository


class Watcher:
    """Remembers what a person is told and shown."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.totals: list[int] = []
        self.received: list[int] = []

    @contextmanager
    def meter(self, total: int) -> Iterator[Callable[[int], None]]:
        self.totals.append(total)
        yield self.received.append


def fetch_all(*hub_ids: str, required: tuple[str, ...] = ()) -> tuple[Fetched, Watcher]:
    watcher = Watcher()
    cards = find_models(hub_ids, ZOO.things)
    return fetch(cards, required, watcher.notes.append, watcher.meter), watcher


def refetch(card: ModelCard, watcher: Watcher) -> Fetched:
    return fetch([card], (), watcher.notes.append, watcher.meter)


def test_the_size_is_said_first_and_the_folder_is_in_the_card(small_hub: SmallHub) -> None:
    small_hub.add("org/one", small_hub.model_files(rows=500))
    small_hub.add("org/two", small_hub.model_files(rows=250))
    fetched, watcher = fetch_all("org/one", "org/two")
    assert set(fetched.cards) == {"org/one", "org/two"} and not fetched.troubles
    (note,) = watcher.notes
    assert note.startswith("fetching 3.0 MB from the hub before the search")
    assert "org/two (1.0 MB), org/one (2.0 MB)" in note
    assert watcher.received[-1] == watcher.totals[0]
    folder = Path(fetched.cards["org/one"].path)
    assert folder.name == COMMIT and (folder / "model.safetensors").stat().st_size > 2_000_000


def test_only_what_is_needed_is_fetched(small_hub: SmallHub) -> None:
    files = small_hub.model_files()
    shards = {
        f"model-0000{part}-of-00002.safetensors": files["model.safetensors"] for part in (1, 2)
    }
    others = (
        "pytorch_model.bin",
        "tf_model.h5",
        "flax_model.msgpack",
        "onnx/model.onnx",
        "model-q4.gguf",
        "README.md",
    )
    others += (
        "modeling_own.py",
        "consolidated.safetensors",
        "adapter_model.safetensors",
        "original/tokenizer.model",
    )
    small_hub.add(
        "org/odd", files | dict.fromkeys(others, b"not needed") | shards | {"vocab.txt": b"word0"}
    )
    fetch_all("org/odd")
    names = {path.rpartition("/")[2] for path in small_hub.fetched()}
    assert names == {"config.json", "tokenizer.json", "model.safetensors", "vocab.txt"}


def test_all_parts_of_a_model_in_parts_are_fetched() -> None:
    index = "model.safetensors.index.json"
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    files = dict.fromkeys(
        ["config.json", "tokenizer.model", "chat_template.jinja", index, *parts, "x.bin"], 1
    )
    repository = Repository(name=HubName(hub_id="org/odd"), commit=COMMIT, files=files, config={})
    assert set(needed_files(repository)) == set(files) - {"x.bin"}


def test_what_is_in_the_cache_is_not_asked_for_again(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_hub.add("org/odd")
    fetched, _ = fetch_all("org/odd")
    small_hub.requests.clear()
    assert find_models(["org/odd"], ZOO.things)[0].path == fetched.cards["org/odd"].path
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find_models(["org/odd"], ZOO.things)[0].hub_id == "org/odd"
    assert small_hub.requests == []


def test_what_lies_in_part_in_the_cache_is_completed(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_hub.add("org/odd", small_hub.model_files(rows=250))
    fetched, _ = fetch_all("org/odd")
    folder = Path(fetched.cards["org/odd"].path)
    (folder / "model.safetensors").resolve().unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        ModelUnavailableError, match=r"only a part of it is in the hub cache.*HF_HUB_OFFLINE"
    ):
        find_models(["org/odd"], ZOO.things)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    small_hub.requests.clear()
    again, watcher = fetch_all("org/odd")
    assert again.cards["org/odd"].path == str(folder)
    assert watcher.notes[0].startswith("fetching 1.0 MB")
    assert [path.rpartition("/")[2] for path in small_hub.fetched()] == ["model.safetensors"]


def test_sizes_are_known_where_the_hub_says_them_in_the_listing_only(small_hub: SmallHub) -> None:
    small_hub.add("org/odd", small_hub.model_files(rows=250), sizes=False)
    _, watcher = fetch_all("org/odd")
    assert watcher.notes[0].startswith("fetching 1.0 MB")


def test_a_connection_that_breaks_is_trouble(small_hub: SmallHub) -> None:
    small_hub.add("org/odd", small_hub.model_files(rows=250), cut_after=300_000)
    small_hub.add("org/fine")
    fetched, _ = fetch_all("org/odd", "org/fine")
    assert set(fetched.cards) == {"org/fine"}
    assert fetched.troubles["org/odd"].reason == "the connection to the hub broke off"
    assert "Run the same command again" in fetched.troubles["org/odd"].cure


def test_a_slow_hub_is_waited_for(small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xautolm.zoo.downloads.LOOK_SECONDS", 0.05)
    small_hub.add("org/odd", small_hub.model_files(rows=10_000), pause=0.2)
    fetched, watcher = fetch_all("org/odd")
    assert set(fetched.cards) == {"org/odd"}
    assert watcher.received == sorted(watcher.received)


def test_a_hub_that_falls_silent_is_given_up(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.zoo.downloads.SILENCE_SECONDS", 3.0)
    small_hub.add("org/odd", small_hub.model_files(rows=250), stall_after=300_000)
    started = time.monotonic()
    fetched, _ = fetch_all("org/odd")
    assert time.monotonic() - started < patience(30)
    assert fetched.troubles["org/odd"].reason == "the hub sent nothing for 3 s"


def test_a_model_that_was_asked_for_is_an_error(small_hub: SmallHub) -> None:
    small_hub.add("org/odd", small_hub.model_files(rows=250), cut_after=300_000)
    with pytest.raises(
        ModelUnavailableError, match=r"'org/odd' cannot be had from the hub.\nGot: the connection"
    ):
        fetch_all("org/odd", required=("org/odd",))


def test_nothing_is_fetched_where_what_was_asked_for_is_gone(small_hub: SmallHub) -> None:
    small_hub.add("org/fine")
    shelf = small_hub.add("org/odd")
    cards = find_models(["org/fine", "org/odd"], ZOO.things)
    shelf.status = 500
    watcher = Watcher()
    with pytest.raises(ModelUnavailableError, match="HTTP 500"):
        fetch(cards, ("org/odd",), watcher.notes.append, watcher.meter)
    assert watcher.notes == [] and not small_hub.fetched(".safetensors")


def test_what_the_disk_has_no_room_for_is_not_begun(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_hub.add("org/large", small_hub.model_files(rows=500))
    small_hub.add("org/small")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1_500_000))
    fetched, _ = fetch_all("org/large", "org/small")
    assert set(fetched.cards) == {"org/small"}
    trouble = fetched.troubles["org/large"]
    assert trouble.reason.startswith(
        "it needs 2.0 MB, and the disk of the hub cache has 1.5 MB free"
    )
    assert "HF_HOME" in trouble.cure
    assert not any("org/large" in path for path in small_hub.fetched(".safetensors"))


def test_what_was_fetched_is_checked_as_any_folder(small_hub: SmallHub) -> None:
    files = small_hub.model_files() | {
        "model.safetensors": b"version https://git-lfs.github.com/spec/v1\n"
    }
    small_hub.add("org/odd", files)
    fetched, _ = fetch_all("org/odd")
    assert "Git LFS pointer" in fetched.troubles["org/odd"].reason
    with pytest.raises(ModelUnavailableError, match="Git LFS pointer"):
        find_models(["org/odd"], ZOO.things)


def test_a_chat_template_is_known_before_anything_is_fetched(small_hub: SmallHub) -> None:
    files = small_hub.model_files()
    small_hub.add(
        "org/old", files | {"tokenizer_config.json": b'{"chat_template": "{{ messages }}"}'}
    )
    small_hub.add("org/new", files | {"chat_template.jinja": b"{{ messages }}"})
    small_hub.add("org/none", files | {"tokenizer_config.json": b"{}"})
    cards = find_models(["org/old", "org/new", "org/none"], ZOO.things)
    assert [card.chat for card in cards] == [True, True, False]
    assert not small_hub.fetched(".safetensors")


def test_weights_that_lie_there_twice_are_counted_once(small_hub: SmallHub) -> None:
    files = small_hub.model_files()
    weights = files["model.safetensors"]
    small_hub.add("org/once", files)
    copies = {"consolidated.safetensors": weights, "onnx/model.safetensors": weights}
    small_hub.add("org/twice", files | copies)
    once, twice = find_models(["org/once", "org/twice"], ZOO.things)
    # In bytes over four; the header of the file is a part of it.
    assert twice.parameters == once.parameters == len(weights) // 4


def test_a_revision_is_fetched_under_its_own_name(small_hub: SmallHub) -> None:
    small_hub.add("org/odd", revisions={"main", "v1.0"})
    fetched, _ = fetch_all("org/odd@v1.0")
    assert fetched.cards["org/odd@v1.0"].revision == "v1.0"
    (card,) = find_models(["org/odd@v1.0"], ZOO.things)
    assert (card.name, card.hub_id, card.revision) == ("org/odd@v1.0", "org/odd", "v1.0")
    assert card.path == fetched.cards["org/odd@v1.0"].path


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1500, "1.5 kB"), (268e6, "268.0 MB"), (5.04e9, "5.0 GB")]
)
def test_sizes_for_people(size: float, text: str) -> None:
    assert sized(size) == text


# ----- auto: what is on this machine, then what is small -----

SMALLEST = "google/electra-small-discriminator"


def auto(families: tuple[str, ...] = ("encoder",)) -> tuple[list[ModelCard], list[str]]:
    notes: list[str] = []
    return find_models(["auto"], ZOO.things, families, notes.append), notes


def test_auto_takes_what_is_here_then_what_is_small_on_the_hub(small_hub: SmallHub) -> None:
    automatic = [
        card for card in ZOO.things.values() if card.automatic and card.architecture == "encoder"
    ]
    for card in automatic:
        if card.origin == "hub":
            small_hub.add(card.hub_id)
    cards, notes = auto()
    names = [card.name for card in cards]
    assert names[:4] == ["minilm-l6", "minilm-l4", "minilm-l3", "minilm-l2"]
    hub_names = [card.name for card in cards if card.origin == "hub"]
    assert hub_names[0] == "electra-small-discriminator" and "distilbert-base-uncased" in hub_names
    assert "xlm-roberta-base" not in hub_names
    assert 4 * sum(card.parameters for card in cards if card.origin == "hub") <= 2e9
    unloadable, note = notes
    assert (
        note.startswith("auto fetches up to 2.0 GB, and leaves out") and "xlm-roberta-base" in note
    )
    assert "deberta-v3-small, deberta-v3-base: it has no safetensors" in unloadable
    assert "deberta" not in note
    assert not small_hub.fetched(".safetensors")


def on_gpu(gigabytes: float) -> SystemProfile:
    gpu = Gpu(name="made up", memory=int(gigabytes * 2**30), compute_capability=9.0)
    return replace(made_up_machine(), device="cuda", gpus=(gpu,))


@pytest.mark.parametrize(
    ("gigabytes", "families", "first"),
    [
        (16, ("decoder",), ["qwen3-4b"]),
        (24, ("decoder",), ["qwen3-4b", "qwen3-1.7b", "qwen3-0.6b"]),
        (80, ("decoder",), ["qwen3-8b", "qwen3-4b", "qwen3-1.7b", "qwen3-0.6b"]),
        (24, ("encoder",), ["ettin-1b", "ettin-400m", "modernbert-base"]),
        (24, ("encoder-decoder",), ["flan-t5-xl", "flan-t5-large", "flan-t5-base"]),
        (2, ("encoder",), ["ettin-400m", "distilbert-base-uncased"]),
    ],
)
def test_auto_goes_by_the_memory_of_a_gpu(
    small_hub: SmallHub, gigabytes: float, families: tuple[str, ...], first: list[str]
) -> None:
    for card in ZOO.things.values():
        if card.automatic and card.hub_id:
            small_hub.add(card.hub_id)
    notes: list[str] = []
    system = on_gpu(gigabytes)
    cards = find_models(["auto"], ZOO.things, families, notes.append, system)
    fetched = [card for card in cards if card.origin == "hub"]
    assert [card.name for card in fetched][: len(first)] == first
    # In bfloat16, its weights leave half of the memory; and in float32 all of them together fill it at most.
    assert all(2 * card.parameters <= system.device_memory / 2 for card in fetched)
    assert 4 * sum(card.parameters for card in fetched) <= max(2e9, system.device_memory)
    # The same machine without its GPU gets what it always got: the smallest.
    on_processor = find_models(
        ["auto"], ZOO.things, families, system=replace(system, device="cpu", gpus=())
    )
    assert on_processor == find_models(["auto"], ZOO.things, families)
    sizes = [card.parameters for card in on_processor if card.origin == "hub"]
    assert sizes == sorted(sizes) and max(sizes) < 600e6


def test_auto_does_not_ask_for_what_has_no_safetensors(small_hub: SmallHub) -> None:
    small_hub.add(SMALLEST)
    small_hub.add("microsoft/deberta-v3-small")
    cards, notes = auto()
    assert "deberta-v3-small" not in [card.name for card in cards]
    (note,) = [note for note in notes if "no safetensors" in note]
    assert "deberta-v3-small, deberta-v3-base" in note and "refs/pr/1" in note
    assert not [request for request in small_hub.requests if "deberta-v3-small" in request]
    # The repository may have been converted since the card was written: whoever names it gets it.
    (named,) = find_models(["deberta-v3-small"], ZOO.things)
    assert named.hub_id == "microsoft/deberta-v3-small"


def test_the_list_of_models_says_what_has_no_safetensors() -> None:
    done = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "400"})
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "(no safetensors)" in lines["deberta-v3-base"]
    assert "(no safetensors)" not in lines["modernbert-base"]


def test_auto_prefers_what_is_cached(small_hub: SmallHub) -> None:
    small_hub.add("FacebookAI/xlm-roberta-base")
    fetch_all("FacebookAI/xlm-roberta-base")
    cards, _ = auto()
    cached = {card.name: card for card in cards}["xlm-roberta-base"]
    assert Path(cached.path).is_dir()


def test_auto_does_without_a_hub_that_is_in_trouble(small_hub: SmallHub) -> None:
    for card in ZOO.things.values():
        if card.hub_id:
            small_hub.add(card.hub_id, status=500)
    cards, notes = auto()
    assert all(card.origin in {"packaged", "scratch"} for card in cards) and cards
    (note,) = notes
    assert note.startswith("auto leaves out electra-small-discriminator, ") and "HTTP 500" in note


def test_auto_does_without_a_model_that_the_hub_lacks(small_hub: SmallHub) -> None:
    small_hub.add(SMALLEST)
    cards, notes = auto()
    assert [card.name for card in cards if card.origin == "hub"] == ["electra-small-discriminator"]
    assert any("distilbert-base-uncased" in note and "no such model" in note for note in notes)


@pytest.mark.parametrize(
    "name",
    ["roberta-base", "FacebookAI/roberta-base", "https://hf.co/FacebookAI/roberta-base"],
)
def test_a_model_is_asked_for_by_any_of_its_names(name: str) -> None:
    cards = ZOO.things
    assert is_asked_for(cards["roberta-base"], ("auto", name), cards)
    assert not is_asked_for(cards["gpt2"], ("auto", name), cards)
    assert is_asked_for(cards["gpt2"], ("gpt2",), cards)


def test_auto_asks_nobody_when_the_hub_is_turned_off(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    cards, notes = auto()
    assert cards and notes == [] and small_hub.requests == []
