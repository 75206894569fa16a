from __future__ import annotations

import time
from typing import Any

import pytest

from rt_vla_ros.data.example import Turn
from rt_vla_ros.data.web.chat import WrongRecord
from rt_vla_ros.data.web.said import CAPTION_REQUEST, what_is_said


def turns(record: dict[str, Any]) -> tuple[Turn, ...]:
    return what_is_said(record).turns


@pytest.mark.parametrize(
    "record",
    [
        {"question": "What colour?", "answer": "red"},
        {"query": "What colour?", "label": ["red"]},  # ChartQA
        {"prompt": "What colour?", "completion": "red"},
        {"instruction": " What colour? ", "output": " red "},
        {"question": "What colour?", "answers": ["red", "pink", "red"]},
        {"question": "<image>\nWhat colour?", "response": "red"},
        {"question": "What colour?", "multiple_choice_answer": "red", "answers": [{"answer": "pink"}]},  # VQAv2
        {"qa": [{"question": "What colour?", "answer": "red"}]},
        {"texts": [{"user": "What colour?", "assistant": "red", "source": "x"}]},
        {"question": ["What colour?"], "answer": ["red"]},
        {"questions": ["What colour?"], "answers": ["red"]},
        {"messages": [{"role": "user", "content": "What colour?"}, {"role": "assistant", "content": "red"}]},
        {"conversations": [{"from": "human", "value": "What colour?"}, {"from": "gpt", "value": "red"}]},
        {"conversation": [{"human": "What colour?", "assistant": "red"}]},
        {"prompt": [{"role": "user", "content": "What colour?"}], "completion": [{"role": "model", "content": "red"}]},
    ],
)
def test_forms_of_one_question(record: dict[str, Any]) -> None:
    assert turns(record) == (Turn("What colour?", "red"),)


@pytest.mark.parametrize(
    ("answer", "words"),
    [(3, "3"), (0, "0"), (2.5, "2.5"), (3.0, "3"), (1234567.0, "1234567"), (True, "yes"), (False, "no")],
)
def test_answers_that_are_no_texts(answer: object, words: str) -> None:
    assert turns({"question": "q", "answer": answer}) == (Turn("q", words),)


def test_of_several_answers_the_most_frequent_is_learned_and_all_are_accepted() -> None:
    ten = [{"answer": word, "answer_confidence": "yes"} for word in ("teal", "blue", "blue", "", "green", "blue")]
    said = what_is_said({"question": "q", "answers": ten})
    assert said.turns[0].answer == "blue"
    assert said.accepted == (("blue", "teal", "green"),)
    said = what_is_said({"question": "q", "answer": "navy", "answers": ten})
    assert said.accepted == (("navy", "blue", "teal", "green"),)


@pytest.mark.parametrize("answer", [1, "1", " 1 ", "B", "b.", "(B)", "dog"])
def test_a_choice_may_be_a_number_a_letter_or_its_words(answer: object) -> None:
    said = what_is_said({"question": "What?", "choices": ["cat", "dog"], "answer": answer})
    assert said.turns == (Turn("What?\nChoices: cat; dog.", "dog"),)


@pytest.mark.parametrize(
    ("answer", "right"), [("3", "3"), ("2", "2"), (0, "2"), (1, "3"), (3, "3"), (4, "4"), ("4", "4"), ("0", "2")]
)
def test_choices_that_are_digits(answer: object, right: str) -> None:
    """A text is a choice where there is such a one; a number is the place of one, where there is such a place."""
    assert turns({"question": "How many?", "choices": ["2", "3", "4"], "answer": answer})[0].answer == right
    assert turns({"question": "How many?", "choices": [2, 3, 4], "answer": answer})[0].answer == right


def test_numbers_of_choices_count_from_0() -> None:
    for answer in (2, "2"):
        with pytest.raises(WrongRecord, match="is not one of the 2 choices; numbers count from 0"):
            turns({"question": "What?", "choices": ["cat", "dog"], "answer": answer})


def test_the_right_choice_beside_answers_of_people() -> None:
    """As A-OKVQA has it."""
    record = {"question": "What?", "choices": ["cat", "dog"], "correct_choice_idx": 1, "direct_answers": ["a pet"] * 2}
    said = what_is_said(record)
    assert said.turns == (Turn("What?\nChoices: cat; dog.", "dog"),)
    assert said.accepted == (("dog", "a pet"),)


@pytest.mark.parametrize("answer", [2, -1, "C"])
def test_a_choice_that_is_none(answer: object) -> None:
    with pytest.raises(WrongRecord, match="is not one of the 2 choices"):
        turns({"question": "What?", "choices": ["cat", "dog"], "answer": answer})


