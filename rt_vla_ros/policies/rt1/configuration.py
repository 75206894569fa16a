"""What an RT-1 network is made of (arXiv 2212.06817, sections 5.1 and 5.2), with the paper's names."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Sequence
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
FLAGS = (
    "stored_normalisation",
    "spatial_positions",
    "feed_forward_bias",
    "position_bias",
    "image_attends_past_actions",
)
COUNTS = (
    "image_size",
    "resnet_blocks",
    "token_embedding_size",
    "num_image_tokens",
    "token_learner_bottleneck",
    "language_size",
    "word_buckets",
    "time_sequence_length",
    "num_layers",
    "num_heads",
    "layer_size",
    "d_model",
    "feed_forward_size",
)
IMAGENET_STD = (0.229, 0.224, 0.225)


class RT1Config(PretrainedConfig):
    """The defaults are the paper's; `preset` names the public networks and the small one that this project trains.

    Two different networks are called RT-1: the release in TensorFlow (google-research/robotics_transformer) and RT-1-X
    in JAX (google-deepmind/open_x_embodiment). Every difference between them is an option here.

    Image
    image_size: height and width of the images in the network [pixel]; others are resized, bilinear without antialiasing
    and without keeping the aspect, as both public pipelines do.
    input_height, input_width: size of the images that a policy takes [pixel]; None is image_size. RT-1's robots were
    recorded at 256 x 320, and the resize belongs to the network.
    image_mean, image_std: of R, G and B, on the scale 0 ... 1.
    stored_normalisation: the release keeps mean and variance in a Keras layer that its checkpoint owns, followed by a
    division by sqrt(image_std); they are part of the weights then.
    trunk: "film_efficientnet" (the paper's) or "film_resnet" (dense convolutions, many times faster on a CPU).
    width_coefficient, depth_coefficient, drop_connect_rate: of the EfficientNet; 1.2 and 1.4 make B3.
    stride_padding: of its convolutions with stride 2. "same" is TensorFlow's and Flax' SAME, which looks at the size
    (300 px give a 10 x 10 map); "keras" is what Keras' EfficientNet pads for an unknown size, one pixel less before
    than after (9 x 9): the release was built so. Weights of one rule give other logits under the other.
    resnet_widths, resnet_blocks: channels of each stage of the ResNet and residual blocks per stage. The stem and every
    stage but the first halve the resolution.
    token_embedding_size: channels of the image tokens.
    spatial_positions: add a learned vector per place of the feature map before the TokenLearner, so that a token can
    say where in the image it comes from. The paper's EfficientNet is deep enough to learn that from its padding.
    num_image_tokens, token_learner_bottleneck: of the TokenLearner (v1.1).

    Language
    language: "embedding" takes a sentence vector of `language_size`; "hashed_words" takes bucket numbers
    (language.HashedWords) and learns a vector for each of `word_buckets`, mixed into `language_size`.

    Transformer
    time_sequence_length: images in the history.
    num_layers, num_heads, layer_size (key dimension of a head), d_model, dropout_rate: as in the paper's code.
    feed_forward: "linear" is the release of RT-1 (one Dense without activation), "swiglu" that of RT-1-X.
    feed_forward_size: hidden size of "swiglu".
    feed_forward_bias: whether "linear" has a bias: in the release yes, in the JAX code no.
    position_bias: positions are a Dense layer of a one-hot number in both public codes, so they have a bias besides
    their table. The table has a row for each of time_sequence_length x (image + action tokens): a checkpoint fixes its
    window.
    image_attends_past_actions: whether rows of an image may attend the action rows of earlier steps (RT-1's release) or
    not (RT-1-X).
    action_embedding: what stands in the rows of action tokens. "none": zeros. "zeroed": zeros too, but the checkpoint
    carries an embedding that the release multiplies by zero. "previous": the tokens of earlier steps, embedded, and the
    embedding of token 0 in the newest (`include_prev_timesteps_actions` of the JAX code).
    history_start: what a window holds before it is full. "short": it begins with the first image at position 0, which
    is what the release does: its empty slots lie in the future, where nothing looks. "zero_frames": black images with a
    zero sentence in front, as RT-1-X was trained.

    Actions
    vocab_size: bins per dimension.
    tokens_per_dimension: how many tokens are legal in each dimension, in the card's order: vocab_size, or the number of
    modes; None: three modes of "terminate", then ten dimensions of vocab_size.
    world_vector_range: low and high of the translation in the public checkpoints' own unit: (-1, 1) in RT-1, (-2, 2) in
    RT-1-X; the action card says the same. None where the card alone says it.
    decoding: how a policy reads a distribution: "argmax" (the paper) or "expected_value".
    target_smoothing: standard deviation [bins] of the Gaussian around the target in the loss; 0 is plain cross-entropy.
    """

    model_type = "rt1"

    def __init__(
        self,
        *,
        image_size: int = 300,
        input_height: int | None = None,
        input_width: int | None = None,
        image_mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        image_std: tuple[float, ...] = IMAGENET_STD,
        stored_normalisation: bool = False,
        trunk: str = "film_efficientnet",
        width_coefficient: float = 1.2,
        depth_coefficient: float = 1.4,
        drop_connect_rate: float = 0.2,
        stride_padding: str = "same",
        resnet_widths: tuple[int, ...] = (16, 32, 64),
        resnet_blocks: int = 2,
        token_embedding_size: int = 512,
        spatial_positions: bool = False,
        num_image_tokens: int = 8,
        token_learner_bottleneck: int = 64,
        language: str = "embedding",
        language_size: int = 512,
        word_buckets: int = 4096,
        time_sequence_length: int = 6,
        num_layers: int = 8,
        num_heads: int = 8,
        layer_size: int = 128,
        d_model: int = 512,
        feed_forward: str = "linear",
        feed_forward_size: int = 512,
        feed_forward_bias: bool = True,
        position_bias: bool = False,
        dropout_rate: float = 0.1,
        image_attends_past_actions: bool = True,
        action_embedding: str = "none",
        history_start: str = "short",
        vocab_size: int = 256,
        tokens_per_dimension: tuple[int, ...] | None = None,
        world_vector_range: tuple[float, float] | None = None,
        decoding: str = "argmax",
        target_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_size, self.input_height, self.input_width = image_size, input_height, input_width
        self.image_mean = checked_list("image_mean", image_mean, 3)
        self.image_std = checked_list("image_std", image_std, 3)
        self.stored_normalisation = stored_normalisation
        self.trunk, self.stride_padding = trunk, stride_padding
        self.width_coefficient, self.depth_coefficient = width_coefficient, depth_coefficient
        self.drop_connect_rate = drop_connect_rate
        self.resnet_widths, self.resnet_blocks = checked_list("resnet_widths", resnet_widths), resnet_blocks
        self.token_embedding_size = token_embedding_size
        self.spatial_positions = spatial_positions
        self.num_image_tokens, self.token_learner_bottleneck = num_image_tokens, token_learner_bottleneck
        self.language, self.language_size, self.word_buckets = language, language_size, word_buckets
        self.time_sequence_length = time_sequence_length
        self.num_layers, self.num_heads, self.layer_size, self.d_model = num_layers, num_heads, layer_size, d_model
        self.feed_forward, self.feed_forward_size = feed_forward, feed_forward_size
        self.feed_forward_bias, self.position_bias = feed_forward_bias, position_bias
        self.dropout_rate = dropout_rate
        self.image_attends_past_actions = image_attends_past_actions
        self.action_embedding, self.history_start = action_embedding, history_start
        self.vocab_size = vocab_size
        check_count("vocab_size", vocab_size)
        self.tokens_per_dimension = (
            [3, *[vocab_size] * 10]
            if tokens_per_dimension is None
            else checked_list("tokens_per_dimension", tokens_per_dimension)
        )
        self.world_vector_range = (
            None if world_vector_range is None else checked_list("world_vector_range", world_vector_range, 2)
        )
        self.decoding, self.target_smoothing = decoding, target_smoothing
        self._check()

    @property
    def num_action_tokens(self) -> int:
        """Dimensions of an action."""
        return len(self.tokens_per_dimension)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the images that a policy takes [pixel]."""
        return self.input_height or self.image_size, self.input_width or self.image_size

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> RT1Config:
        """A named configuration, with options changed. Raises ValueError for an unknown name or option."""
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
        known = [option for option in inspect.signature(cls).parameters if option != "kwargs"]
        for option in overrides:
            if option not in known:
                near = difflib.get_close_matches(option, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
                raise ValueError(f"RT-1 has no option {option!r}; {hint}")
        return cls(**{**PRESETS[name], **overrides})

    def _check(self) -> None:
        for key, choices in CHOICES.items():
            check_choice(key, getattr(self, key), choices)
        for key in FLAGS:
            check_flag(key, getattr(self, key))
        for key in COUNTS:
            check_count(key, getattr(self, key))
        for key in ("input_height", "input_width"):
            if getattr(self, key) is not None:
                check_count(key, getattr(self, key))
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
            raise ValueError(f"world_vector_range is {self.world_vector_range}, expected a low and a higher high")
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
    "feed_forward": "linear",
    "position_bias": True,
    "image_attends_past_actions": True,
    "action_embedding": "zeroed",
    "world_vector_range": (-1.0, 1.0),
}
_JAX: dict[str, Any] = {
    "input_height": 256,
    "input_width": 320,
    "stride_padding": "same",
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
"""`rt1`: the release in TensorFlow (rt1main, rt1simreal; 35 M parameters). `rt1-multirobot`: its larger sibling.
`rt1-jax`: the defaults of the JAX code. `rt1-x`: RT-1-X as published (57 M). `rt1-mini`: what this project trains on
two cores."""


def check_choice(key: str, value: Any, choices: Sequence[str]) -> None:
    """One of these words."""
    if value not in choices:
        raise ValueError(f"{key} is {value!r}, expected one of {', '.join(choices)}")


def check_flag(key: str, value: Any) -> None:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}, expected true or false")


def check_count(key: str, value: Any) -> None:
    """A whole number of at least 1."""
    if not _is(value, Integral):
        raise ValueError(f"{key} is {value!r}, expected a whole number")
    if value < 1:
        raise ValueError(f"{key} is {value}, expected at least 1")


def check_number(key: str, value: Any, low: float, high: float = math.inf, *, open_low: bool = False) -> None:
    """low <= value < high, or low < value < high."""
    if not _is(value, Real) or not low <= value < high or (open_low and value == low):
        least = f"more than {low:g}" if open_low else f"at least {low:g}"
        raise ValueError(f"{key} is {value!r}, expected a number, {least}" + f" and below {high:g}" * (high < math.inf))


def checked_list(key: str, value: Any, length: int | None = None) -> list[Any]:
    """The value as a list of numbers, of this length where one is given."""
    fits = isinstance(value, (list, tuple)) and length in (None, len(value))
    if not fits or not all(_is(number, Real) and math.isfinite(number) for number in value):
        raise ValueError(f"{key} is {value!r}, expected a list of {'' if length is None else f'{length} '}numbers")
    return list(value)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
