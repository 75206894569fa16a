"""A network with one robot's window of past steps, independent of the backend: torch (PlainSteps) or ONNX."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from rt_vla_ros.observations.history import History
from rt_vla_ros.policies.rt1.configuration import RT1Config

_Steps = TypeVar("_Steps", bound="Steps")


class Network(Protocol):
    """The attributes of a network that a policy uses."""

    @property
    def config(self) -> RT1Config:
        """Its configuration."""

    @property
    def device(self) -> torch.device:
        """The device of its inputs."""

    @property
    def legal(self) -> Tensor:
        """The legal tokens of each dimension, bool, (D, V)."""


@dataclass(frozen=True)
class StepsSnapshot:
    """One robot's window, oldest step first. tokens: (T, num_observation_tokens, C). actions: (T', D). None: empty."""

    tokens: Tensor | None
    actions: Tensor | None


class Steps(ABC):
    """The history of observation tokens of one robot. Several robots may share the network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._factors: Tensor | None = None  # of the current instruction
        self._tokens: History[Tensor]
        self._actions: History[Tensor]

    def another(self: _Steps) -> _Steps:
        """The same network for another robot, without an instruction yet."""
        other = copy.copy(self)
        other._factors = None
        return other

    def begin(self, features: Tensor) -> None:
        """Starts a new request. features: the network's instruction input, (1, ...)."""
        length = self.network.config.time_sequence_length
        self._tokens, self._actions = History(length), History(length)
        factors = self.factors(features)
        if self.network.config.history_start == "zero_frames":
            empty = self._empty_step()
            for _ in range(length):
                self._tokens.append(empty)
        self._factors = factors

    def step(self, images: Tensor, state: Tensor | None = None) -> Tensor:
        """Logits of the newest step, (D, V).

        images: of all cameras, uint8 RGB (K, H, W, 3). state: scaled for the network, (1, S); None: no state.
        """
        return steps_together([self], images[None], state)[0]

    def chosen(self, tokens: Tensor) -> None:
        """Stores the tokens chosen at this step, (D,), for networks that take earlier actions as input."""
        self._actions.append(tokens[None].to(self.network.device))

    def snapshot(self) -> StepsSnapshot:
        """The history, on the CPU."""
        return StepsSnapshot(_stacked(self._tokens.items), _stacked(self._actions.items))

    def restore(self, snapshot: StepsSnapshot) -> None:
        """Continues with this history; the instruction stays that of `begin`."""
        length, device = self.network.config.time_sequence_length, self.network.device
        self._tokens, self._actions = History(length), History(length)
        for history, items in ((self._tokens, snapshot.tokens), (self._actions, snapshot.actions)):
            for item in () if items is None else torch.split(items.to(device), 1):
                history.append(item)

    @abstractmethod
    def factors(self, features: Tensor) -> Tensor:
        """The FiLM factors of an instruction, (1, W), see Films. features: as in `begin`."""

    @abstractmethod
    def observed(self, images: Tensor, states: Tensor | None, factors: Tensor) -> Tensor:
        """The tokens to cache of one step of B robots, (B, num_observation_tokens, C).

        images: (B, K, H, W, 3). states: (B, S). factors: of each robot's sentence, (B, W).
        """

    @abstractmethod
    def newest(self, windows: Tensor, chosen: Tensor | None) -> Tensor:
        """Logits of the newest step, (B, D, V).

        windows: cached tokens, (B, T, num_observation_tokens, C). chosen: the steps' action tokens, (B, T, D); None:
        zeros.
        """

    @abstractmethod
    def _silence(self) -> Tensor:
        """The factors of an all-zero sentence, (1, W)."""

    def _empty_step(self) -> Tensor:
        """Cached tokens of a padding step ("zero_frames" of `history_start`): black images, zero sentence and state."""
        config, device = self.network.config, self.network.device
        images = torch.zeros(1, config.num_cameras, *config.input_size, 3, dtype=torch.uint8, device=device)
        state = torch.zeros(1, config.state_size, device=device) if config.state_size else None
        return self.observed(images, state, self._silence())

    def _chosen(self) -> Tensor:
        """Action tokens of the window's steps, oldest first, (1, T, D); zeros for steps without."""
        steps = len(self._tokens)
        count, device = self.network.config.num_action_tokens, self.network.device
        taken = torch.zeros(1, steps, count, dtype=torch.int64, device=device)
        earlier = self._actions.items[-(steps - 1) :] if steps > 1 else ()
        for back, action in enumerate(reversed(earlier), start=2):
            taken[:, -back] = action
        return taken


def _stacked(items: Sequence[Tensor]) -> Tensor | None:
    return torch.cat([*items]).cpu() if items else None


def steps_together(robots: Sequence[Steps], images: Tensor, states: Tensor | None) -> Tensor:
    """Logits of the newest step of each robot, (B, D, V). All must share one network and have begun a request.

    images: uint8 RGB (B, K, H, W, 3). states: scaled for the network, (B, S); None: no state.
    Windows of the same length are batched in the transformer: short ones are rare, and a padded row costs as much as a
    real one.
    """
    first, factors = robots[0], [robot._factors for robot in robots if robot._factors is not None]
    assert len(factors) == len(robots), "begin comes first"
    observed = first.observed(images, states, factors[0] if len(factors) == 1 else torch.cat(factors))
    lengths: dict[int, list[int]] = {}
    for place, (robot, tokens) in enumerate(zip(robots, torch.split(observed, 1), strict=True)):
        robot._tokens.append(tokens.clone())  # not a view of the batch; the output of a CUDA graph is overwritten
        lengths.setdefault(len(robot._tokens), []).append(place)
    sees_actions = first.network.config.action_embedding == "previous"
    logits: dict[int, Tensor] = {}
    for places in lengths.values():
        windows = torch.cat([torch.stack(robots[place]._tokens.items, dim=1) for place in places])
        chosen = torch.cat([robots[place]._chosen() for place in places]) if sees_actions else None
        logits |= zip(places, first.newest(windows, chosen), strict=True)
    return torch.stack([logits[place] for place in range(len(robots))])
