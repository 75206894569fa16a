"""Configuration of an RT-1 network (arXiv 2212.06817, sections 5.1 and 5.2), with the paper's names."""

from __future__ import annotations

import difflib
import math
from numbers import Integral, Real
from typing import Any

from transformers import PretrainedConfig

CHOICES = {
    "trunk": ("film_efficientnet", "film_resnet"),
    "feed_forward": ("linear", "swiglu"),
    "language": ("embedding", "hashed_words"),
    "stride_padding": ("same", "keras"),
    "action_embedding": ("none", "zeroed", "previous"),
    "history_start": ("short", "zero_frames"),
    "decoding": ("argmax", "expected_value"),
}
LISTS = {"image_mean": 3, "image_std": 3, "resnet_widths": None, "tokens_per_dimension": None, "world_vector_range": 2}
"""Required lengths of options that are lists of numbers."""
MOST_CAMERAS = 6
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class RT1Config(PretrainedConfig):
    """The defaults are the paper's; `preset` names the public networks and the small one that this project trains.

    Two different networks are called RT-1: the release in TensorFlow (google-research/robotics_transformer) and RT-1-X
    in JAX (google-deepmind/open_x_embodiment). Every difference between them is an option here.

    Image
    image_size: height and width of the network's images [pixel]; other sizes are resized, bilinear without antialiasing
    and without keeping the aspect ratio, as in both public pipelines.
    input_height, input_width: size of the policy's input images [pixel], 256 x 320 on RT-1's robots; None: image_size.
    image_mean, image_std: of R, G and B, on a scale of 0 ... 1.
    stored_normalisation: whether mean and variance are part of the weights, followed by a division by sqrt(image_std)
    (release).
    trunk: "film_efficientnet" (the paper's) or "film_resnet" (dense convolutions, many times faster on a CPU).
    width_coefficient, depth_coefficient, drop_connect_rate: of the EfficientNet; B3 has 1.2 and 1.4.
    stride_padding: of its convolutions with stride 2. "same" is TensorFlow's and Flax' SAME, which depends on the size
    (300 px give a 10 x 10 map); "keras" pads one pixel less before than after (9 x 9), as in the release.
    resnet_widths, resnet_blocks: channels of each stage of the ResNet and residual blocks per stage. The stem and every
    stage but the first halve the resolution.
    token_embedding_size: channels of the image tokens.
    spatial_positions: whether to add a learned vector per position of the feature map before the TokenLearner. The
    paper's EfficientNet is deep enough to learn positions from its padding.
    num_image_tokens, token_learner_bottleneck: of the TokenLearner (v1.1).
    num_cameras: number of cameras, 1 to 6. All images go through the same trunk and TokenLearner; their tokens,
    num_image_tokens each, are concatenated for the transformer. 1 in the public checkpoints.

    State
    state_size: dimensions of the robot state, each scaled to -1 ... 1 over its range in the action card. A small
    network maps them to one token after the image tokens of the same step. 0: no state, as in the public checkpoints.

    Language
    language: "embedding" takes a sentence vector of `language_size`; "hashed_words" takes bucket indices
    (language.HashedWords), learns a vector for each of `word_buckets` and mixes them into `language_size`.

    Transformer
    time_sequence_length: images in the history.
    num_layers, num_heads, layer_size (key dimension of a head), d_model, dropout_rate: as in the paper's code.
    feed_forward: "linear" as in RT-1's release (one Dense without activation), "swiglu" as in RT-1-X.
    feed_forward_size: hidden size of "swiglu". feed_forward_bias: whether "linear" has a bias (in the release only).
    position_bias: whether positions have a bias besides their table, as in both public codes. The table has a row for
    each of time_sequence_length x (image tokens of all cameras + state token + action tokens).
    image_attends_past_actions: whether image and state tokens may attend to the action tokens of earlier steps (RT-1's
    release) or not (RT-1-X).
    action_embedding: input of the action tokens. "none": zeros. "zeroed": zeros as well, but the checkpoint contains an
    embedding, which the release multiplies by zero. "previous": the embedded tokens of earlier steps, and the embedding
    of token 0 for the newest step (`include_prev_timesteps_actions` of the JAX code).
    history_start: the window's contents before it is full. "short": it starts with the first image at position 0, as in
    the release: no token attends to the empty slots. "zero_frames": it is padded in front with black images, a
    zero sentence and a zero state, as in the training of RT-1-X.

    Actions
    vocab_size: bins per dimension.
    tokens_per_dimension: number of legal tokens of each dimension, in the card's order: vocab_size, or the number of
    modes; None: three modes of "terminate", then ten dimensions of vocab_size.
    world_vector_range: low and high of the translation in the public checkpoints' own unit: (-1, 1) in RT-1, (-2, 2) in
    RT-1-X; must agree with the action card. None: only the card defines it.
    horizon: number of steps predicted at once. Every dimension of every step has its own action token, so that one pass
    predicts them all. 1 in the public checkpoints.
    decoding: how a policy decodes a distribution: "argmax" (the paper) or "expected_value".
    target_smoothing: standard deviation [bins] of the Gaussian around the target in the loss; 0 is plain cross-entropy.
    """

    model_type = "rt1"

    image_size: int = 300
    input_height: int | None = None
    input_width: int | None = None
    image_mean: list[float] = IMAGENET_MEAN  # type: ignore[assignment]
    image_std: list[float] = IMAGENET_STD  # type: ignore[assignment]
    stored_normalisation: bool = False
    trunk: str = "film_efficientnet"
    width_coefficient: float = 1.2
    depth_coefficient: float = 1.4
    drop_connect_rate: float = 0.2
    stride_padding: str = "same"
    resnet_widths: list[int] = (16, 32, 64)  # type: ignore[assignment]
    resnet_blocks: int = 2
    token_embedding_size: int = 512
    spatial_positions: bool = False
    num_image_tokens: int = 8
    token_learner_bottleneck: int = 64
    num_cameras: int = 1
    state_size: int = 0
    language: str = "embedding"
    language_size: int = 512
    word_buckets: int = 4096
    time_sequence_length: int = 6
    num_layers: int = 8
    num_heads: int = 8
    layer_size: int = 128
    d_model: int = 512
    feed_forward: str = "linear"
    feed_forward_size: int = 512
    feed_forward_bias: bool = True
    position_bias: bool = False
    dropout_rate: float = 0.1
    image_attends_past_actions: bool = True
    action_embedding: str = "none"
    history_start: str = "short"
    vocab_size: int = 256
    tokens_per_dimension: list[int] = None  # type: ignore[assignment]
    world_vector_range: list[float] | None = None
    horizon: int = 1
    decoding: str = "argmax"
    target_smoothing: float = 0.0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]
        for key in kwargs:  # may include transformers' own keys, which it keeps
            near = difflib.get_close_matches(key, RT1Config.__annotations__, n=1, cutoff=0.8)
            if near:
                raise ValueError(f"RT-1 has no option {key!r}; did you mean {near[0]!r}?")
        for key, choices in CHOICES.items():
            if getattr(self, key) not in choices:
                raise ValueError(f"{key} is {getattr(self, key)!r}, expected one of {', '.join(choices)}")
        for key, kind in RT1Config.__annotations__.items():
            value = getattr(self, key)
            if kind == "bool" and not isinstance(value, bool):
                raise ValueError(f"{key} is {value!r}, expected true or false")
            if kind == "int" or (kind == "int | None" and value is not None):
                check_count(key, value, least=0 if key == "state_size" else 1)
        if self.tokens_per_dimension is None:
            self.tokens_per_dimension = [3, *[self.vocab_size] * 10]
        for key, length in LISTS.items():
            if key != "world_vector_range" or self.world_vector_range is not None:
                setattr(self, key, checked_list(key, getattr(self, key), length))
        self._check_ranges()

    @property
    def action_token_counts(self) -> list[int]:
        """Number of legal tokens of each action row: `tokens_per_dimension`, repeated for every step of the horizon."""
        return list(self.tokens_per_dimension) * self.horizon

    @property
    def num_observation_tokens(self) -> int:
        """Rows of a time step before its action rows: image tokens of every camera, then the state token, if any."""
        return self.num_cameras * self.num_image_tokens + (self.state_size > 0)

    @property
    def num_action_tokens(self) -> int:
        """Action rows of a time step: horizon times dimensions of an action."""
        return len(self.tokens_per_dimension) * self.horizon

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of a policy's input images [pixel]."""
        return self.input_height or self.image_size, self.input_width or self.image_size

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> RT1Config:
        """A named configuration, with options overridden. Raises ValueError for an unknown name or option."""
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; available: {', '.join(PRESETS)}.")
        known = list(cls.__annotations__)
        for option in overrides:
            if option not in known:
                near = difflib.get_close_matches(option, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"available: {', '.join(known)}."
                raise ValueError(f"RT-1 has no option {option!r}; {hint}")
        return cls(**{**PRESETS[name], **overrides})

    def _check_ranges(self) -> None:
        if self.horizon > 1 and self.action_embedding == "previous":
            raise ValueError(
                f"horizon is {self.horizon}; a network with previous actions as input needs a horizon of 1"
            )
        if self.num_cameras > MOST_CAMERAS:
            raise ValueError(f"num_cameras is {self.num_cameras}, expected 1 to {MOST_CAMERAS}")
        for width in self.resnet_widths:
            check_count("each of resnet_widths", width)
        for key in ("width_coefficient", "depth_coefficient"):
            check_number(key, getattr(self, key), 0.0, open_low=True)
        for key in ("dropout_rate", "drop_connect_rate"):
            check_number(key, getattr(self, key), 0.0, 1.0)
        check_number("target_smoothing", self.target_smoothing, 0.0)
        for std in self.image_std:
            check_number("each of image_std", std, 0.0, open_low=True)
        if self.world_vector_range is not None and self.world_vector_range[0] >= self.world_vector_range[1]:
            raise ValueError(f"world_vector_range is {self.world_vector_range}, expected low < high")
        for tokens in self.tokens_per_dimension:
            check_count("each of tokens_per_dimension", tokens)
        if not self.tokens_per_dimension or max(self.tokens_per_dimension) > self.vocab_size:
            raise ValueError(
                f"tokens_per_dimension is {self.tokens_per_dimension}, expected 1 to vocab_size ({self.vocab_size}) "
                "each"
            )


_RELEASE: dict[str, Any] = {
    "input_height": 256,
    "input_width": 320,
    "stored_normalisation": True,
    "stride_padding": "keras",
    "position_bias": True,
    "action_embedding": "zeroed",
    "world_vector_range": (-1.0, 1.0),
}
_JAX: dict[str, Any] = {
    "input_height": 256,
    "input_width": 320,
    "feed_forward": "swiglu",
    "feed_forward_bias": False,
    "position_bias": True,
    "image_attends_past_actions": False,
    "history_start": "zero_frames",
    "world_vector_range": (-1.0, 1.0),
}

PRESETS: dict[str, dict[str, Any]] = {
    "rt1": _RELEASE,
    "rt1-multirobot": {**_RELEASE, "num_layers": 10, "d_model": 1024, "layer_size": 256},
    "rt1-jax": _JAX,
    "rt1-x": {
        **_JAX,
        "num_image_tokens": 81,
        "layer_size": 256,
        "vocab_size": 512,
        "time_sequence_length": 15,
        "world_vector_range": (-2.0, 2.0),
    },
    "rt1-mini": {
        "image_size": 96,
        "image_mean": (0.5, 0.5, 0.5),
        "image_std": (0.25, 0.25, 0.25),
        "trunk": "film_resnet",
        "token_embedding_size": 128,
        "spatial_positions": True,
        "language": "hashed_words",
        "language_size": 128,
        "time_sequence_length": 3,
        "num_layers": 4,
        "num_heads": 4,
        "layer_size": 32,
        "d_model": 128,
        "feed_forward": "swiglu",
        "feed_forward_size": 256,
        "dropout_rate": 0.0,
        "image_attends_past_actions": False,
        "tokens_per_dimension": (2, 256, 256, 256, 256, 256),
        "decoding": "expected_value",
        "target_smoothing": 1.5,
    },
}
"""`rt1`: the release in TensorFlow (rt1main, rt1simreal; 35 M parameters). `rt1-multirobot`: its larger variant.
`rt1-jax`: the defaults of the JAX code. `rt1-x`: RT-1-X as published (57 M). `rt1-mini`: the network that this
project trains on two cores."""


def check_count(key: str, value: Any, least: int = 1) -> None:
    """Raises ValueError unless the value is an integer of at least `least`."""
    if not _is(value, Integral):
        raise ValueError(f"{key} is {value!r}, expected a whole number")
    if value < least:
        raise ValueError(f"{key} is {value}, expected at least {least}")


def check_number(key: str, value: Any, low: float, high: float = math.inf, *, open_low: bool = False) -> None:
    """Raises ValueError unless low <= value < high, or low < value < high with open_low."""
    if not _is(value, Real) or not low <= value < high or (open_low and value == low):
        least = f"more than {low:g}" if open_low else f"at least {low:g}"
        raise ValueError(f"{key} is {value!r}, expected a number, {least}" + f" and below {high:g}" * (high < math.inf))


def checked_list(key: str, value: Any, length: int | None = None) -> list[Any]:
    """The value as a list of numbers, of the given length if any. Raises ValueError."""
    fits = isinstance(value, (list, tuple)) and length in (None, len(value))
    if not fits or not all(_is(number, Real) and math.isfinite(number) for number in value):
        raise ValueError(f"{key} is {value!r}, expected a list of {'' if length is None else f'{length} '}numbers")
    return list(value)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
