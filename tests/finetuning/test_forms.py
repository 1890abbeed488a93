"""How questions and prompts become tokens, and outputs answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conformance.tiny import FAMILIES, tiny_model
from xautolm.data.conversations import Speaker, Turn, conversation_text
from xautolm.errors import TrialError
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.forms.base import by_length
from xautolm.finetuning.forms.extract import (
    Extract,
    RowAnswer,
    SpanScores,
    Window,
    best_span,
)
from xautolm.finetuning.forms.generate import (
    IGNORED,
    Generate,
    generated,
    prompt_ids,
    prompt_inputs,
    target_ids,
    templated,
    turn_ids,
)
from xautolm.finetuning.forms.label_words import label_scores
from xautolm.finetuning.tokens import load_tokenizer
from xautolm.records import Answering, Form
from xautolm.tasks import TASKS
from xautolm.tasks.forms import FORMS
from xautolm.testing import lookup_questions
from xautolm.vocabulary import Architecture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TASK = TASKS.get("question-answering")
TABLE = lookup_questions(30, seed=2)
TEXTS = [str(cell) for column in ("context", "question") for cell in TABLE[column]]
GENERATIVE_FAMILIES = sorted(
    family for family, card in FAMILIES.items() if card.architecture != Architecture.ENCODER
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Tokenizer and model of a tiny BERT, Llama and T5."""
    found = {}
    for family, form, architecture in (
        ("bert", "extract", "encoder"),
        ("llama", "generate", "decoder"),
        ("t5", "generate", "encoder-decoder"),
    ):
        folder = tmp_path_factory.mktemp(family)
        card = tiny_model(family, folder, TEXTS)
        model = TORCH_FORMS.get(form).auto_class(architecture).from_pretrained(str(folder)).eval()
        found[family] = (load_tokenizer(card, folder, folder), model)
    return found


def settings(
    form: str, length: int, answer_tokens: int = 8, *, may_be_empty: bool = False
) -> Answering:
    return Answering(
        task=TASK.name,
        form=form,
        max_length=length,
        answer_tokens=answer_tokens,
        may_be_empty=may_be_empty,
    )


def test_every_form_has_a_part_with_torch_and_no_part_is_without_a_form() -> None:
    assert set(TORCH_FORMS.things) == set(FORMS.things)


@pytest.mark.parametrize("form", FORMS.things.values(), ids=lambda form: form.name)
def test_the_parts_of_a_form_agree(form: Form) -> None:
    part = TORCH_FORMS.get(form.name)
    assert part.name == form.name
    # The Trainer's own evaluation is one forward pass.
    assert form.validation_passes == 1 if part.answers_by_logits else form.validation_passes >= 1
    # What says words is loaded with the head of the language model, which has an output for each word.
    forms = [item for task in TASKS.things.values() for item in task.forms.items()]
    architecture = next(architecture for architecture, names in forms if form.name in names)
    assert (
        part.auto_class(architecture).__name__.endswith(("ForCausalLM", "ForSeq2SeqLM"))
        == form.says_words
    )


def long_row() -> pd.DataFrame:
    filler = " ".join(TABLE["context"])
    context = f"{filler} Zed has the lamp. {filler}"
    return pd.DataFrame(
        {"context": [context], "question": ["What does Zed have?"], "answers": [["lamp"]]}
    )


def test_windows_overlap_and_every_answer_is_found_in_one(models: dict[str, Any]) -> None:
    tokenizer, _ = models["bert"]
    row = long_row()
    columns = Extract().columns(row, TASK, tokenizer, settings("extract", 64), "encoder")
    assert len(columns["input_ids"]) > 5 and max(columns["length"]) == 64
    answered = [i for i, start in enumerate(columns["start_positions"]) if start > 0]
    assert 1 <= len(answered) <= 2  # windows overlap, so one answer may lie in two
    for index in answered:
        span = slice(columns["start_positions"][index], columns["end_positions"][index] + 1)
        assert tokenizer.decode(columns["input_ids"][index][span]).strip() == "lamp"


def test_answers_that_are_not_in_the_context_are_left_out_of_training(
    models: dict[str, Any],
) -> None:
    tokenizer, _ = models["bert"]
    table = TABLE.head(4).copy()
    table["answers"] = [
        ["nowhere"],
        ["NOWHERE", table["answers"][1][0].upper()],
        [],
        table["answers"][3],
    ]
    columns = Extract().columns(table, TASK, tokenizer, settings("extract", 96), "encoder")
    # The first is dropped; the second is found in another case; the third points at the first token.
    assert len(columns["input_ids"]) == 3
    assert [start > 0 for start in columns["start_positions"]] == [True, False, True]


