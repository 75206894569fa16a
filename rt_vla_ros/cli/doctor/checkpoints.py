"""A checkpoint: whether it can be loaded and what its card says, without its weights and without the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import ActionCard, kind_of_motion
from rt_vla_ros.action_space.plausibility import check_speed
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.checkpoint import resolve as catalogue
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import ADAPTER_CONFIG, RT1_AOT, RT1_ONNX, RT2_AOT, RT2_ONNX

FAMILIES = {
    "rt1": "an RT-1 network",
    "rt2": "an RT-2 model",
    "openvla": "an OpenVLA model",
    RT1_ONNX: "an RT-1 network in ONNX",
    RT2_ONNX: "an RT-2 model in ONNX",
    RT1_AOT: "an RT-1 network compiled for one machine",
    RT2_AOT: "an RT-2 model compiled for one machine",
    "vla0": "a VLA-0 model in its published format",
    catalogue.ENGINE: "an RT-2 model in an inference engine, described",
    **dict.fromkeys(catalogue.MADE_IN_MEMORY, "random weights, for tests only"),
}
NOT_VERIFIED = "not verified"  # how a card begins a note about what nobody could look up


@dataclass
class CheckpointLook:
    """The findings. card: None if it cannot be used."""

    card: ActionCard | None = None
    findings: list[Finding] = field(default_factory=list)

    def refused(self, step: Callable[[], object]) -> bool:
        """Run a step of loading; an error becomes a finding. Return whether there was one."""
        try:
            step()
        except (ValueError, OSError, ImportError) as error:
            self.findings.append(Finding(False, str(error)))
            return True
        return False


def look_at_checkpoint(name: str, options: Mapping[str, Any]) -> CheckpointLook:
    """name: as for the parameter `policy`. options: the policy node's parameters, those that there are."""
    look = CheckpointLook()
    with offline():
        look.refused(lambda: _look(look, name, options))
    return look


@contextmanager
def offline() -> Iterator[None]:
    """Context in which the Hub's client works offline."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _look(look: CheckpointLook, name: str, options: Mapping[str, Any]) -> None:
    to_fetch = _to_fetch(name)
    if to_fetch:
        sentence = (
            f"{name}: {to_fetch} is not on this machine; it will be downloaded from the Hugging Face Hub when the "
        )
        look.findings.append(Finding(False, f"{sentence}policy is loaded. `hf download {to_fetch}` downloads it now."))
        return
    checkpoint = catalogue.resolve(name)
    place = "" if checkpoint.directory is None else f" in {checkpoint.directory}"
    adapter = f", with the LoRA adapter {checkpoint.adapter}" if checkpoint.adapter else ""
    look.findings.append(Finding(True, f"{checkpoint.name}: {FAMILIES[checkpoint.family]}{place}{adapter}."))
    if not look.refused(lambda: _read_card(look, checkpoint)) and look.card is not None:
        _look_at_card(look, look.card)
    if options.get("plan"):
        look.refused(checkpoint.check_plans)
    if checkpoint.directory is not None:
        from rt_vla_ros.cli.doctor import stored_weights  # torch and transformers take seconds to import

        for finding in stored_weights.look_at_weights(checkpoint, look.card, options):
            if finding not in look.findings:  # some files are read for the card too
                look.findings.append(finding)


def _to_fetch(name: str) -> str:
    """What would be downloaded from the Hub; empty if all is cached."""
    hub_id = name.partition("#")[0]
    if catalogue.is_on_hub(name):
        directory = _cached(hub_id)
        if directory is None:
            return hub_id
    else:
        directory = catalogue.find_checkpoint(name)
    if directory is None or not (directory / ADAPTER_CONFIG).is_file():
        return ""
    base = str(read_object(directory / ADAPTER_CONFIG, CheckpointError).get("base_model_name_or_path") or "")
    is_local = Path(base).is_dir() or (directory / base).is_dir()
    return base if not is_local and catalogue.HUB_ID.fullmatch(base) and _cached(base) is None else ""


def _cached(hub_id: str) -> Path | None:
    """The cache directory of a model of the Hub."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    from rt_vla_ros.policies.checkpoint.hub import FILES, WEIGHTS

    try:
        return Path(snapshot_download(hub_id, local_files_only=True, allow_patterns=[*FILES, WEIGHTS]))
    except LocalEntryNotFoundError:
        return None


def _read_card(look: CheckpointLook, checkpoint: catalogue.Checkpoint) -> None:
    look.card = checkpoint.read_card()


def _look_at_card(look: CheckpointLook, card: ActionCard) -> None:
    cameras = ", ".join(f"{one.name} ({one.width}x{one.height})" for one in card.cameras)
    does = f"{card.control_rate:g} actions a second in the frame {card.frame_id!r}"
    if card.horizon > 1:
        does += f", chunks of {card.horizon} with {card.execute_steps} executed ({card.ensemble.rule})"
    sees = f"{does}, cameras: {cameras}"
    look.findings.append(Finding(True, f"Its card: {sees}; {_ranges(card)}."))
    if not card.postprocessing:
        largest = {one: max(abs(one.low), abs(one.high)) for one in card.dimensions}
        look.refused(lambda: check_speed(largest, card.control_rate))
    unknown = [one.name for one in card.cameras if not one.vertical_fov]
    if unknown:
        remark = f"Its card has no field of view for {', '.join(unknown)}: mount it as in the training data."
        look.findings.append(Finding(True, remark))
    look.findings += [Finding(NOT_VERIFIED not in note.lower(), f"Its card notes: {note}") for note in card.notes]


def _ranges(card: ActionCard) -> str:
    """The ranges of an action; dimensions with the same range are grouped."""
    parts: dict[str, list[str]] = {}
    for one in card.dimensions:
        kind = kind_of_motion(one.role)
        if kind is not None:
            parts.setdefault(f"{kind} {one.low:g} to {one.high:g} {one.unit}", []).append(one.role.rpartition("_")[2])
    said = [f"{span} along {', '.join(axes)}" for span, axes in parts.items()]
    return "; ".join(said) + (f", before postprocessing {card.postprocessing}" if card.postprocessing else "")