def test_captions() -> None:
    assert turns({"caption": " a cat "}) == (Turn(CAPTION_REQUEST, "a cat"),)
    assert turns({"captions": ["a cat", "a black cat"]}) == (
        Turn(CAPTION_REQUEST, "a cat"),
        Turn(CAPTION_REQUEST, "a black cat"),
    )
    assert turns({"sentences": [{"raw": "A cat.", "tokens": ["a", "cat"]}]}) == (Turn(CAPTION_REQUEST, "A cat."),)
    assert CAPTION_REQUEST == "describe the image."


def test_a_later_question_has_the_earlier_ones_before_it() -> None:
    said = what_is_said(
        {
            "conversations": [
                {"from": "human", "value": "<image>\nWhat is it?"},
                {"from": "gpt", "value": "a ball"},
                {"from": "human", "value": "Its colour?"},
                {"from": "gpt", "value": "red"},
                {"from": "human", "value": "never answered"},
            ]
        }
    )
    assert said.turns == (
        Turn("What is it?", "a ball"),
        Turn("Its colour?", "red", before=(("What is it?", "a ball"),)),
    )
    assert said.places == 1
    assert said.is_chat


def test_questions_about_one_image_do_not_depend_on_each_other() -> None:
    said = what_is_said({"texts": [{"user": "a?", "assistant": "1"}, {"user": "b?", "assistant": "2"}]})
    assert said.turns == (Turn("a?", "1"), Turn("b?", "2"))


def test_contents_in_parts() -> None:
    said = what_is_said(
        {
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "image": "a.png", "text": None},
                        {"type": "image_url", "image_url": {"url": "b.png"}},
                        {"type": "image"},
                        {"type": "text", "text": "Which is red?"},
                    ],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "the first"}]},
            ]
        }
    )
    assert said.turns == (Turn("Be brief.\nWhich is red?", "the first"),)
    assert said.images == ("a.png", "b.png")
    assert said.places == 3


def test_an_image_without_a_question_is_to_be_described() -> None:
    record = {"conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "a cat"}]}
    assert turns(record) == (Turn(CAPTION_REQUEST, "a cat"),)


def test_messages_of_one_role_in_a_row_and_an_answer_to_nothing() -> None:
    roles = ["assistant", "user", "user", "assistant", "assistant"]
    record = {"messages": [{"role": role, "content": str(number)} for number, role in enumerate(roles)]}
    assert turns(record) == (Turn("1\n2", "3\n4"),)


def test_long_blanks_beside_an_image_take_no_time() -> None:
    start = time.process_time()
    assert turns({"question": f"a{' ' * 30_000}b<image>", "answer": "no"})[0].text == f"a{' ' * 30_000}b"
    assert time.process_time() - start < 1


def test_a_place_for_an_image_in_the_midst_of_words() -> None:
    assert turns({"question": "Is <image> red, and <image>?", "answer": "no"})[0].text == "Is red, and ?"
    assert turns({"question": "q", "answer": "<image> is written"})[0].answer == "<image> is written"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "no training target: .* it has nothing"),
        ({"image": "a.png", "vqa": 1}, "expected question and answer, caption, .*; it has 'image', 'vqa'"),
        ({"question": "q"}, "there is no answer"),
        ({"question": "q", "answer": None}, "there is no answer"),
        ({"question": "q", "answer": " "}, "the answer is empty"),
        ({"question": "q", "answers": []}, "the answer is empty"),
        ({"question": "q", "answers": ["", None]}, "the answer is empty"),
        ({"question": "q", "answer": {"x": 1}}, "the answer must be a text"),
        ({"question": " ", "answer": "a"}, "the question is empty"),
        ({"question": "<image>", "answer": "a"}, "the question is empty"),
        ({"question": 5, "answer": "a"}, "the question must be a text, got 5"),
        ({"question": ["a", "b"], "answer": ["a"]}, "2 questions and 1 answers"),
        ({"question": ["a", "b"], "answer": "a"}, "2 questions and no answers"),
        ({"caption": ""}, "the caption is empty"),
        ({"caption": ["a", 1, None]}, "the caption must be a text, got None"),
        ({"messages": []}, "'messages' must be a list of messages"),
        ({"messages": "hello"}, "'messages' must be a list of messages, got 'hello'"),
        ({"messages": ["hello"]}, "a message must be an object"),
        ({"messages": [{"role": "user", "content": "q"}]}, "no question with an answer"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "no question with an answer"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "the role 'tool' is invalid"),
        ({"messages": [{"content": "a"}]}, "the role None is invalid"),
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": ""}]}, "an answer is empty"),
        ({"messages": [{"role": "user", "content": [{"type": "video", "video": "a"}]}]}, "the type 'video'"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "of type text has no text"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "image": 5}]}]}, "an image without a name"),
        ({"messages": [{"role": "user", "content": [5]}]}, "must be a text or an object, got 5"),
    ],
)
def test_records_that_say_nothing(record: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongRecord, match=message):
        turns(record)
