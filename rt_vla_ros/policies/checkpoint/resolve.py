"""Resolves a policy's name to a directory or a model on the Hugging Face Hub. Does not import torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard
from rt_vla_ros.json_file import read_object
from rt_vla_ros.model_folder import check_folder
from rt_vla_ros.policies.checkpoint.errors import (
    CheckpointError,
    NoPlansError,
    ServerDecidesError,
    UnknownPolicyError,
    some,
)
from rt_vla_ros.policies.checkpoint.files import (
    ADAPTER_CONFIG,
    CONFIG_FILE,
    ENGINE_FILE,
    EXPORTED,
    LEROBOT_VLA0,
    RT1_AOT,
    RT1_ONNX,
    RT2_AOT,
    RT2_CONFIG_FILE,
    RT2_ONNX,
    WEIGHTS_FILE,
    Tell,
    say_nothing,
)
from rt_vla_ros.policies.checkpoint.relatives import RelativeError, check_relative, files_of
from rt_vla_ros.policies.remote.address import RemoteAddress, is_remote
from rt_vla_ros.policies.remote.settings import RemoteSettings

if TYPE_CHECKING:
    from rt_vla_ros.policies.remote.handshake import Welcome

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
VLA0_MODEL = "model_last"
"""Where VLA-0's training code saves the model, inside a directory with statistics and settings."""
UNTRAINED, UNTRAINED_RT2 = MADE_IN_MEMORY = ("rt1-untrained", "rt2-untrained")
"""Policies with random weights, which have no files."""
RT1_FAMILIES = ("rt1", UNTRAINED)
"""Families with a network that does not output text."""
WORDLESS = (*RT1_FAMILIES, RT1_ONNX, RT1_AOT)
"""Families that cannot answer questions."""
REMOTE = "remote"
"""The family of policies on a server, `remote:HOST`."""
ENGINE = "engine"
"""The family of policies whose model runs in an inference engine (engine.json)."""
SHOWN = 80
"""Maximum characters of a name in a message."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
"""OWNER/NAME on the Hugging Face Hub, each of at most 96 characters there."""
OTHER_FORMATS = (".pt", ".pth", ".ckpt", ".bin", ".gguf", ".onnx", ".h5", ".msgpack", "consolidated.safetensors")
"""Suffixes of weight files that are not read: they can contain code, or are for other programs."""
HUB_PREFIX = "hf:"
"""Before OWNER/NAME: forces the Hugging Face Hub, whatever exists locally."""
LOCAL_OWNERS = (
    *("artifacts", "bin", "build", "checkpoint", "checkpoints", "ckpt", "ckpts", "data", "dataset", "datasets", "demo"),
    *("dist", "exp", "experiment", "experiments", "home", "log", "logs", "mnt", "model", "models", "opt", "out"),
    *("output", "outputs", "policies", "policy", "result", "results", "run", "runs", "save", "saved", "src", "test"),
    *("tests", "tmp", "trained", "training", "wandb", "weights", "work", "workspace"),
)
"""Directory names that are never taken as an owner on the Hub."""
FILE_NAME = re.compile(r"\.(safetensors|bin|pth?|ckpt|json|onnx|msgpack|index|gguf|ya?ml|zip|tar|t?gz)$", re.IGNORECASE)
WEIGHTS = ("auto", "float32", "bfloat16", "int8", "int4")
"""Weight formats of a policy; auto: bfloat16 for RT-2 on a GPU, float32 for everything else."""


@dataclass(frozen=True)
class Checkpoint:
    """A resolved checkpoint.

    name: for messages and reports. family: "rt1", "rt2", "openvla", "vla0" (as it is published), REMOTE, ENGINE, one of
    EXPORTED, or one of MADE_IN_MEMORY.
    directory: of the model, for ENGINE of its description; None if it is created in memory or on a server. config: its
    config.json, read once.
    adapter: directory of a LoRA adapter of that model. key: which statistics to use if there are several (OpenVLA).
    reference: a name that is valid in any working directory. called: names of the model and its adapter, by their
    directories or on the Hub. remote: connection settings of a server or an engine.
    """

    name: str
    family: str
    directory: Path | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    adapter: Path | None = None
    key: str = ""
    reference: str = ""
    called: str = ""
    remote: RemoteSettings = field(default_factory=RemoteSettings)

    @property
    def address(self) -> RemoteAddress:
        """Address of its server, for the family REMOTE."""
        return RemoteAddress.parse(self.reference)

    def welcome(self) -> Welcome:
        """The server's description of it, for the family REMOTE. Raises ValueError."""
        from rt_vla_ros.policies.remote.policy import fetch_welcome

        return fetch_welcome(self.address, self.remote)

    @property
    def model_directory(self) -> Path:
        """Raises CheckpointError if the policy is created in memory or on a server."""
        if self.family == REMOTE:
            raise CheckpointError(f"The policy {self.name!r} is on a server and has no files here.")
        if self.directory is None:
            raise CheckpointError(f"The policy {self.name!r} is created in memory and has no files.")
        return self.directory

    @property
    def answers(self) -> bool:
        """Whether the policy is a policies.policy.AnsweringPolicy, which answers questions in words.

        Asks the server of a remote policy; raises ValueError if that fails.
        """
        if self.family == REMOTE:
            return self.welcome().answers
        return self.family not in WORDLESS

    def check_plans(self) -> None:
        """Raises NoPlansError if the policy cannot plan before it acts; RT2ConfigError."""
        if self.family == REMOTE:
            raise ServerDecidesError("plan")
        if self.family == "openvla":
            from rt_vla_ros.policies.rt2.openvla.card import openvla_config

            plans = openvla_config(self).plans
        elif self.family in ("rt2", RT2_ONNX, RT2_AOT, ENGINE):
            from rt_vla_ros.policies.rt2.configuration import RT2Config

            plans = RT2Config.load(self.place_of(RT2_CONFIG_FILE)).plans
        else:
            plans = False
        if not plans:
            raise NoPlansError(self.name)

    def place_of(self, *files: str) -> Path:
        """The directory to read these files from: the adapter's if it has one of them, else the model's."""
        adapter = self.adapter
        here = adapter is not None and any((adapter / file).is_file() for file in files)
        return adapter if here and adapter is not None else self.model_directory

    def read_card(self) -> ActionCard:
        """The action card. Raises ActionCardError, CheckpointError, and ValueError for a policy on a server."""
        if self.family == REMOTE:
            return self.welcome().card
        if self.directory is None:
            from rt_vla_ros.policies.tabletop_card import tabletop_card

            return tabletop_card(self.name)
        if self.family == "openvla":
            from rt_vla_ros.policies.rt2.openvla.card import openvla_card

            return openvla_card(self)
        if self.family == "vla0":
            from rt_vla_ros.policies.rt2.vla0.published import published

            return published(self).card
        return ActionCard.load(self.place_of(CARD_FILE))


