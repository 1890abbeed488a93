"""Words in any writing, and answers among them."""

from __future__ import annotations

import pytest

from xautolm.words import answer_span, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't jump_over 2.5 dogs!", ["Don", "t", "jump", "over", "2", "5", "dogs"]),
        ("Привет, мир", ["Привет", "мир"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("今天 Python 3", ["今", "天", "Python", "3"]),
        ("👍 ?!", []),
    ],
)
def test_words_are_letters_with_their_marks_and_digits(text: str, words: list[str]) -> None:
    assert words_in(text) == words


@pytest.mark.parametrize(
    ("context", "answers", "answer"),
    [
        ("In 2013, only 2 storms came.", ["2"], "2"),
        ("The first emperors and the emperor.", ["emperor"], "emperor"),
        ("It was 11 1 1.", ["1 1"], "1 1"),
        ("It cost US$5, or 12.5 francs and 2.5 more.", ["$5"], "$5"),
        ("It cost 12.5 francs and 2.5 more.", ["2.5"], "2.5"),
        ("It came in 1999.", ["1999"], "1999"),
        ("A well-known cat", ["known"], "known"),
        # As written before another case, also where it is the second answer.
        ("ANKARA or Izmir", ["ankara", "Izmir"], "Izmir"),
        # The lower case of "İ" is two characters long.
        ("İİİ, İstanbul and Ankara", ["ankara"], "Ankara"),
        ("Es war die STRAẞE", ["straße"], "STRAẞE"),
        # No spaces between words, or particles behind a noun.
        ("我在北京工作", ["北京"], "北京"),
        ("서울은 수도이다", ["서울"], "서울"),
        ("born 12.05.1999", ["1999"], "1999"),
        ("on 3.4.21, later", ["4"], "4"),
        # With an ending or a prefix, where it does not stand by itself.
        ("after 5 years", ["5 year"], "5 year"),
        ("des 2. Weltkriegs", ["2. Weltkrieg"], "2. Weltkrieg"),
        ("vuoteen 1995saakka", ["1995"], "1995"),
        ("на севере", ["север"], "север"),
        ("في والكتاب", ["الكتاب"], "الكتاب"),
        ("Northern light, north", ["north"], "north"),
    ],
)
def test_an_answer_is_found_where_it_is_a_word(
    context: str, answers: list[str], answer: str
) -> None:
    span = answer_span(context, answers)
    assert span is not None
    start, end = span
    assert context[start:end] == answer
    assert start == context.rindex(answer)


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("a 23-yard goal", "3"),
        ("I know it", "no"),
        ("undeniable", "deni"),
        ("1,300 men", "300"),
        ("3.5 tons", "3"),
        ("3.5 tons", ".5"),
        ("1,300 men", "1,3"),
        ("the year 19956", "1995"),
        # The mark belongs to the letter before it.
        ("की", "क"),
        ("an apple", "pear"),
    ],
)
def test_what_is_only_inside_another_word_or_number_is_not_found(context: str, answer: str) -> None:
    assert answer_span(context, [answer]) is None