def test_best_span_by_hand() -> None:
    start, end = np.array([9.0, 1.0, 3.0, 0.0, 2.0]), np.array([9.0, 0.0, 1.0, 4.0, 5.0])
    offsets = [None, (0, 2), (3, 5), (6, 8), (9, 11)]
    assert best_span(start, end, offsets, longest=5) == (8.0, 3, 11)
    assert best_span(start, end, offsets, longest=2) == (
        7.0,
        3,
        8,
    )  # ties go to the higher start; 2 tokens at most
    assert best_span(start, end, [None] * 5, longest=5) is None


def test_a_row_is_answered_by_its_best_window_unless_all_windows_say_that_there_is_no_answer() -> (
    None
):
    context = "An apple and a pear."

    def window(place: slice, no_answer: float, score: float) -> tuple[Window, SpanScores]:
        offsets = [None, (place.start, place.stop)]
        scores = np.array([no_answer / 2, score / 2])
        return Window(inputs={}, offsets=offsets), SpanScores(start=scores, end=scores)

    answer = RowAnswer()
    for place, no_answer, score in ((slice(3, 8), 5.0, 2.0), (slice(15, 19), 4.0, 3.0)):
        answer.look_at(*window(place, no_answer, score), context, longest=5)
    # The second window is the surest of an answer, and even there "no answer" is better.
    assert (answer.score, answer.no_answer_score) == (3.0, 4.0)
    assert answer.settled(may_be_empty=False) == "pear"
    assert answer.settled(may_be_empty=True) == ""
    answer.look_at(*window(slice(3, 8), 2.0, 2.0), context, longest=5)
    assert answer.settled(may_be_empty=True) == "pear"


def test_short_rows_come_first_and_equal_ones_in_their_order() -> None:
    assert by_length([[1, 2, 3], [1], [1, 2], [2]]) == [1, 3, 2, 0]


def test_a_very_long_question_leaves_room_for_the_context(models: dict[str, Any]) -> None:
    tokenizer, model = models["bert"]
    row = pd.DataFrame(
        {"context": ["Zed has the lamp."], "question": ["Why? " * 200], "answers": [["lamp"]]}
    )
    given = Extract().answers(model, tokenizer, row, TASK, settings("extract", 64))
    assert len(given) == 1 and given[0] in row["context"][0]


def test_the_first_token_says_nothing_only_where_training_had_questions_without_an_answer(
    models: dict[str, Any],
) -> None:
    tokenizer, model = models["bert"]
    row = TABLE.head(1)
    context = row["context"].iloc[0]
    (window,) = Extract().windows(
        tokenizer, row["question"].iloc[0], context, settings("extract", 96)
    )
    before = model.qa_outputs.weight.detach().clone()
    for sign, expects_nothing in ((1.0, True), (-1.0, False)):
        with torch.no_grad():
            # All hidden states are normalised to one length, so that none is more like the first than itself.
            hidden = model.bert(
                **{name: torch.tensor([ids]) for name, ids in window.inputs.items()}
            )[0]
            model.qa_outputs.weight.copy_(sign * hidden[0, 0].expand(2, -1))
        (span,) = Extract().answers(model, tokenizer, row, TASK, settings("extract", 96))
        (answer,) = Extract().answers(
            model, tokenizer, row, TASK, settings("extract", 96, may_be_empty=True)
        )
        assert span and span in context
        assert answer == ("" if expects_nothing else span)
    with torch.no_grad():
        model.qa_outputs.weight.copy_(before)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_the_context_is_cut_and_never_the_question(models: dict[str, Any], family: str) -> None:
    tokenizer, _ = models[family]
    row = long_row().iloc[0].to_dict()
    ids = prompt_ids(TASK, row, tokenizer, 60)
    text = tokenizer.decode(ids, skip_special_tokens=True)
    assert ids is not None and 40 < len(ids) <= 60
    assert "What does Zed have?" in text and text.endswith("Answer:")
    assert prompt_ids(TASK, row, tokenizer, 10) is None


LONG_TEXT = " ".join(TABLE["context"])


