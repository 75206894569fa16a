"""RT-1 as a policy: keeps the image tokens of past frames, so one image a step goes through the trunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.observations.history import History
from rt_vla_ros.observations.image import check_image
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.decoding import ActionDecoder
from rt_vla_ros.policies.rt1.loss import ILLEGAL
from rt_vla_ros.policies.rt1.modeling import RT1Model


class RT1Policy:
    """Implements policies.policy.Policy.

    At the start of a request the window is short: the first image stands at position 0, as in training, and nothing is
    padded. When the window is full the oldest step leaves.
    """

    def __init__(
        self,
        model: RT1Model,
        card: ActionCard,
        *,
        name: str = "rt1",
        encoder: LanguageEncoder | None = None,
        decoding: str | None = None,
    ) -> None:
        """encoder: for a model that takes sentence vectors. decoding: "argmax" or "expected_value"; None: the model's.

        Raises ValueError for a model of the language "embedding" without an encoder, and for an unknown decoding.
        """
        self._name, self._card = name, card
        self.model = model
        self.model.train(False)
        self._encoder = encoder or _own_encoder(model, name)
        self._decoder = ActionDecoder(card, decoding or model.config.decoding)
        self._history: History[Tensor] = History(model.config.time_sequence_length)
        self._sentence: Tensor | None = None

    @property
    def name(self) -> str:
        """Name of the checkpoint."""
        return self._name

    @property
    def card(self) -> ActionCard:
        """What the actions mean and what the camera must be."""
        return self._card

    @torch.inference_mode()
    def reset(self, instruction: str) -> None:
        """Forget the history and take a new instruction. Raises InstructionError, a ValueError."""
        features = torch.from_numpy(np.asarray(self._encoder.encode(instruction)))
        self._sentence = self.model.sentence(features[None].to(self.model.device))
        self._history.reset()
        self._decoder.reset()

    def act(self, observation: Observation) -> EndEffectorAction:
        """One step. Raises RuntimeError before the first reset and ValueError for images the card does not allow."""
        return self._decoder.action(self.probabilities(observation))

    @torch.inference_mode()
    def probabilities(self, observation: Observation) -> NDArray[np.float64]:
        """One step, before decoding: probabilities of the action's tokens, shape (D, bins), zero for illegal ones."""
        if self._sentence is None:
            raise RuntimeError("The policy has no instruction yet; call reset(instruction) first.")
        image = torch.from_numpy(self._image(observation)).to(self.model.device)
        self._history.append(self.model.image_tokens(image[None], self._sentence))
        tokens = torch.stack(self._history.items, dim=1)  # (1, T, tokens, C)
        logits = self.model.transformer(tokens)[0, -1].float().masked_fill(~self.model.legal, ILLEGAL)
        result: NDArray[Any] = logits.softmax(dim=-1).cpu().numpy().astype(np.float64)
        return result

    def _image(self, observation: Observation) -> NDArray[np.uint8]:
        camera = self._card.cameras[0]
        if camera.name not in observation.images:
            there = ", ".join(sorted(observation.images)) or "none"
            raise ValueError(f"The policy needs an image of the camera {camera.name!r}; there is: {there}.")
        image = observation.images[camera.name]
        check_image(image, camera)
        return np.ascontiguousarray(image)


def _own_encoder(model: RT1Model, name: str) -> LanguageEncoder:
    if model.config.language == "hashed_words":
        return HashedWords(model.config.word_buckets)
    raise ValueError(
        f"The policy {name!r} takes sentence vectors of {model.config.language_size} numbers and has no encoder of its "
        "own; give one as RT1Policy(..., encoder=...)."
    )
