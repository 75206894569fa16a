"""RT-1 as a policy: keeps the tokens of past steps, so one image of each camera goes through the trunk a step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.language.cached_encoder import CachedEncoder
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.observations.history import History
from rt_vla_ros.observations.image import check_image
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.scaled_state import check_state, scaled_state
from rt_vla_ros.policies.policy import WARM_UP_INSTRUCTION
from rt_vla_ros.policies.rt1.loss import ILLEGAL
from rt_vla_ros.policies.rt1.modeling import RT1Model


class PlainSteps:
    """The network with its history of observation tokens."""

    def __init__(self, model: RT1Model) -> None:
        self.model = model
        self._sentence: Tensor | None = None
        self._empty: Tensor | None = None  # tokens of a step before the first, where the network's history has such
        self._tokens: History[Tensor]
        self._actions: History[Tensor]

    def begin(self, features: Tensor) -> None:
        """A new request. features: what the model takes as an instruction, (1, ...)."""
        self._sentence = self.model.sentence(features)
        if self.model.config.history_start == "zero_frames":
            images, state = self._nothing()
            tokens = self.model.image_tokens(images, torch.zeros_like(self._sentence))
            self._empty = self.model.observation_tokens(tokens[None], state)
        self._forget()

    def _nothing(self) -> tuple[Tensor, Tensor | None]:
        """What a step of `history_start` zero_frames sees, as `step` takes it."""
        config, device = self.model.config, self.model.device
        images = torch.zeros(config.num_cameras, *config.input_size, 3, dtype=torch.uint8, device=device)
        return images, torch.zeros(1, config.state_size, device=device) if config.state_size else None

    def _forget(self) -> None:
        """A new history for the same request."""
        length = self.model.config.time_sequence_length
        self._tokens, self._actions = History(length), History(length)
        if self._empty is not None:
            for _ in range(length):
                self._tokens.append(self._empty)

    def step(self, images: Tensor, state: Tensor | None = None) -> Tensor:
        """Logits of the newest step, (D, V).

        images: of every camera, uint8 RGB (K, H, W, 3). state: as the network takes it, (1, S); None: it has none.
        """
        assert self._sentence is not None, "begin comes first"
        tokens = self.model.image_tokens(images, self._sentence)
        self._tokens.append(self.model.observation_tokens(tokens[None], state))
        tokens = torch.stack(self._tokens.items, dim=1)  # (1, T, tokens, C)
        return self.model.transformer(tokens, self.model.action_rows(self._chosen(tokens), tokens))[0, -1]

    def chosen(self, tokens: Tensor) -> None:
        """Takes the tokens that were chosen at this step, (D,), for networks that see earlier actions."""
        self._actions.append(tokens[None].to(self.model.device))

    def _chosen(self, tokens: Tensor) -> Tensor | None:
        """Tokens of the window's steps, oldest first, (1, T, D); zeros where none were taken yet."""
        if self.model.config.action_embedding != "previous":
            return None
        taken = torch.zeros(1, tokens.shape[1], self.model.config.num_action_tokens, dtype=torch.int64)
        earlier = self._actions.items[-(tokens.shape[1] - 1) :] if tokens.shape[1] > 1 else ()
        for back, action in enumerate(reversed(earlier), start=2):
            taken[:, -back] = action
        return taken.to(tokens.device)


