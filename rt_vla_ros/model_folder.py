"""What a stranger's folder of a model may hold, checked before torch, transformers or safetensors read any of it.

Names that stand in its files lead to files beside them. A symbolic link may lead elsewhere, as those of the Hub's cache
do: it was made on this machine, by who may read what it leads to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rt_vla_ros.git_lfs import hint
from rt_vla_ros.json_file import MEGABYTE, MOST, check_file, read_object

CONFIG = "config.json"
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
SETTINGS = (
    *(CONFIG, *PREPROCESSORS, "generation_config.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
"""Files whose values choose what transformers builds."""
TOKENIZER = "tokenizer.json"
OTHERS = ("chat_template.json", "*.jinja", "additional_chat_templates/*.jinja")
VOCABULARIES = ("tekken.json", "vocab.*", "merges.txt", "*.model", "*.tiktoken")
LARGEST_VOCABULARY = 48 * MEGABYTE
"""Bytes; Gemma's tokenizer.json has 33 million, 262,144 tokens, 580,000 merges and 6,415 added tokens."""
MOST_TOKENS = {"vocab": 400_000, "merges": 1_000_000}
LARGEST_HEADER, MOST_WEIGHTS = 8 * MEGABYTE, 30_000
"""Bytes of a safetensors header, and tensors in a file; a header of 10,000 has 1 million bytes."""
NOT_LOADED = (
    *("transformers_weights", "quantization_config", "use_pretrained_backbone", "use_kernels", "kernel_config"),
    *("fusion_config", "distributed_config"),
)
"""Keys with which a configuration brings other weights, other formats or other code than its folder's safetensors."""
ATTENTION = ("eager", "sdpa", "flex_attention", *(("flash_attention_2",) if find_spec("flash_attn") else ()))
"""Without its package, flash attention would be downloaded as code."""
CHOICES = (
    (re.compile(r"attn_implementation(_internal)?$"), ATTENTION),
    (re.compile(r"experts_implementation(_internal)?$"), ("eager", "batched_mm", "grouped_mm")),
    (re.compile(r"^(torch_)?dtype$"), ("float32", "float16", "bfloat16", "float64", "auto")),
)
"""What a key may say; anything else would be looked up as a name, some of it on the Hub."""
ELSEWHERE = re.compile(r"(hf[_-]hub|local-dir):")
"""Beginnings of names that timm looks up on the Hub, or in another directory."""
MOST_PARTS, MOST_DEPTH = 10_000, 32
"""Layers, heads, entries of a list; and how deep lists and objects are nested."""
COUNTS = re.compile(r"(^|_)(layers?|depths?|blocks?|heads?|experts?|stages?)$")
IMAGE_TOKENS, MOST_IMAGE_TOKENS = re.compile(r"^(image_seq_len(gth)?|num_image_tokens)$"), 100_000
SIDES, LONGEST_SIDE, MOST_PIXELS = re.compile(r"^(height|width|.*sizes?)$"), 8192, 1 << 26
"""Of images [pixel]; some sizes of preprocessors are numbers of pixels."""


def inside(folder: Path, name: object, failure: type[Exception]) -> Path:
    """The file that a name in a folder's own files means. Raises `failure` unless it can only be in that folder."""
    if not isinstance(name, str) or not re.fullmatch(r"[^/\\\0:]+", name) or name in (".", ".."):
        raise failure(f"{folder} names the file {name!r}, expected the name of a file in this directory.")
    return folder / name


def check_folder(folder: Path, failure: type[Exception], *, may_be_quantized: bool = False) -> dict[str, Any]:
    """What config.json holds, nothing if there is none.

    may_be_quantized: the caller looks at quantization_config by itself.
    Raises `failure`, with a message, for a folder with files or settings that are not to be read.
    """
    if (folder / ".metadata").exists():
        raise failure(f"{folder} is a checkpoint of torch.distributed, which may hold code. Convert it to safetensors.")
    for patterns, most in ((OTHERS, MOST), (VOCABULARIES, LARGEST_VOCABULARY)):
        for path in (path for pattern in patterns for path in folder.glob(pattern)):
            check_file(path, failure, most)
    if (path := folder / TOKENIZER).exists():
        _check_tokenizer(path, read_object(path, failure, LARGEST_VOCABULARY), failure)
    found = {name: read_object(path, failure) for name in SETTINGS if (path := folder / name).exists()}
    for name, settings in found.items():
        judged = ("quantization_config",) if may_be_quantized else ()
        _check_settings(folder / name, settings, failure, judged)
    return found.get(CONFIG, {})


