"""Paraphrases: other words, the same objects, always the same."""

from __future__ import annotations

from rt_vla_ros.environments.metaworld import SENTENCES
from rt_vla_ros.language.paraphrase import paraphrase
from rt_vla_ros.sim.instructions import PICK_PHRASINGS, UNSEEN_PICK_PHRASINGS, phrase
from rt_vla_ros.sim.objects import ALL_KINDS

INSTRUCTIONS = [
    *(phrase(template, kind) for template in (*PICK_PHRASINGS, *UNSEEN_PICK_PHRASINGS) for kind in ALL_KINDS),
    *SENTENCES.values(),
    *("put the bowl on the stove", "open the top drawer.", "turn on the stove", "sing"),
]
OF_VERBS = {"pick", "up", "lift", "grab", "take", "get", "grasp", "please", "open", "close", "push", "pull", "press"}
OF_VERBS |= {"reach", "turn", "put", "place", "move"}


def test_the_words_change_and_the_objects_do_not() -> None:
    for instruction in INSTRUCTIONS:
        other = paraphrase(instruction)
        assert other != instruction
        assert other == paraphrase(instruction)
        kept = [word for word in instruction.rstrip(".").split() if word not in OF_VERBS]
        assert [word for word in kept if word not in other.split()] == [], (instruction, other)


def test_a_known_verb_is_replaced() -> None:
    assert paraphrase("open the drawer").endswith(("pull the drawer open", "make the drawer open"))
    assert not paraphrase("pick up the red cube").startswith("pick")
    assert len({paraphrase(f"pick up the {word} cube").replace(word, "") for word in "abcdefghijklmnop"}) > 5
