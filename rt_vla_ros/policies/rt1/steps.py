"""A network with a robot's window of past steps, whatever computes it: torch (PlainSteps) or an exported network."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from rt_vla_ros.observations.history import History
from rt_vla_ros.policies.rt1.configuration import RT1Config

_Steps = TypeVar("_Steps", bound="Steps")


class Network(Protocol):
    """What a policy must know of its network."""

    @property
    def config(self) -> RT1Config:
        """Its configuration."""

    @property
    def device(self) -> torch.device:
        """Where its inputs must be."""

    @property
    def legal(self) -> Tensor:
        """Which tokens each dimension has, bool, (D, V)."""


class Steps(ABC):
    """One robot's history of observation tokens. Several robots may share the network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._factors: Tensor | None = None  # of the request's sentence
        self._tokens: History[Tensor]
        self._actions: History[Tensor]

    def another(self: _Steps) -> _Steps:
        """The same network for another robot, which has no request yet."""
        other = copy.copy(self)
        other._factors = None
        return other

    def begin(self, features: Tensor) -> None:
        """A new request. features: what the network takes as an instruction, (1, ...)."""
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

        images: of every camera, uint8 RGB (K, H, W, 3). state: as the network takes it, (1, S); None: it has none.
        """
        return steps_together([self], images[None], state)[0]

    def chosen(self, tokens: Tensor) -> None:
        """Takes the tokens that were chosen at this step, (D,), for networks that see earlier actions."""
        self._actions.append(tokens[None].to(self.network.device))

    @abstractmethod
    def factors(self, features: Tensor) -> Tensor:
        """What an instruction makes FiLM multiply and add, (1, W), see Films. features: as in `begin`."""

    @abstractmethod
    def observed(self, images: Tensor, states: Tensor | None, factors: Tensor) -> Tensor:
        """Cached tokens of a step of B robots, (B, num_observation_tokens, C).

        images: (B, K, H, W, 3). states: (B, S). factors: of each robot's sentence, (B, W).
        """

    @abstractmethod
    def newest(self, windows: Tensor, chosen: Tensor | None) -> Tensor:
        """Logits of the newest step, (B, D, V).

        windows: of cached tokens, (B, T, num_observation_tokens, C). chosen: the steps' tokens, (B, T, D); None: zeros.
        """

    @abstractmethod
    def _silence(self) -> Tensor:
        """The factors of a sentence of zeros, (1, W)."""

    def _empty_step(self) -> Tensor:
        """Cached tokens of a step of `history_start` zero_frames: black images, zero sentence and state."""
        config, device = self.network.config, self.network.device
        images = torch.zeros(1, config.num_cameras, *config.input_size, 3, dtype=torch.uint8, device=device)
        state = torch.zeros(1, config.state_size, device=device) if config.state_size else None
        return self.observed(images, state, self._silence())

    def _chosen(self) -> Tensor:
        """Tokens of the window's steps, oldest first, (1, T, D); zeros where none were taken yet."""
        steps = len(self._tokens)
        count, device = self.network.config.num_action_tokens, self.network.device
        taken = torch.zeros(1, steps, count, dtype=torch.int64, device=device)
        earlier = self._actions.items[-(steps - 1) :] if steps > 1 else ()
        for back, action in enumerate(reversed(earlier), start=2):
            taken[:, -back] = action
        return taken


def steps_together(robots: Sequence[Steps], images: Tensor, states: Tensor | None) -> Tensor:
    """Logits of the newest step of each robot, (B, D, V); all have the same network, and a request each.

    images: uint8 RGB (B, K, H, W, 3). states: as the network takes them, (B, S); None: it has none.
    Windows of the same length go through the transformer together: short ones are rare, and a padded row costs as much
    as a real one.
    """
    first, factors = robots[0], [robot._factors for robot in robots if robot._factors is not None]
    assert len(factors) == len(robots), "begin comes first"
    observed = first.observed(images, states, factors[0] if len(factors) == 1 else torch.cat(factors))
    lengths: dict[int, list[int]] = {}
    for place, (robot, tokens) in enumerate(zip(robots, torch.split(observed, 1), strict=True)):
        robot._tokens.append(tokens.clone())  # not a part of everyone's, and what a CUDA graph writes is overwritten
        lengths.setdefault(len(robot._tokens), []).append(place)
    sees_actions = first.network.config.action_embedding == "previous"
    logits: dict[int, Tensor] = {}
    for places in lengths.values():
        windows = torch.cat([torch.stack(robots[place]._tokens.items, dim=1) for place in places])
        chosen = torch.cat([robots[place]._chosen() for place in places]) if sees_actions else None
        logits |= zip(places, first.newest(windows, chosen), strict=True)
    return torch.stack([logits[place] for place in range(len(robots))])
