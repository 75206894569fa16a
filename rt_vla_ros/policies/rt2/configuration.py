"""The action format of a checkpoint: rt2_config.json, beside the weights and the action card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rt_vla_ros.action_space.card import LONGEST_HORIZON
from rt_vla_ros.json_file import checked_keys, read_object
from rt_vla_ros.language.plain_text import HOLE, PromptText
from rt_vla_ros.policies.checkpoint.files import RT2_CONFIG_FILE

VOCABULARIES = ("integers", "overwritten", "openvla")
WORDINGS = ("bare", "verbatim", "task")
VIEWS = ("processor", "tiled", "separate", "unscaled")
PAPER_PROMPT = "Q: what action should the robot take to {instruction}? A:"
PLAN_PROMPT = "Instruction: {instruction}. Plan:"
QUESTION_PROMPT = "Q: {question} A:"
OPENVLA_PROMPT = "In: What action should the robot take to {instruction}?\nOut:"
OPENVLA_QUESTION = "In: {question}\nOut:"
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
)
VICUNA_PROMPT = VICUNA + "USER: What action should the robot take to {instruction}? ASSISTANT:"
VICUNA_QUESTION = VICUNA + "USER: {question} ASSISTANT:"
LONGEST_PLAN = 1024
ECOT_PROMPT = VICUNA_PROMPT + " TASK:"
PLAN_END = "Action:"
EDGE = 1e-6
"""How far the outermost edges of VLA-0-Smol's bins extend beyond -1 and 1."""
STATE, MOST_STATE_BINS, LARGEST_VIEW = "{state}", 65536, 4096
KINDS: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool, "float": (int, float)}


class RT2ConfigError(ValueError):
    """rt2_config.json is missing, incomplete or inconsistent; the message says where and what was expected."""


