"""The settings of fine-tuning a vision-language model, each default in one place, and named recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rt_vla_ros.action_space.card import LONGEST_HORIZON
from rt_vla_ros.policies.rt1.configuration import check_number
from rt_vla_ros.policies.rt2.configuration import LONGEST_PLAN
from rt_vla_ros.training.checks import check_range
from rt_vla_ros.training.precision import AUTO, PRECISIONS

METHODS = ("full", "lora")
FROZEN = ("", "vision", "language")
SCHEDULES = ("cosine", "constant")
ALL_LINEAR = "all-linear"
SMALL = "small"
"""A tiny random base, and the recipe for it."""


@dataclass(frozen=True)
class FineTuneSettings:
    """method: "full" (all weights but those of `freeze`) or "lora" (a low-rank adapter beside each linear layer).

    lora_rank, lora_alpha, lora_dropout: of the adapter. lora_targets: comma-separated names of adapted layers, or
    "all-linear". merged: whether the adapter is merged into the model of the policy. freeze: "vision" (with the
    projector), "language", or empty. steps: optimizer steps. batch_size: global batch size. micro_batch_size: samples
    per forward pass and process, for gradient accumulation; 0: no accumulation. learning_rate: peak. warmup: steps, at
    most a tenth of all. schedule: "cosine" (to 0) or "constant". weight_decay (of matrices), beta1, beta2, epsilon: of
    AdamW. max_grad_norm: gradient clipping; 0: off. precision: "bfloat16" (mixed: trained weights are float32),
    "float32", or "auto": bfloat16 if the device supports it. gradient_checkpointing: recompute activations in the
    backward pass to save memory. horizon: steps of a chunk; 0: the base's, if it has a card, else the data's.
    robot_share: of all samples, if there is web data too; None: half. temperature: of the shares within robot and
    within web datasets, p ~ size^(1/T). shares: fixed shares of all samples by dataset; see data.shares. web_weight:
    loss weight of answer tokens; action tokens have 1. label_mask: up to this share of an action's numbers is masked in
    the input and not a target, so that the model attends to the image instead of the previous numbers. plan_share:
    share of robot samples with a plan before the action. plan_tokens: maximum plan length that the trained policy
    writes before each action; 0: no plan, except on request if plan_share is above 0. shift_rows, shift_columns:
    maximum random shift of robot images, as fractions of height and width. jitter: of their brightness, contrast and
    color. validation: share of the robot episodes and web examples held out; at most `held_out` samples of each kind
    are evaluated. patience: early stopping after this many evaluations without improvement; 0: off. vqa_questions:
    number of held-out web questions with short answers to ask. rt2: overrides of keys of the base's rt2_config.json.
    seed: of order, augmentation and adapter.
    """

    method: str = "full"
    lora_rank: int = 32
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0
    lora_targets: str = ALL_LINEAR
    merged: bool = False
    freeze: str = ""
    steps: int = 2_000
    batch_size: int = 32
    micro_batch_size: int = 0
    learning_rate: float = 2e-5
    warmup: int = 100
    schedule: str = "cosine"
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    precision: str = AUTO
    gradient_checkpointing: bool = False
    horizon: int = 0
    robot_share: float | None = None
    temperature: float = 1.0
    shares: Mapping[str, float] = field(default_factory=dict)
    web_weight: float = 1.0
    label_mask: float = 0.0
    plan_share: float = 0.0
    plan_tokens: int = 0
    shift_rows: float = 0.02
    shift_columns: float = 0.02
    jitter: float = 0.12
    validation: float = 0.05
    held_out: int = 64
    patience: int = 0
    vqa_questions: int = 100
    rt2: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for invalid settings."""
        choices = {"method": METHODS, "freeze": FROZEN, "schedule": SCHEDULES, "precision": PRECISIONS}
        for name, expected in choices.items():
            if getattr(self, name) not in expected:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(map(repr, expected))}."
                )
        check_range("The seed", self.seed, (1 << 31) - 1)
        for name in ("steps", "batch_size", "lora_rank", "held_out"):
            check_number(name, getattr(self, name), 0, open_low=True)
        for name in ("learning_rate", "lora_alpha", "epsilon", "temperature"):
            check_number(name, getattr(self, name), 0, open_low=True)
        counts = ("micro_batch_size", "warmup", "weight_decay", "max_grad_norm", "patience", "vqa_questions")
        for name in (*counts, "web_weight"):
            check_number(name, getattr(self, name), 0)
        for name in ("beta1", "beta2", "lora_dropout", "shift_rows", "shift_columns"):
            check_number(name, getattr(self, name), 0, 1)
        for name in ("label_mask", "plan_share", "jitter"):
            check_range(name, getattr(self, name))
        for name, share in {"robot_share": self.robot_share, **self.shares}.items():
            if share is not None:
                check_range(name if name == "robot_share" else f"The share of {name}", share)
        check_range("validation", self.validation, 0.9)
        check_range("horizon", self.horizon, LONGEST_HORIZON)
        check_range("plan_tokens", self.plan_tokens, LONGEST_PLAN)
        if self.plan_tokens and not self.plan_share:
            raise ValueError(
                f"plan_tokens is {self.plan_tokens}, but plan_share is 0: the policy would write a plan before each "
                "action without having been trained to. Set plan_share, too, such as --plan-share 0.5."
            )
        if self.method == "lora" and self.freeze == "language":
            raise ValueError(
                "freeze 'language' cannot be combined with method 'lora'; select layers with lora_targets instead."
            )
        if self.patience and not self.validation:
            raise ValueError("patience needs held-out samples: set validation above 0.")

    @property
    def warmup_steps(self) -> int:
        return min(self.warmup, self.steps // 10)


VLA0_SYSTEM = (
    "Analyze the input image and predict robot actions for the next {horizon} timesteps. Each action has {dimensions} "
    "dimensions. Output a single sequence of {numbers} integers (0-{largest} each), representing the {horizon} "
    "timesteps sequentially. Provide only space separated numbers. Nothing else."
)
"""Placeholders in braces are filled from the action card."""
RECIPES: Mapping[str, FineTuneSettings] = MappingProxyType(
    {
        # For the small random model: a minute on a CPU, for a quick test.
        SMALL: FineTuneSettings(steps=300, batch_size=16, learning_rate=3e-3, warmup=30),
        # RT-2 (arXiv:2307.15818, appendix E) has the batches and steps 2048 / 80,000 (PaLI-X 55B) and 128 / 300,000
        # (PaLI 3B, which these are), and half of the samples from robots. Its rates, 1e-3, are of another optimizer;
        # this one is OpenVLA's for all weights (arXiv:2406.09246, section 3.4), constant, with AdamW.
        "rt2": FineTuneSettings(
            steps=300_000,
            batch_size=128,
            learning_rate=2e-5,
            schedule="constant",
            warmup=0,
            gradient_checkpointing=True,
        ),
        # VLA-0 (arXiv:2510.13054, III.B): up to 40 % of an action is hidden. Rate, batch, no schedule, no clipping and
        # the color changes are those of the settings file of MilkClouds/vla0-trl (configs/vla0.yaml), which says that
        # the original has 5e-6 for each of 8 GPUs. Steps are a number of epochs there.
        "vla0": FineTuneSettings(
            steps=60_000,
            batch_size=64,
            learning_rate=4e-5,
            schedule="constant",
            warmup=0,
            max_grad_norm=0.0,
            gradient_checkpointing=True,
            horizon=8,
            label_mask=0.4,
            jitter=0.2,
            rt2={
                "chat": True,
                "leading_space": False,
                "prompt": "{instruction}",
                "question": "{question}",
                "wording": "verbatim",
                "system": VLA0_SYSTEM,
            },
        ),
        # openvla/openvla, vla-scripts/finetune.py: rank 32, alpha min(rank, 16), all linear layers, a constant 5e-4 at
        # a batch of 16, AdamW as torch has it (decay 0.01), no clipping, images augmented.
        "openvla-lora": FineTuneSettings(
            method="lora",
            steps=5_000,
            batch_size=16,
            learning_rate=5e-4,
            schedule="constant",
            warmup=0,
            weight_decay=0.01,
            max_grad_norm=0.0,
        ),
    }
)
"""Published settings for large models, and one for a quick test."""