@pytest.mark.parametrize(
    ("first", "second", "uncut"),
    [
        (LONG_TEXT, "Zed has it.", [False, True]),
        ("Zed has it.", LONG_TEXT, [True, False]),
        (LONG_TEXT, LONG_TEXT, [False, False]),
        ("Zed has it.", "Ada has it.", [True, True]),
    ],
)
@pytest.mark.parametrize("task_name", ["text-pair-classification", "text-pair-regression"])
def test_of_two_joined_texts_the_longer_one_is_cut(
    models: dict[str, Any], task_name: str, first: str, second: str, uncut: list[bool]
) -> None:
    tokenizer, _ = models["llama"]
    form_name = "regress" if task_name.endswith("regression") else "classify"
    answering = Answering(
        task=task_name, form=form_name, max_length=64, labels=("0", "1"), joint="\n"
    )
    table = pd.DataFrame({"text": [first], "text_pair": [second], "label": ["1"]})
    columns = TORCH_FORMS.get(form_name).columns(
        table, TASKS.get(task_name), tokenizer, answering, "decoder"
    )
    (tokens,) = columns["input_ids"]
    texts = tokenizer.decode(tokens, skip_special_tokens=True).split("\n")
    assert [text == whole for text, whole in zip(texts, (first, second), strict=True)] == uncut
    # About as much is left of both as fits, whichever is the longer.
    assert len(tokens) <= 64 and (all(uncut) or len(tokens) > 52)
    assert min(len(text) for text in texts) > 8


def test_two_texts_in_less_room_than_the_sign_between_them_are_cut_to_it(
    models: dict[str, Any],
) -> None:
    tokenizer, _ = models["llama"]
    task = TASKS.get("text-pair-classification")
    answering = Answering(
        task=task.name, form="classify", max_length=1, labels=("0", "1"), joint="\n"
    )
    table = pd.DataFrame({"text": [LONG_TEXT], "text_pair": [LONG_TEXT], "label": ["1"]})
    columns = TORCH_FORMS.get("classify").columns(table, task, tokenizer, answering, "decoder")
    assert columns["length"] == [1]


TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' and no_system %}{{ raise_exception('no system') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}{% endfor %}<answer>"
)


def conversation(*contents: str) -> dict[str, str]:
    """A row whose prompt is a system's turn and those of user and assistant in turn."""
    turns = [Turn(Speaker.SYSTEM, "Be short.")]
    turns += [
        Turn((Speaker.USER, Speaker.ASSISTANT)[n % 2], content)
        for n, content in enumerate(contents)
    ]
    return {"text": conversation_text(turns)}