def stored_shapes(path: Path, failure: type[Exception]) -> dict[str, tuple[int, ...]]:
    """The shapes of a safetensors file's tensors by their names; its header alone is read.

    Raises `failure`, with a message, for a file whose header is not one of weights.
    """
    size = check_file(path, failure)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size, LARGEST_HEADER):
            header = f"its header would have {length:,} bytes.{hint(path)}"
            raise failure(f"{path} is damaged or not a safetensors file: {header}")
        text = file.read(length)
    try:
        entries = {name: entry for name, entry in json.loads(text).items() if name != "__metadata__"}
        shapes = {name: tuple(int(side) for side in entry["shape"]) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise failure(f"{path} is damaged or not a safetensors file: its header cannot be read ({error}).") from error
    if len(shapes) > MOST_WEIGHTS:
        raise failure(f"{path} holds {len(shapes):,} tensors, expected at most {MOST_WEIGHTS:,}.")
    return shapes


def _check_tokenizer(path: Path, tokenizer: Mapping[str, Any], failure: type[Exception]) -> None:
    model = tokenizer.get("model")
    counted = [("added_tokens", tokenizer.get("added_tokens"), MOST_PARTS)]
    counted += [(key, model.get(key), most) for key, most in MOST_TOKENS.items() if isinstance(model, Mapping)]
    for key, found, most in counted:
        if isinstance(found, list | dict) and len(found) > most:
            raise failure(f"{path}: {key} has {len(found):,} entries, expected at most {most:,}.")


def _check_settings(path: Path, settings: Mapping[str, Any], failure: type[Exception], judged: Collection[str]) -> None:
    """judged: keys that the caller looks at by itself."""
    left: list[tuple[str, Any, int]] = [("", settings, 0)]
    while left:
        key, value, depth = left.pop()
        if key in judged:
            continue
        if depth > MOST_DEPTH:
            raise failure(f"{path} is not used: its lists and objects are nested more than {MOST_DEPTH} deep.")
        if reason := _refusal(key, value) or (_too_large(key, value) if path.name in PREPROCESSORS else ""):
            raise failure(f"{path}: {key} is {_shortened(value)}, {reason}")
        if isinstance(value, list | dict) and len(value) > MOST_PARTS:
            raise failure(f"{path}: {key or 'the file'} has {len(value):,} entries, expected at most {MOST_PARTS:,}.")
        if isinstance(value, dict):
            # What holds for a key holds for its parts: a choice may be made for each part of a model.
            left += [(key if _choices(key) else str(name), part, depth + 1) for name, part in value.items()]
        elif isinstance(value, list):
            left += [(key, part, depth + 1) for part in value]


def _refusal(key: str, value: Any) -> str:
    """Why a value is not accepted; empty if it is."""
    choices = _choices(key)
    if key == "quantization_config" and value:
        return "quantized weights are not loaded: take the model as it was before, and say weights:=int8 or int4."
    if key in NOT_LOADED and value:
        return "which is not done here: a checkpoint is the safetensors files of its directory. Remove the key."
    if choices and isinstance(value, str) and value not in choices:
        return f"expected one of {', '.join(choices)}; without the key it is chosen here."
    if isinstance(value, str) and ELSEWHERE.match(value):
        return "which leads elsewhere: a checkpoint is the files of its directory."
    for pattern, most in ((COUNTS, MOST_PARTS), (IMAGE_TOKENS, MOST_IMAGE_TOKENS)):
        if pattern.search(key) and _is_number(value) and value > most:
            return f"expected at most {most:,}."
    return ""


def _too_large(key: str, value: Any) -> str:
    """Why a preprocessor's size is not taken; empty if it is."""
    most = LONGEST_SIDE if SIDES.match(key) else MOST_PIXELS
    return f"expected at most {most:,}." if _is_number(value) and value > most else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _choices(key: str) -> tuple[str, ...]:
    return next((choices for pattern, choices in CHOICES if pattern.search(key)), ())


def _shortened(value: Any) -> str:
    text = repr(value) if not isinstance(value, list | dict) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}..."
