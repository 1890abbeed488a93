"""Metrics of texts, by hand and by numbers of the programs that define them."""

from __future__ import annotations

import pytest

from xautolm.metrics import scores

ENGLISH = "The quick brown fox doesn't jump over 2 lazy dogs."
FOX = "The quick brown fox jumps over the lazy dog"


def rouge_l(reference: str, prediction: str) -> float:
    return scores(["rouge_l"], [[reference]], [prediction])["rouge_l"]


@pytest.mark.parametrize(
    "text",
    [
        "Привет, мир!",
        "今天天气很好",
        "こんにちは世界",
        "안녕하세요 여러분",
        "مرحبا بالعالم",
        "नमस्ते दुनिया",
        "สวัสดีชาวโลก",
        "Über die Straße",
        "👍",
        "!!!",
    ],
)
def test_a_text_in_any_writing_is_like_itself_by_rouge_l_and_unlike_another(text: str) -> None:
    assert rouge_l(text, text) == pytest.approx(1.0)
    for other_text in ("", "?", "nothing of it"):
        assert rouge_l(text, other_text) == rouge_l(other_text, text) == 0.0


@pytest.mark.parametrize(
    ("reference", "prediction", "score"),
    [
        ("Мама мыла раму", "мама рыла яму", 1 / 3),
        # Two vowel signs tell the two words apart.
        ("की बात", "का बात", 1 / 2),
        ("今天天气很好", "今天很好", 2 * 4 / (4 + 6)),
        # Words of a writing with spaces are whole between characters of one without.
        ("我用 Python 编程", "Python", 2 / 6),
    ],
)
def test_rouge_l_of_other_writings_by_hand(reference: str, prediction: str, score: float) -> None:
    assert rouge_l(reference, prediction) == pytest.approx(score)


@pytest.mark.parametrize(
    "prediction", ["the fox, doesn't jump", "FOX_jump 2-dogs", "it's 2.0", "\t", ENGLISH]
)
def test_rouge_l_of_english_is_that_of_torchmetrics(prediction: str) -> None:
    from torchmetrics.functional.text import rouge_score

    expected = rouge_score([prediction], [[ENGLISH]], rouge_keys="rougeL")["rougeL_fmeasure"]
    assert rouge_l(ENGLISH, prediction) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("references", "predictions", "score"),
    [
        ([[FOX]] * 10, [FOX] + [""] * 9, 0.121951),
        ([[FOX]] * 10, [FOX] + ["12345"] * 9, 0.120526),
        ([[FOX]] * 10, [FOX] * 5 + ["你好"] * 5, 0.554117),
        ([[FOX]] * 4, ["The quick fox", "brown dog over", "lazy", "the dog"], 0.143418),
        # Several right texts, words with punctuation, and a right text that is shorter than the sequences.
        (
            [["A cat (black) sat.", "Two cats, well-known, sat!"], ["今天天气很好"], ["ab"]],
            ["Two cats sat.", "今天很好", "abcdefgh ij"],
            0.283433,
        ),
        ([["a dog", "the cat sat"], []], ["the cat", "x"], 0.577638),
        ([["one two"]], [""], 0.0),
        ([["one two"]], ["12345"], 0.0),
        ([["one two"], ["yes"]], ["one two", "yes"], 1.0),
    ],
)
def test_chrf_is_that_of_sacrebleu(
    references: list[list[str]], predictions: list[str], score: float
) -> None:
    # Computed with `CHRF(word_order=2).corpus_score` of sacrebleu 2.6.0.
    assert scores(["chrf"], references, predictions)["chrf"] == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("name", ["rouge_l", "token_f1", "exact_match", "chrf"])
@pytest.mark.parametrize("answer", ["", "12345"])
def test_answers_that_share_nothing_cost_their_share_of_the_rows(name: str, answer: str) -> None:
    score = scores([name], [[FOX]] * 10, [FOX] + [answer] * 9)[name]
    assert score == pytest.approx(0.1, abs=0.03)