class RT1Policy:
    """Implements policies.policy.WarmUpPolicy.

    A request begins as the network's `history_start` says; when the window is full the oldest step leaves.
    """

    def __init__(
        self,
        model: RT1Model,
        card: ActionCard,
        *,
        name: str = "rt1",
        encoder: LanguageEncoder | None = None,
        decoding: str | None = None,
        steps: PlainSteps | None = None,
    ) -> None:
        """encoder: for a model that takes sentence vectors. decoding: "argmax" or "expected_value"; None: the model's.

        steps: how this model is run; None: as it is, keeping its image tokens.
        Raises ValueError for a model of the language "embedding" without an encoder, and for an unknown decoding.
        """
        self.name, self.card = name, card
        self.model = model
        self.model.train(False)
        self._encoder: LanguageEncoder = CachedEncoder(encoder) if encoder else _own_encoder(model, name)
        self._decoder = ActionDecoder(card, decoding or model.config.decoding)
        self._steps = steps or PlainSteps(model)
        self._newest: float | None = None  # stamp of the last image; None before the first reset

    @property
    def warm_up_instruction(self) -> str:
        """One that this policy understands."""
        return getattr(self._encoder, "known", "") or WARM_UP_INSTRUCTION

    @property
    def instructions(self) -> Sequence[str]:
        """See policies.policy.ListedPolicy."""
        return tuple(getattr(self._encoder, "instructions", ()))

    @property
    def warm_up_runs(self) -> int:
        """Steps after which every kind of step has been made once: until the window rolls."""
        return self.model.config.time_sequence_length + 1

    @torch.inference_mode()
    def reset(self, instruction: str) -> None:
        """Forget the history and take a new instruction. Raises InstructionError, a ValueError."""
        features = torch.from_numpy(np.asarray(self._encoder.encode(instruction)))
        size = self.model.config.language_size
        if self.model.config.language == "embedding" and features.shape != (size,):
            raise ValueError(
                f"The encoder gives sentence vectors of shape {tuple(features.shape)}, the network takes ({size},)."
            )
        self._steps.begin(features[None].to(self.model.device))
        self._decoder.reset()
        self._newest = -math.inf

    def act(self, observation: Observation) -> ActionChunk:
        """One step.

        Raises RuntimeError before the first reset, and ValueError for images and a state that the card does not allow,
        that have no time or that are older than the last one: the history would be out of order.
        """
        probabilities = self.probabilities(observation)
        self._decoder.begin(observation.stamp)
        chunk = self._decoder.from_probabilities(probabilities)
        self._steps.chosen(torch.tensor(chunk.tokens))
        return chunk

    @torch.inference_mode()
    def probabilities(self, observation: Observation) -> NDArray[np.float64]:
        """One step, before decoding: probabilities of the tokens, shape (horizon * D, bins), zero for illegal ones."""
        if self._newest is None:
            raise RuntimeError("The policy has no instruction yet; call reset(instruction) first.")
        if not math.isfinite(observation.stamp):
            raise ValueError(f"The image's stamp is {observation.stamp}, expected a time in seconds.")
        if observation.stamp < self._newest:
            raise ValueError(
                f"The image was taken at {observation.stamp:.3f} s, before the last one ({self._newest:.3f} s); images "
                "must come in the order of their stamps."
            )
        images, state = self._inputs(observation)
        self._newest = observation.stamp
        logits = self._steps.step(images, state).float().masked_fill(~self.model.legal, ILLEGAL)
        return logits.softmax(dim=-1).cpu().numpy().astype(np.float64)

    def _inputs(self, observation: Observation) -> tuple[Tensor, Tensor | None]:
        """What `PlainSteps.step` takes."""
        pixels = np.stack([self._image(observation, camera) for camera in self.card.cameras])
        images = torch.from_numpy(pixels).to(self.model.device)
        if not self.card.state:
            return images, None
        state = scaled_state(check_state(observation.state, self.card), self.card)
        return images, torch.from_numpy(state)[None].to(self.model.device)

    def _image(self, observation: Observation, camera: CameraSpec) -> NDArray[np.uint8]:
        if camera.name not in observation.images:
            there = ", ".join(sorted(observation.images)) or "none"
            raise ValueError(f"The policy needs an image of the camera {camera.name!r}; there is: {there}.")
        image = observation.images[camera.name]
        check_image(image, camera)
        return image


def _own_encoder(model: RT1Model, name: str) -> LanguageEncoder:
    if model.config.language == "hashed_words":
        return HashedWords(model.config.word_buckets)
    raise ValueError(
        f"The policy {name!r} takes sentence vectors of {model.config.language_size} numbers and has no encoder of its "
        "own; give one as RT1Policy(..., encoder=...), or put a table of them beside the weights: "
        "rt-vla embed --encoder USE.onnx --to CHECKPOINT/instructions.safetensors 'pick up the red cube' ..."
    )