def resolve(name_or_path: str | Path, tell: Tell = say_nothing, remote: RemoteSettings | None = None) -> Checkpoint:
    """Resolves a shipped policy by its name, any other by its directory or its name on the Hugging Face Hub.

    `remote:HOST` is a policy on a server, which is not contacted yet, nor is an engine; remote: connection settings.

    name_or_path: also DIRECTORY#KEY or OWNER/NAME#KEY, which selects one of several statistics of an OpenVLA
    checkpoint. A Hub name is downloaded if there is no such directory; tell: called with progress messages.
    hf:OWNER/NAME always means the Hub; OWNER/NAME does not if it looks like a path, see hub_name.
    Raises UnknownPolicyError, and CheckpointError for a directory without a model or with an ambiguous one.
    """
    name = str(name_or_path)
    if name in MADE_IN_MEMORY:
        return Checkpoint(name, name, reference=name)
    if is_remote(name):
        address = _remote(name)
        called = address.name or address.place
        return Checkpoint(called, REMOTE, reference=str(address), called=called, remote=remote or RemoteSettings())
    on_hub = is_on_hub(name)
    directory = _download(name, tell) if on_hub else find_checkpoint(name)
    assert directory is not None, "only policies created in memory have no directory"
    path, _, key = name.partition("#") if on_hub else name.rpartition("#")
    key = key if path and not _path(name).is_dir() else ""
    if on_hub and (directory / ENGINE_FILE).is_file():
        raise CheckpointError(
            f"{name} has an {ENGINE_FILE}, which would send this robot's images to an address that its author chose. "
            "Copy it to a local directory, and check its url."
        )
    found = replace(_look_at(directory, tell, name if on_hub else _called(directory)), key=key)
    if found.family == ENGINE:
        found = replace(found, remote=remote or RemoteSettings())
    if key and found.family != "openvla":
        raise CheckpointError(f"{directory} is not an OpenVLA checkpoint, so it has no statistics {key!r}.")
    if on_hub:
        return replace(found, name=name, reference=name)
    whole = str(directory.resolve())
    return replace(found, name=directory.resolve().name, reference=f"{whole}#{key}" if key else whole)


def policy_names() -> list[str]:
    """Names known to `resolve`: the shipped checkpoints and the policies with random weights."""
    shipped = sorted(path.parent.name for path in CHECKPOINTS.glob(f"*/{CONFIG_FILE}"))
    return [*shipped, *MADE_IN_MEMORY]


