"""RT-1 as a policy: caches the tokens of past steps, so that each step runs the trunk on one image per camera."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder, DecoderSnapshot
from rt_vla_ros.language.cached_encoder import CachedEncoder
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.observations.image import card_images
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.scaled_state import check_state, scaled_state
from rt_vla_ros.policies.policy import NO_INSTRUCTION, WARM_UP_INSTRUCTION
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.films import Films
from rt_vla_ros.policies.rt1.loss import ILLEGAL
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.steps import Steps, StepsSnapshot, steps_together

Inputs = tuple[NDArray[np.uint8], NDArray[np.float32] | None]
"""Inputs of one robot: images of all cameras, (K, H, W, 3), and the scaled state, (S,), if the network takes one."""


class PlainSteps(Steps):
    """The unmodified network in torch."""

    def __init__(self, model: RT1Model) -> None:
        """Switches the network to evaluation mode."""
        super().__init__(model)
        self.model = model
        model.train(False)
        self._films = Films(model)

    def factors(self, features: Tensor) -> Tensor:
        """See Steps."""
        return self._films.factors(self.model.sentence(features))

    def observed(self, images: Tensor, states: Tensor | None, factors: Tensor) -> Tensor:
        """See Steps."""
        with self._films.fixed(factors.repeat_interleave(images.shape[1], dim=0)):
            tokens = self.model.image_tokens(images.flatten(0, 1), factors)
        return self.model.observation_tokens(tokens.reshape(*images.shape[:2], *tokens.shape[1:]), states)

    def newest(self, windows: Tensor, chosen: Tensor | None) -> Tensor:
        """See Steps."""
        return self.model.transformer(windows, self.model.action_rows(chosen, windows))[:, -1]

    def _silence(self) -> Tensor:
        return self._films.factors(torch.zeros(1, self.model.config.language_size, device=self.model.device))


@dataclass(frozen=True)
class RT1Snapshot:
    """The state of a request, see PortablePolicy. newest: stamp of the last image [s]."""

    instruction: str
    steps: StepsSnapshot
    decoder: DecoderSnapshot
    newest: float


class RT1Policy:
    """Implements policies.policy.WarmUpPolicy and PortablePolicy.

    A request begins according to the network's `history_start`; when the window is full, the oldest step is dropped.
    """

    def __init__(
        self,
        model: RT1Model | Steps,
        card: ActionCard,
        *,
        name: str = "rt1",
        encoder: LanguageEncoder | None = None,
        decoding: str | None = None,
    ) -> None:
        """model: the network, or Steps that run it. encoder: for a model that takes sentence vectors.

        decoding: "argmax" or "expected_value"; None: the model's.
        Raises ValueError for a model with language "embedding" without an encoder, and for an unknown decoding.
        """
        self.name, self.card = name, card
        self._steps: Steps = model if isinstance(model, Steps) else PlainSteps(model)
        self.network = self._steps.network
        config = self.network.config
        self._encoder: LanguageEncoder = CachedEncoder(encoder) if encoder else _own_encoder(config, name)
        self._decoder = ActionDecoder(card, decoding or config.decoding)
        self._newest: float | None = None  # stamp of the last image; None before the first reset
        self._instruction = ""

    @property
    def warm_up_instruction(self) -> str:
        """An instruction that this policy accepts."""
        return getattr(self._encoder, "known", "") or WARM_UP_INSTRUCTION

    @property
    def instructions(self) -> Sequence[str]:
        """See policies.policy.ListedPolicy."""
        return tuple(getattr(self._encoder, "instructions", ()))

    @property
    def warm_up_runs(self) -> int:
        """Number of steps until every kind of step has run once: until the window is full."""
        return self.network.config.time_sequence_length + 1

    @torch.inference_mode()
    def reset(self, instruction: str) -> None:
        """Clears the history and sets a new instruction. Raises InstructionError, a ValueError."""
        features = torch.from_numpy(np.asarray(self._encoder.encode(instruction)))
        size = self.network.config.language_size
        if self.network.config.language == "embedding" and features.shape != (size,):
            raise ValueError(
                f"The encoder returns sentence vectors of shape {tuple(features.shape)}, the network expects ({size},)."
            )
        self._steps.begin(features[None].to(self.network.device))
        self._decoder.reset()
        self._newest, self._instruction = -math.inf, instruction

    def another(self) -> RT1Policy:
        """A policy with the same network and encoder for another robot, without an instruction yet."""
        other = copy.copy(self)
        other._steps, other._newest = self._steps.another(), None
        other._decoder = ActionDecoder(self.card, self._decoder.decoding)
        return other

    def snapshot(self) -> RT1Snapshot:
        """See policies.policy.PortablePolicy."""
        if self._newest is None:
            raise RuntimeError(NO_INSTRUCTION)
        return RT1Snapshot(self._instruction, self._steps.snapshot(), self._decoder.snapshot(), self._newest)

    @torch.inference_mode()
    def restore(self, snapshot: RT1Snapshot) -> None:
        """See policies.policy.PortablePolicy."""
        if self._newest is None or snapshot.instruction != self._instruction:
            self.reset(snapshot.instruction)
        self._steps.restore(snapshot.steps)
        self._decoder.restore(snapshot.decoder)
        self._newest = snapshot.newest

    def act(self, observation: Observation) -> ActionChunk:
        """Decides one step.

        Raises RuntimeError before the first reset, and ValueError for images or a state that do not match the card,
        have no timestamp or are older than the last ones: the history would be out of order.
        """
        return self.decide(self.probabilities(observation), observation.stamp)

    @torch.inference_mode()
    def probabilities(self, observation: Observation) -> NDArray[np.float64]:
        """One step before decoding: token probabilities, shape (horizon * D, bins), zero for illegal tokens."""
        return probabilities_together([self], [self.take(observation)])[0]

    def take(self, observation: Observation) -> Inputs:
        """The first half of `act`: prepares the network's inputs. Raises what `act` raises."""
        if self._newest is None:
            raise RuntimeError(NO_INSTRUCTION)
        if not math.isfinite(observation.stamp):
            raise ValueError(f"The image's stamp is {observation.stamp}, expected a time in seconds.")
        if observation.stamp < self._newest:
            raise ValueError(
                f"The image was taken at {observation.stamp:.3f} s, before the last one ({self._newest:.3f} s); images "
                "must come in the order of their stamps."
            )
        inputs = self._inputs(observation)
        self._newest = observation.stamp
        return inputs

    def decide(self, probabilities: NDArray[np.float64], stamp: float) -> ActionChunk:
        """The second half of `act`. stamp: of the observation [s]. Raises DecodingError for non-finite numbers."""
        self._decoder.begin(stamp)
        chunk = self._decoder.from_probabilities(probabilities)
        self._steps.chosen(torch.tensor(chunk.tokens))
        return chunk

    def _inputs(self, observation: Observation) -> Inputs:
        images = np.stack(card_images(observation.images, self.card.cameras))
        if not self.card.state:
            return images, None
        return images, scaled_state(check_state(observation.state, self.card), self.card)


@torch.inference_mode()
def probabilities_together(policies: Sequence[RT1Policy], inputs: Sequence[Inputs]) -> list[NDArray[np.float64]]:
    """`RT1Policy.probabilities` of several policies with the same network in one batch. inputs: from `take` of each."""
    network = policies[0].network
    images = torch.from_numpy(np.stack([images for images, _ in inputs])).to(network.device)
    states = [state for _, state in inputs if state is not None]
    state = torch.from_numpy(np.stack(states)).to(network.device) if states else None
    logits = steps_together([policy._steps for policy in policies], images, state).float()
    return list(logits.masked_fill(~network.legal, ILLEGAL).softmax(dim=-1).cpu().numpy().astype(np.float64))


def _own_encoder(config: RT1Config, name: str) -> LanguageEncoder:
    if config.language == "hashed_words":
        return HashedWords(config.word_buckets)
    raise ValueError(
        f"The policy {name!r} takes sentence embeddings of {config.language_size} numbers and has no encoder of its "
        "own; give one as RT1Policy(..., encoder=...), or put a table of them next to the weights: "
        "rt-vla embed --encoder USE.onnx --to CHECKPOINT/instructions.safetensors 'pick up the red cube' ..."
    )
