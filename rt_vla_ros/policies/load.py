"""Loads policies by name or path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rt_vla_ros.policies.checkpoint.errors import EngineDecidesError, ServerDecidesError, UnknownPolicyError
from rt_vla_ros.policies.checkpoint.files import EXPORTED, RT1_AOT, RT1_ONNX, RT2_AOT, RT2_ONNX, Tell, say_nothing
from rt_vla_ros.policies.checkpoint.resolve import (
    ENGINE,
    REMOTE,
    RT1_FAMILIES,
    UNTRAINED,
    Checkpoint,
    policy_names,
    resolve,
)
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.remote.settings import RemoteSettings

if TYPE_CHECKING:
    import torch

__all__ = ["UNTRAINED", "UnknownPolicyError", "find_device", "load_policy", "policy_names"]


def load_policy(
    name_or_path: str | Checkpoint,
    *,
    device: str = "auto",
    decoding: str | None = None,
    language: str | None = None,
    weights: str = "auto",
    trust_remote_code: bool = False,
    cuda_graphs: bool = True,
    device_images: bool = True,
    plan: bool = False,
    remote: RemoteSettings | None = None,
    tell: Tell | None = None,
) -> Policy:
    """Loads a shipped policy by its name, any other by the path of its directory or its name on the Hugging Face Hub.

    `remote:HOST` is a policy on a server (`rt-vla serve`), a directory with an engine.json one whose model runs in an
    inference engine such as vLLM; torch is not imported for them.

    name_or_path: see checkpoint.resolve. device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" ...; for an
    ONNX policy (rt-vla export) those of onnxruntime, including "tensorrt".
    decoding: see ActionDecoder; RT-2 supports only the most likely tokens.
    language: path of the sentence encoder for a network that takes sentence embeddings (language.sources); None: the
    table beside its weights.
    weights: weight format: "auto", "float32", "bfloat16", and for RT-2 "int8" and "int4"; auto is bfloat16
    for RT-2 on a GPU, float32 for everything else.
    trust_remote_code: whether Python code in the checkpoint may be run, for models that transformers does not have, and
    the machine code of an export (rt-vla export --to aot) that was not compiled on this machine.
    cuda_graphs: whether to use CUDA graphs for RT-2's passes (rt2.decoding.fixed_shapes) and RT-1's step.
    device_images: whether to preprocess RT-2's images on its GPU (rt2.inputs.device_images). Neither affects a CPU.
    plan: whether an RT-2 trained to plan on request (plan_on_request in rt2_config.json) writes a plan in words before
    each action; no effect on a policy that always plans.
    remote: connection settings of a server or an engine.
    tell: called with progress messages of loading.
    Raises ImportError, with instructions, for an ONNX policy without onnxruntime. Raises ServerDecidesError or
    EngineDecidesError for options that must be set on a server, PolicyLostError if the server does not answer,
    UnknownPolicyError, CheckpointError, ActionCardError, WeightsError, NoPlansError: all are ValueErrors with a message
    for the user.
    """
    tell = tell or say_nothing
    checkpoint = name_or_path if isinstance(name_or_path, Checkpoint) else resolve(name_or_path, tell, remote)
    options = {"device": device != "auto", "decoding": decoding is not None, "language": language is not None}
    options |= {"weights": weights != "auto", "trust_remote_code": trust_remote_code}
    given = [name for name, said in options.items() if said]
    if checkpoint.family == REMOTE:
        if given or plan:
            raise ServerDecidesError(*given, *(["plan"] if plan else []))
        from rt_vla_ros.policies.remote.policy import open_policy as open_remote

        return open_remote(checkpoint.address, checkpoint.remote)
    if plan:
        checkpoint.check_plans()
    if checkpoint.family == ENGINE:
        if given:
            raise EngineDecidesError(checkpoint.name, *given)
        from rt_vla_ros.policies.engine.policy import open_policy as open_engine

        return open_engine(checkpoint, plan=plan, tell=tell)
    where: object = device if checkpoint.family in EXPORTED else find_device(device)  # onnxruntime's, or torch's
    return _opener(checkpoint.family)(
        checkpoint,
        device=where,
        decoding=decoding,
        language=language,
        weights=weights,
        trust_remote_code=trust_remote_code,
        cuda_graphs=cuda_graphs,
        device_images=device_images,
        plan=plan,
        tell=tell,
    )


def _opener(family: str) -> Callable[..., Policy]:
    """The function that opens such a checkpoint; imports torch (and transformers for VLMs), which takes seconds."""
    if family in RT1_FAMILIES:
        from rt_vla_ros.policies.rt1.checkpoint import open_policy as open_rt1

        return open_rt1
    if family in (RT1_ONNX, RT1_AOT):
        from rt_vla_ros.policies.exported.rt1 import open_policy as open_exported_rt1

        return open_exported_rt1
    if family in (RT2_ONNX, RT2_AOT):
        from rt_vla_ros.policies.exported.rt2 import open_policy as open_exported_rt2

        return open_exported_rt2
    from rt_vla_ros.policies.rt2.checkpoint import open_policy as open_rt2

    return open_rt2


def find_device(name: str) -> torch.device:
    """A torch device by its name. Raises ValueError for a device that this machine or this torch does not have."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"There is no device {name!r}; expected auto, cpu, cuda or cuda:N.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"The device {name!r} is not available: torch sees {torch.cuda.device_count()} GPUs. Use cpu or auto."
        )
    return device