def find_checkpoint(name_or_path: str) -> Path | None:
    """The directory of a policy on this machine; None for policies created in memory or on a server.

    Raises UnknownPolicyError.
    """
    if not name_or_path.strip():
        raise UnknownPolicyError(f"No policy given. {_choices()}")
    if name_or_path in MADE_IN_MEMORY:
        return None
    if is_remote(name_or_path):
        _remote(name_or_path)
        return None
    _path(name_or_path)
    shipped = CHECKPOINTS / name_or_path
    if "/" not in name_or_path and (shipped / CONFIG_FILE).is_file():
        return shipped
    for name in (name_or_path, name_or_path.rpartition("#")[0]):
        path = _path(name)
        if name and path.is_dir():
            return path
    if _path(name_or_path).is_file():
        raise UnknownPolicyError(f"{name_or_path} is a file; give its directory.")
    close = difflib.get_close_matches(name_or_path, policy_names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    fits = HUB_ID.fullmatch(name_or_path.partition("#")[0]) is not None
    on_hub = f"  For the Hugging Face Hub use {HUB_PREFIX}{name_or_path}." if fits else ""
    place = Path(name_or_path).expanduser().absolute()
    raise UnknownPolicyError(
        f"There is no policy {name_or_path[:SHOWN]!r} and no directory {place}.{hint} {_choices()}{on_hub}"
    )


def check_name(name_or_path: str) -> None:
    """Raises UnknownPolicyError for a name that is neither a local policy nor a possible Hub name.

    Does not access the network.
    """
    if not is_on_hub(name_or_path):
        find_checkpoint(name_or_path)


def is_on_hub(name_or_path: str) -> bool:
    """Whether this can only mean a model on the Hub. Raises UnknownPolicyError for hf: without OWNER/NAME."""
    if name_or_path.startswith(HUB_PREFIX):
        return bool(hub_name(name_or_path))
    try:
        find_checkpoint(name_or_path)
    except UnknownPolicyError:
        return bool(hub_name(name_or_path))
    return False


def hub_name(name_or_path: str) -> str:
    """OWNER/NAME if this may be a model on the Hugging Face Hub; empty if it looks like a local path.

    Local paths are names without exactly two parts, names of files, and names whose first part exists here or is in
    LOCAL_OWNERS: a typo in a path must not start a download. Raises UnknownPolicyError for hf: without OWNER/NAME.
    """
    given = name_or_path.partition("#")[0]
    name = given.removeprefix(HUB_PREFIX)
    fits = HUB_ID.fullmatch(name) is not None
    if name != given:
        if not fits:
            raise UnknownPolicyError(f"{name_or_path!r} is not a name on the Hugging Face Hub, expected hf:OWNER/NAME.")
        return name
    owner = name.partition("/")[0]
    if not fits or owner.lower() in LOCAL_OWNERS or FILE_NAME.search(name):
        return ""
    return "" if Path(owner).exists() else name


def _remote(name: str) -> RemoteAddress:
    """Raises UnknownPolicyError for an invalid address."""
    try:
        return RemoteAddress.parse(name)
    except ValueError as error:
        raise UnknownPolicyError(str(error)) from error


def _path(name: str) -> Path:
    """A name as a path. Raises UnknownPolicyError for an invalid path."""
    try:
        path = Path(name).expanduser()
        path.is_dir()  # raises if the system does not accept it
    except (OSError, RuntimeError, ValueError) as error:  # too long; an unknown ~user; a null byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise UnknownPolicyError(f"{name[:SHOWN]!r} is not a valid path ({reason}). {_choices()}") from error
    return path


def _called(directory: Path) -> str:
    """The name of a directory; in the Hub's cache (models--OWNER--NAME/snapshots/COMMIT), of the model."""
    path = directory.resolve()
    return path.parent.parent.name if path.parent.name == "snapshots" else path.name


def _look_at(directory: Path, tell: Tell, name: str) -> Checkpoint:
    """The checkpoint in a directory."""
    if (directory / ENGINE_FILE).is_file():
        if both := [file for file in (CONFIG_FILE, ADAPTER_CONFIG) if (directory / file).is_file()]:
            raise CheckpointError(
                f"{directory} is ambiguous, both a model ({both[0]}) and the description of one that runs in an engine "
                f"({ENGINE_FILE}): put them into separate directories and choose one."
            )
        return Checkpoint("", ENGINE, directory, called=name)
    adapter = None
    if (directory / ADAPTER_CONFIG).is_file():
        if (directory / CONFIG_FILE).is_file():
            raise CheckpointError(
                f"{directory} is ambiguous, both a model ({CONFIG_FILE}) and a LoRA adapter ({ADAPTER_CONFIG}): "
                "put them into separate directories and choose one."
            )
        adapter = directory
        directory, base = _base_of(adapter, tell)
        name = f"{name} {base}"
        # OpenVLA-OFT puts its adapter into a separate directory, beside the head.
        beside = [adapter, adapter.resolve().parent] if adapter.name == "lora_adapter" else [adapter]
        check_folder(adapter, CheckpointError)
        for place in beside:
            check_relative(adapter, files_of(place), {}, name)
        if (directory / ADAPTER_CONFIG).is_file():
            raise CheckpointError(
                f"{adapter} names {directory} as its base model, which is an adapter itself or contains one "
                f"({ADAPTER_CONFIG}). Merge that into its model with peft (merge_and_unload) and name the result."
            )
    directory = _model_of(directory)
    files = files_of(directory)
    config = check_folder(directory, CheckpointError, may_be_quantized=True)
    check_relative(directory, files, config, name)
    if CONFIG_FILE not in files:
        raise CheckpointError(_lacks(directory, files))
    family = _family(directory, config, "" if adapter else name)
    if family in (*WORDLESS, *EXPORTED) and adapter is not None:
        what = "an exported policy" if family in EXPORTED else "an RT-1 network"
        raise CheckpointError(f"{adapter} is a LoRA adapter of {directory}, {what}, which takes none.")
    return Checkpoint("", family, directory, config, adapter, called=name)


def _lacks(directory: Path, files: Sequence[str]) -> str:
    """The error message for a directory without config.json."""
    if any(file.startswith("adapter_model.") for file in files):
        return f"{directory} is a LoRA adapter that lacks {ADAPTER_CONFIG}: copy it from the adapter's source."
    missing = [name for name in (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE) if name not in files]
    others = sorted(file for file in files if file.endswith(OTHER_FORMATS))
    also = f"  It contains {some(others)}, a format that is not supported." if others else ""
    return f"{directory} is not a checkpoint: it lacks {', '.join(missing)}.{also}"


def _model_of(directory: Path) -> Path:
    """The model's directory inside the output of VLA-0's training; any other directory unchanged."""
    inner = directory / VLA0_MODEL
    return inner if (inner / CONFIG_FILE).is_file() and not (directory / CONFIG_FILE).is_file() else directory


def _is_vla0(directory: Path, config: Mapping[str, Any], name: str) -> bool:
    """Whether a model without rt2_config.json is VLA-0-Smol (by its type) or VLA-0 (by its name or statistics)."""
    if config.get("type") in LEROBOT_VLA0 or not str(config.get("model_type")).startswith("qwen"):
        return config.get("type") in LEROBOT_VLA0
    from rt_vla_ros.policies.rt2.vla0.statistics import find_statistics

    return re.search(r"vla-?0(?!\d)", name.lower()) is not None or find_statistics(directory) is not None


def _family(directory: Path, config: Mapping[str, Any], name: str) -> str:
    kind, writes_text = config.get("model_type"), (directory / RT2_CONFIG_FILE).is_file()
    if kind == "rt1" and writes_text:
        raise CheckpointError(
            f"{directory} is ambiguous, both an RT-1 network by {CONFIG_FILE} and an RT-2 model by "
            f"{RT2_CONFIG_FILE}: remove the file that belongs to another checkpoint."
        )
    if kind in EXPORTED:
        return str(kind)
    if name and not writes_text and _is_vla0(directory, config, name):
        return "vla0"
    if kind == "rt1" or (kind is None and not writes_text):
        return "rt1"
    return "openvla" if kind == "openvla" else "rt2"


def _base_of(adapter: Path, tell: Tell) -> tuple[Path, str]:
    """The directory and the name of an adapter's base model.

    A relative path is resolved against the adapter's directory first, then against the current directory.
    """
    base = str(read_object(adapter / ADAPTER_CONFIG, CheckpointError).get("base_model_name_or_path") or "")
    for place in (str(adapter / base), base) if base else ():
        with suppress(UnknownPolicyError):
            path = _path(place)
            if path.is_dir():
                return path, _called(path)
    if hub_name(base):
        from rt_vla_ros.policies.checkpoint.hub import download  # takes seconds to import

        return download(hub_name(base), tell), hub_name(base)
    raise CheckpointError(
        f"{adapter} names {base[:SHOWN]!r} as its base model, which is not a directory. Set "
        f"base_model_name_or_path in {ADAPTER_CONFIG} to that model's directory or its name on the Hugging Face Hub."
    )


def _download(name: str, tell: Tell) -> Path:
    from rt_vla_ros.policies.checkpoint.hub import download

    try:
        return download(hub_name(name), tell)
    except RelativeError:
        raise
    except ValueError as reason:
        raise UnknownPolicyError(f"There is no policy {name!r}. {_choices()} Also, {reason}") from reason


def _choices() -> str:
    return f"Known policies: {', '.join(policy_names())}; or give the path of a checkpoint directory."
