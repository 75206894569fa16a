"""A policy of this package as a policy of inspect-robots, which acts on the embodiments that its action card fits.

inspect-robots run --task tabletop-pick-colours --embodiment rt_vla_ros --policy rt_vla_ros -P checkpoint=rt1-mini
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.environments.declared_card import refuse_declaration
from rt_vla_ros.environments.worker.inspect_declaration import declaration_of
from rt_vla_ros.environments.worker.inspect_world import STOP
from rt_vla_ros.evaluation.inspect_plugin.controllers import refuse_controllers
from rt_vla_ros.evaluation.inspect_plugin.spaces import box_of_card, cameras_of_card
from rt_vla_ros.observations.image import fit_image
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.runtime.chunk_check import check_chunk
from rt_vla_ros.sim.pacing import steps_per_action

if TYPE_CHECKING:
    import inspect_robots


def open_policy(
    checkpoint: str = "rt1-mini", device: str = "auto", cameras: str = "", threads: int = 0
) -> InspectPolicy:
    """The entry point. checkpoint: a name or a path, see load_policy.

    cameras: names of the embodiment's cameras for those of the card, as in "front=top,wrist=left_wrist"; the others
    have the same name in both. threads: of torch, 0 for as few as keep up.
    Raises inspect_robots' ConfigError, with a sentence.
    """
    from inspect_robots.errors import ConfigError

    from rt_vla_ros.evaluation.provenance import checkpoint_hash
    from rt_vla_ros.policies.load import load_policy
    from rt_vla_ros.policies.threads import wait_passively
    from rt_vla_ros.runtime.warm_up import warm_up

    wait_passively()
    try:
        checkpoint = str(checkpoint)  # a directory named 2024 arrives as a number
        policy = load_policy(checkpoint, device=device)
        opened = InspectPolicy(policy, _names(cameras, policy.card), checkpoint_hash(checkpoint))
        warm_up(policy, threads)
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        raise ConfigError(str(error)) from error
    return opened


class InspectPolicy:
    """See inspect_robots.Policy. It must be bound to an embodiment, which `eval` and the command line do."""

    def __init__(self, policy: Policy, cameras: Mapping[str, str], checkpoint: str | None = None) -> None:
        """cameras: name in the card -> name at the embodiment, of those that differ. checkpoint: its hash."""
        from inspect_robots import ObservationSpace, PolicyConfig, PolicyInfo

        self._policy, self._cameras = policy, cameras
        self._own: ActionCard | None = None
        seen = tuple(replace(one, name=cameras.get(one.name, one.name)) for one in cameras_of_card(policy.card))
        self.info: inspect_robots.PolicyInfo = PolicyInfo(
            name=policy.name,
            action_space=box_of_card(policy.card),
            observation_space=ObservationSpace(cameras=seen),
            control_hz=policy.card.control_rate,
            checkpoint=checkpoint,
        )
        self.config: inspect_robots.PolicyConfig = PolicyConfig(action_horizon=policy.card.execute_steps)

    def bind(self, embodiment_info: inspect_robots.EmbodimentInfo) -> None:
        """Raises CompatibilityError with all mismatches between the action card and the embodiment's spaces."""
        from inspect_robots.errors import CompatibilityError

        declaration = declaration_of(embodiment_info)
        declaration["cameras"] = self._by_our_names({name: size for name, *size in declaration["cameras"]})
        try:
            own = refuse_declaration(self._policy.card, declaration, embodiment_info.name)
        except ActionCardError as error:
            raise CompatibilityError(str(error)) from error
        self._own, self._tokenizer = own, ActionTokenizer(own)
        self._ticks = steps_per_action(self._policy.card.period, round(own.period * 1e9))
        self._low = np.array([one.low for one in own.dimensions])
        self._high = np.array([one.high for one in own.dimensions])
        self.info = replace(self.info, action_space=embodiment_info.action_space, control_hz=own.control_rate)
        self.config = replace(self.config, action_horizon=self._policy.card.execute_steps * self._ticks)

    def _by_our_names(self, theirs: Mapping[str, list[Any]]) -> list[list[Any]]:
        """The embodiment's cameras, those that the policy sees by their names in the card. theirs: name -> size."""
        ours = {one.name: self._cameras.get(one.name, one.name) for one in self._policy.card.cameras}
        seen = [[name, *theirs[there]] for name, there in ours.items() if there in theirs]
        return seen + [[name, *size] for name, size in theirs.items() if name not in {*ours, *ours.values()}]

    def reset(self, scene: inspect_robots.Scene) -> None:
        """A new request with the scene's instruction. Raises ValueError for one that the policy cannot use."""
        self._begin(scene.instruction)
        self._gripper, self._acted = 0.0, 0

    def act(self, observation: inspect_robots.Observation) -> inspect_robots.ActionChunk:
        """One decision, as so many of the embodiment's steps; the last one says so if the policy terminates.

        Raises CompatibilityError for an unsupported controller, ValueError for a missing image, and what the policy
        raises.
        """
        from inspect_robots import ActionChunk as TheirChunk

        if self._own is None:
            raise RuntimeError("The policy is bound to no embodiment: call bind(embodiment.info) first.")
        refuse_controllers(self.config.action_horizon)
        if observation.instruction and observation.instruction != self._instruction:
            self._begin(observation.instruction)
        number = observation.extra.get("env_step", self._acted)
        started = time.perf_counter()
        chunk = self._policy.act(Observation(self._images(observation.images), number * self._own.period))
        took = time.perf_counter() - started
        check_chunk(chunk, self._policy.card)
        actions = self._actions(chunk)
        self._acted = number + len(actions)
        return TheirChunk(actions=actions, control_hz=self._own.control_rate, inference_latency_s=took)

    def _begin(self, instruction: str) -> None:
        self._policy.reset(instruction)
        self._instruction = instruction

    def _images(self, given: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
        images = {}
        for camera in self._policy.card.cameras:
            name = self._cameras.get(camera.name, camera.name)
            if name not in given:
                raise ValueError(f"The observation has no image of {name!r}, only {', '.join(given) or 'none'}.")
            images[camera.name] = fit_image(given[name], camera)
        return images

    def _actions(self, chunk: ActionChunk) -> list[inspect_robots.Action]:
        """The steps until the next decision in equal parts."""
        from inspect_robots import Action

        actions: list[inspect_robots.Action] = []
        for step in chunk.steps[: self._policy.card.execute_steps]:
            if step.terminate:
                return [*actions, Action(data=self._vector(EndEffectorStep.still()), meta=STOP)]
            part = replace(step, translation=step.translation / self._ticks, rotation=step.rotation / self._ticks)
            actions += [Action(data=self._vector(part)) for _ in range(self._ticks)]
        return actions

    def _vector(self, step: EndEffectorStep) -> NDArray[np.float64]:
        """The embodiment's action (D,), within its bounds. The last gripper command is kept; it is open at first."""
        self._gripper = self._gripper if step.gripper == KEEP_GRIPPER else step.gripper
        vector: NDArray[np.float64] = self._tokenizer.from_step(replace(step, gripper=self._gripper))
        return np.clip(vector, self._low, self._high)


def _names(text: str, card: ActionCard) -> dict[str, str]:
    """Raises ValueError for anything but NAME=NAME,... with names of the card's cameras on the left."""
    known = [one.name for one in card.cameras]
    pairs: list[Any] = [pair.split("=") for pair in text.split(",")] if text else []
    for pair in pairs:
        if len(pair) != 2 or not all(pair) or pair[0] not in known:
            raise ValueError(
                f"cameras is {text!r}, expected CARD=EMBODIMENT,... with a camera of the card ({', '.join(known)}) "
                "on the left."
            )
    return dict(pairs)
