"""An exported RT-1 policy: the same as the policy in torch, with compiled graphs in place of the network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.exported.compiled_graph import CompiledGraph
from rt_vla_ros.policies.exported.graph import Arrays
from rt_vla_ros.policies.exported.manifest import Manifest
from rt_vla_ros.policies.exported.open_graphs import open_graphs
from rt_vla_ros.policies.rt1.checkpoint import check_card, sentence_encoder
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.loss import legal_tokens
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.policies.rt1.steps import Steps

INSTRUCTION, FRAME, WINDOW = GRAPHS = ("instruction", "frame", "window")
"""The graphs that run once per instruction, per image and per decision; see rt1_graphs."""
Record = Callable[[str, Arrays], None]


@dataclass(frozen=True)
class ExportedNetwork:
    """Implements rt1.steps.Network. Inputs and outputs of its graphs are on the CPU."""

    config: RT1Config
    legal: Tensor
    device: torch.device


class ExportedSteps(Steps):
    """The three graphs of an exported RT-1, with the history of one robot."""

    def __init__(self, config: RT1Config, graphs: Mapping[str, CompiledGraph]) -> None:
        legal = legal_tokens(config.action_token_counts, config.vocab_size)
        super().__init__(ExportedNetwork(config, legal, torch.device("cpu")))
        self._graphs = dict(graphs)
        self._silent: Tensor | None = None
        self._record: Record | None = None

    def recorded(self, record: Record) -> ExportedSteps:
        """The same graphs for another robot; `record` is called with the name and inputs of every graph that runs."""
        other = copy.copy(self)
        other._record, other._factors = record, None
        return other

    def factors(self, features: Tensor) -> Tensor:
        """See Steps."""
        found, self._silent = self._run(INSTRUCTION, instruction=features)
        return found

    def observed(self, images: Tensor, states: Tensor | None, factors: Tensor) -> Tensor:
        """See Steps; the tokens are embedded, (B, num_observation_tokens, d_model)."""
        inputs = {"images": images, "factors": factors}
        return self._run(FRAME, **inputs, **({} if states is None else {"state": states}))[0]

    def newest(self, windows: Tensor, chosen: Tensor | None) -> Tensor:
        """See Steps. The graph's window has a fixed length; missing steps are zeros after the existing ones."""
        robots, steps = windows.shape[:2]
        inputs = {"tokens": self._full(windows), "steps": torch.full((robots,), steps)}
        return self._run(WINDOW, **inputs, **({} if chosen is None else {"chosen": self._full(chosen)}))[0]

    def _full(self, rows: Tensor) -> Tensor:
        """(B, T, ...) for T steps -> padded to the length of the window."""
        missing = self.network.config.time_sequence_length - rows.shape[1]
        return torch.cat([rows, rows.new_zeros(len(rows), missing, *rows.shape[2:])], dim=1) if missing else rows

    def _silence(self) -> Tensor:
        assert self._silent is not None, "factors() must be called first"
        return self._silent

    def _run(self, name: str, **inputs: Tensor) -> list[Tensor]:
        arrays: Arrays = {key: np.ascontiguousarray(value.numpy()) for key, value in inputs.items()}
        if self._record is not None:
            self._record(name, arrays)
        return [torch.from_numpy(output) for output in self._graphs[name].run(arrays)]


def network_config(checkpoint: Checkpoint) -> RT1Config:
    """The configuration of the original network. Raises CheckpointError."""
    path, found = checkpoint.model_directory / CONFIG_FILE, checkpoint.config.get("network")
    if not isinstance(found, Mapping):
        raise CheckpointError(f"{path} lacks the configuration of the network; export the policy again.")
    try:
        return RT1Config.from_dict(dict(found))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def open_policy(
    checkpoint: Checkpoint,
    *,
    device: str,
    decoding: str | None = None,
    language: str | None = None,
    weights: str = "auto",
    trust_remote_code: bool = False,
    **_options: Any,
) -> RT1Policy:
    """Opens an exported policy. Arguments: see load_policy; device: see open_graphs.

    Raises CheckpointError, ActionCardError, ValueError; ImportError without onnxruntime.
    """
    check_weights(checkpoint, weights)
    directory = checkpoint.model_directory
    config, manifest = network_config(checkpoint), Manifest.of(checkpoint.config, directory)
    manifest.check_card(directory)
    card = checkpoint.read_card()
    check_card(card, config, directory)
    graphs = open_graphs(manifest, directory, GRAPHS, device, trust=trust_remote_code)
    encoder = sentence_encoder(checkpoint, config, language)
    return RT1Policy(ExportedSteps(config, graphs), card, name=checkpoint.name, decoding=decoding, encoder=encoder)


def check_weights(checkpoint: Checkpoint, weights: str) -> None:
    """Raises ValueError for another weight format than that of the export."""
    if weights != "auto":
        raise ValueError(
            f"The weight format of {checkpoint.name} was set by its export (rt-vla export, with or without --int8); "
            f"omit weights, given: {weights!r}."
        )