@dataclass(frozen=True)
class RT2Config:
    """The format in which a vision-language model was trained to output actions.

    vocabulary: "integers" (bin numbers as text, PaLI-X), "overwritten" (256 rarely used tokens, PaLM-E) or "openvla"
    (the last 256 tokens, descending).
    tokens: for "overwritten": the token id of each bin, in order of the bins; otherwise empty.
    prompt: template with {instruction}. question: template with {question}.
    plan_tokens: longest plan that the model writes before `plan_end` [tokens]; 0: no plan.
    plan_on_request: longest plan that it was also trained to write, with PLAN_PROMPT, if asked to plan
    [tokens]; 0: none. A model with plan_tokens always plans.
    plan_end: text between a plan and the action.
    chat: whether prompts use the tokenizer's chat template.
    leading_space: for "integers": whether there is a space before the first number, as after "A:".
    lower_case: whether instructions are converted to lower case (OpenVLA).
    unnorm_key: for OpenVLA: which of the checkpoint's statistics to use; empty if there is only one.
    center_crop: for OpenVLA: whether the model was fine-tuned with random crops and needs a center crop.
    wording: of an instruction: "bare" (without final punctuation), "verbatim", or "task" (lower case, underscores
    replaced by spaces: VLA-0-Smol).
    system: system message of the chat; empty: none. vision_id: whether the chat template numbers images.
    state_bins: bins of the robot state in the prompt, inserted at {state}; 0: no state in the prompt.
    views: how camera images are arranged, see vla0.views; "processor": as preprocessor_config.json says.
    view_crop: share of each side that the center crop of a view keeps, more than 0, at most 1.
    view_size: side of a view in the model's image [pixels], for "tiled" and "separate".
    horizon: number of steps the model was trained to output at once; 0: from the action card.
    """

    vocabulary: str
    tokens: tuple[int, ...] = ()
    prompt: str = PAPER_PROMPT
    question: str = QUESTION_PROMPT
    plan_tokens: int = 0
    plan_on_request: int = 0
    plan_end: str = PLAN_END
    chat: bool = False
    leading_space: bool = True
    lower_case: bool = False
    unnorm_key: str = ""
    center_crop: bool = False
    wording: str = "bare"
    system: str = ""
    vision_id: bool = False
    state_bins: int = 0
    views: str = "processor"
    view_crop: float = 1.0
    view_size: int = 0
    horizon: int = 0
    version: int = 1

    def __post_init__(self) -> None:
        if self.vocabulary not in VOCABULARIES:
            raise RT2ConfigError(f"vocabulary is {self.vocabulary!r}, expected one of {', '.join(VOCABULARIES)}.")
        if bool(self.tokens) != (self.vocabulary == "overwritten"):
            raise RT2ConfigError(
                f"tokens lists {len(self.tokens)} ids for the vocabulary {self.vocabulary!r}: "
                'tokens must be given for "overwritten" and only for it.'
            )
        for key in ("prompt", "question"):
            hole = "{instruction}" if key == "prompt" else "{question}"
            if hole not in getattr(self, key):
                raise RT2ConfigError(f"{key} is {getattr(self, key)!r}, expected a text with {hole} in it.")
        for key in ("plan_tokens", "plan_on_request"):
            if not 0 <= getattr(self, key) <= LONGEST_PLAN:
                raise RT2ConfigError(f"{key} is {getattr(self, key)}, expected 0 to {LONGEST_PLAN}.")
        if not self.plan_end.strip():
            raise RT2ConfigError(f"plan_end is {self.plan_end!r}, expected a marker such as {PLAN_END!r}.")
        if not 0 <= self.horizon <= LONGEST_HORIZON:
            expected = f"1 to {LONGEST_HORIZON} steps, or 0 for the card's"
            raise RT2ConfigError(f"horizon is {self.horizon}, expected {expected}.")
        self._check_chat()
        self._check_views()
        if self.version != 1:
            raise RT2ConfigError(f"version is {self.version}, this program reads version 1.")

    def _check_chat(self) -> None:
        if self.wording not in WORDINGS:
            raise RT2ConfigError(f"wording is {self.wording!r}, expected one of {', '.join(WORDINGS)}.")
        if (self.system or self.vision_id) and not self.chat:
            raise RT2ConfigError("system and vision_id are parts of the chat template: set chat: true as well.")
        if not (self.state_bins == 0 or 2 <= self.state_bins <= MOST_STATE_BINS):
            raise RT2ConfigError(
                f"state_bins is {self.state_bins}, expected 2 to {MOST_STATE_BINS}, or 0 for no state."
            )
        if (self.state_bins > 0) != (STATE in self.prompt):
            raise RT2ConfigError(
                f"state_bins is {self.state_bins} and prompt {self.prompt!r}: set state_bins if and only if the prompt "
                f"contains {STATE}."
            )

    def _check_views(self) -> None:
        if self.views not in VIEWS:
            raise RT2ConfigError(f"views is {self.views!r}, expected one of {', '.join(VIEWS)}.")
        if not 0 < self.view_crop <= 1:
            raise RT2ConfigError(f"view_crop is {self.view_crop}, expected more than 0 and at most 1.")
        sized = self.views in ("tiled", "separate")
        if not (1 <= self.view_size <= LARGEST_VIEW if sized else self.view_size == 0):
            expected = f"1 to {LARGEST_VIEW} pixels" if sized else "0"
            raise RT2ConfigError(f"view_size is {self.view_size}, expected {expected} for the views {self.views!r}.")

    @property
    def plans(self) -> bool:
        """Whether the model can plan before it acts."""
        return bool(self.plan_tokens or self.plan_on_request)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RT2Config:
        """Raises RT2ConfigError for keys that are missing or unknown and for values of the wrong kind."""
        known = {field.name: str(field.type) for field in fields(cls)}
        for key, value in checked_keys(cls, data, RT2_CONFIG_FILE, RT2ConfigError, optional=tuple(known)).items():
            kind = KINDS.get(known[key], (list, tuple))
            if not isinstance(value, kind) or (known[key] in ("int", "float") and isinstance(value, bool)):
                raise RT2ConfigError(f"{key} is {value!r}, expected {known[key]}.")
        if "vocabulary" not in data:
            raise RT2ConfigError(f"vocabulary is missing, expected one of {', '.join(VOCABULARIES)}.")
        tokens = data.get("tokens", ())
        if not all(isinstance(token, int) and not isinstance(token, bool) for token in tokens):
            raise RT2ConfigError("tokens must be a list of token ids.")
        return cls(**{**data, "tokens": tuple(tokens)})

    @classmethod
    def load(cls, directory: Path, defaults: Mapping[str, Any] = MappingProxyType({})) -> RT2Config:
        """Reads DIRECTORY/rt2_config.json, which may be missing if `defaults` are given. Raises RT2ConfigError."""
        path = Path(directory) / RT2_CONFIG_FILE
        if not path.is_file() and not defaults:
            raise RT2ConfigError(
                f"{directory} has no {RT2_CONFIG_FILE}: it says how the model writes actions. "
                'The smallest one is {"vocabulary": "integers"}; docs/rt2.md lists all options. '
                "`rt-vla convert vla0` writes it for VLA-0."
            )
        data = read_object(path, RT2ConfigError) if path.is_file() else {}
        try:
            return cls.from_dict({**defaults, **data})
        except RT2ConfigError as error:
            raise RT2ConfigError(f"{path}: {error}") from error

    def save(self, directory: Path) -> None:
        """Writes DIRECTORY/rt2_config.json."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        (Path(directory) / RT2_CONFIG_FILE).write_text(text, encoding="utf-8")


def robot_prompt(config: RT2Config, instruction: str, state: str = "") -> PromptText:
    """The prompt for an action, or a plan and an action. state: as text, see inputs.state_text.

    Raises ValueError for an empty instruction.
    """
    words = " ".join(instruction.split())
    if not words:
        raise ValueError("The instruction is empty; expected a task for the robot.")
    if config.wording == "verbatim":
        words = instruction
    elif config.wording == "task":
        words = instruction.lower().strip().replace("_", " ")
    else:
        words = words.rstrip(".?! ") or words  # the prompt adds its own punctuation
    template = config.prompt.replace(STATE, state).replace("{instruction}", HOLE)
    return PromptText(template, words.lower() if config.lower_case else words, config.system)


def question_prompt(config: RT2Config, question: str, before: Sequence[tuple[str, str]] = ()) -> PromptText:
    """The prompt for an answer in words. Raises ValueError for an empty question.

    before: earlier questions and answers, alternating.
    """
    words = " ".join(question.split())
    if not words:
        raise ValueError("The question is empty; expected one about the image.")
    earlier = tuple((" ".join(one.split()), " ".join(answer.split())) for one, answer in before)
    return PromptText(config.question.replace("{question}", HOLE), words, before=earlier)


def plan_config(config: RT2Config, plan_tokens: int) -> RT2Config:
    """The configuration for outputs with a plan of at most this many tokens; unchanged if it already has plans."""
    if config.plan_tokens:
        return config
    return replace(config, prompt=PLAN_PROMPT, plan_tokens=plan_tokens, state_bins=0)