def test_turns_go_through_the_chat_template(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, _ = models["llama"]
    monkeypatch.setattr(tokenizer, "chat_template", TEMPLATE)
    turns = [Turn(Speaker.SYSTEM, "Be short."), Turn(Speaker.USER, "Who?")]
    assert templated(turns, tokenizer) == "<system>Be short.<user>Who?<answer>"
    monkeypatch.setattr(tokenizer, "chat_template", TEMPLATE.replace("and no_system", ""))
    assert templated(turns, tokenizer) == "<user>Be short.\n\nWho?<answer>"


def test_special_tokens_of_a_chat_template_are_read_as_such_and_those_of_a_target_are_words(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, _ = models["llama"]
    template = "{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}"
    monkeypatch.setattr(tokenizer, "chat_template", template)
    tokens = turn_ids("Who?", tokenizer, chat=True)
    assert (tokens[0], tokens[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    text = "use <s>old</s> new"
    target = target_ids(tokenizer, text, settings("generate", 64))
    assert tokenizer.decode(target, skip_special_tokens=True).strip() == text


@pytest.mark.parametrize("chat", [True, False])
def test_of_a_long_conversation_the_oldest_turns_go_first(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch, chat: bool
) -> None:
    tokenizer, _ = models["llama"]
    monkeypatch.setattr(tokenizer, "chat_template", TEMPLATE)
    task = TASKS.get("text-generation")
    row = conversation(
        "What does Zed have?", "The lamp.", "What does Ada have?", "The bell.", "Who has the lamp?"
    )
    whole = prompt_ids(task, row, tokenizer, 1000, chat=chat)
    cut = prompt_ids(task, row, tokenizer, len(whole or []) - 1, chat=chat)
    assert whole is not None and cut is not None and len(cut) < len(whole)
    only_last = prompt_ids(task, conversation("Who has the lamp?"), tokenizer, 1000, chat=chat)
    without_first = conversation("What does Ada have?", "The bell.", "Who has the lamp?")
    assert cut == prompt_ids(task, without_first, tokenizer, 1000, chat=chat)
    assert only_last is not None
    assert prompt_ids(task, row, tokenizer, len(only_last), chat=chat) == only_last


def test_the_loss_is_on_the_answer_only(models: dict[str, Any]) -> None:
    tokenizer, _ = models["llama"]
    table = TABLE.head(3)
    columns = Generate().columns(table, TASK, tokenizer, settings("generate", 128), "decoder")
    for ids, labels, answers in zip(
        columns["input_ids"], columns["labels"], table["answers"], strict=True
    ):
        learned = [label for label in labels if label != IGNORED]
        assert labels[-len(learned) :] == learned == ids[-len(learned) :]
        assert learned[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(learned, skip_special_tokens=True).strip() == answers[0]


def test_prompts_without_room_are_an_invalid_configuration(models: dict[str, Any]) -> None:
    tokenizer, _ = models["llama"]
    with pytest.raises(TrialError, match="no prompt leaves room"):
        Generate().columns(TABLE.head(3), TASK, tokenizer, settings("generate", 12, 6), "decoder")


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_batches_say_what_single_prompts_say(models: dict[str, Any], family: str) -> None:
    tokenizer, model = models[family]
    prompts = [prompt_ids(TASK, row, tokenizer, 100) for row in TABLE.head(9).to_dict("records")]
    prompts = [ids[index:] for index, ids in enumerate(prompts)]  # of different lengths
    alone = generated(model, tokenizer, prompts, 6, batch_size=1)
    assert generated(model, tokenizer, prompts, 6, batch_size=4) == alone and len(set(alone)) > 0


@pytest.mark.parametrize("family", GENERATIVE_FAMILIES)
def test_a_prompt_is_read_alike_alone_and_beside_a_longer_one(family: str, tmp_path: Path) -> None:
    card = tiny_model(family, tmp_path, TEXTS)
    tokenizer = load_tokenizer(card, tmp_path, tmp_path)
    model_class = TORCH_FORMS.get("generate").auto_class(card.architecture)
    model = model_class.from_pretrained(str(tmp_path)).eval()
    short = tokenizer("Who has the lamp?")["input_ids"]
    long = tokenizer("Zed has the lamp and the bell. Ada has nothing. Who has the lamp?")[
        "input_ids"
    ]

    def first_scores(prompts: list[list[int]]) -> torch.Tensor:
        output = model.generate(
            **prompt_inputs(model, tokenizer, prompts),
            max_new_tokens=1,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        return output.logits[0]

    # Random models say the same word after anything: their scores tell.
    torch.testing.assert_close(
        first_scores([short, long])[:1], first_scores([short]), rtol=0, atol=1e-4
    )


def test_a_tokenizer_without_padding_gets_a_token_of_its_own(tmp_path: Path) -> None:
    card = tiny_model("llama", tmp_path, TEXTS)
    path = tmp_path / "tokenizer_config.json"
    import json

    kept = {key: value for key, value in json.loads(path.read_text()).items() if key != "pad_token"}
    path.write_text(json.dumps(kept))
    tokenizer = load_tokenizer(card, tmp_path, tmp_path)
    assert tokenizer.pad_token is not None and tokenizer.pad_token_id != tokenizer.eos_token_id


@pytest.mark.parametrize("names", [["apple", "book", "hat"], ["an apple", "an egg"]])
@pytest.mark.parametrize("family", ["llama", "t5"])
def test_scores_of_names_by_hand(models: dict[str, Any], family: str, names: list[str]) -> None:
    tokenizer, model = models[family]
    prompts = [
        prompt_ids(TASK, row, tokenizer, 100)[index:]
        for index, row in enumerate(TABLE[:5].to_dict("records"))
    ]
    words = [target_ids(tokenizer, name, settings("label-words", 100)) for name in names]
    depth = next(n for n in range(1, 20) if len({tuple(one[:n]) for one in words}) == len(words))
    found = label_scores(model, tokenizer, prompts, words)
    assert found.shape == (5, len(names))
    for row, prompt in enumerate(prompts):
        for column, word in enumerate(words):
            total = 0.0
            for step in range(
                depth
            ):  # each token after the true ones before it, alone and unpadded
                said = word[:step]
                if family == "llama":
                    inputs = {"input_ids": torch.tensor([prompt + said])}
                else:
                    start = model.config.decoder_start_token_id
                    inputs = {
                        "input_ids": torch.tensor([prompt]),
                        "decoder_input_ids": torch.tensor([[start, *said]]),
                    }
                with torch.inference_mode():
                    total += float(model(**inputs).logits[0, -1].log_softmax(dim=-1)[word[step]])
            assert found[row, column] == pytest.approx(total, abs=1e-4)
