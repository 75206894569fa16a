"""What the model is asked (RT-2, section 3.2 and 4.4; OpenVLA)."""

from __future__ import annotations

from rt_vla_ros.policies.rt2.configuration import RT2Config


def robot_prompt(config: RT2Config, instruction: str) -> str:
    """The prompt behind which an action, or a plan and an action, is to follow.

    Raises ValueError for an instruction without words.
    """
    words = " ".join(instruction.split())
    if not words:
        raise ValueError("The instruction is empty; say what the robot shall do.")
    bare = words.rstrip(".?! ") or words  # the prompt brings its own punctuation
    return config.prompt.replace("{instruction}", bare.lower() if config.lower_case else bare)


def question_prompt(config: RT2Config, question: str) -> str:
    """The prompt behind which an answer in words is to follow. Raises ValueError for a question without words."""
    words = " ".join(question.split())
    if not words:
        raise ValueError("The question is empty; ask something about the image.")
    return config.question.replace("{question}", words)
