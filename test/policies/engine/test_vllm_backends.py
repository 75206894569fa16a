"""The regular expressions mean the same to the libraries by which vLLM constrains its answers.

Skipped without them: pip install xgrammar llguidance.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from support.vlms import rt2_card

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.engine.action_text import ActionText
from rt_vla_ros.policies.rt2.configuration import RT2Config

CARD = rt2_card()
KINDS = [
    (CARD, RT2Config("integers")),
    (CARD, RT2Config("integers", leading_space=False)),
    (replace(CARD, bins=1001, horizon=8), RT2Config("integers", leading_space=False)),
    (CARD, RT2Config("integers", plan_tokens=20)),
    (CARD, RT2Config("integers", plan_tokens=20, plan_end="Next action:")),
]
END = 256


def texts(card: ActionCard, config: RT2Config, count: int = 200) -> list[str]:
    """Actions, some of them with a plan, a number that is too large or a wrong character."""
    rng, found = random.Random(0), list[str]()
    for _ in range(count):
        bins = [rng.randrange(one + (3 if rng.random() < 0.02 else 0)) for one in card.counts * card.horizon]
        text = " " * config.leading_space + " ".join(map(str, bins))
        if config.plan_tokens:
            text = rng.choice([" pick. ", "\nAction 1 Act ", "Action: ", ""]) + config.plan_end + text
        if rng.random() < 0.3:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(["0", " ", "x", "9", ""]) + text[at + rng.randrange(2) :]
        found.append(text)
    return found


@pytest.mark.parametrize(("card", "config"), KINDS)
def test_xgrammar_accepts_exactly_the_actions(card: ActionCard, config: RT2Config) -> None:
    xgrammar = pytest.importorskip("xgrammar")
    pattern = ActionText(card, config).pattern
    tokens = [*(bytes([one]) for one in range(256)), b"</s>"]
    info = xgrammar.TokenizerInfo(tokens, stop_token_ids=[END])
    grammar = xgrammar.GrammarCompiler(info).compile_regex(pattern)
    accepted = 0
    for text in texts(card, config):
        matcher = xgrammar.GrammarMatcher(grammar)
        taken = all(matcher.accept_token(one) for one in text.encode()) and matcher.accept_token(END)
        assert taken == (re.fullmatch(pattern, text) is not None), text
        accepted += taken
    assert 50 < accepted < 200


@pytest.mark.parametrize(("card", "config"), KINDS)
def test_llguidance_takes_the_expression(card: ActionCard, config: RT2Config) -> None:
    llguidance = pytest.importorskip("llguidance")
    grammar = llguidance.LLMatcher.grammar_from_regex(ActionText(card, config).pattern)
    assert llguidance.LLMatcher.validate_grammar(grammar) == ""
