"""A human takes the arm over and gives it back, in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.actions import TICK, action, chunk, speed, travelled

from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.status import Command, State
from rt_vla_ros.control.takeover import MOTION, HumanTwist, Takeover, TakeoverSettings

FORWARD = (0.0, 0.1, 0.0, 0.0, 0.0, 0.2)
JERK = Limits(max_linear_jerk=60.0, max_angular_jerk=200.0)


class Cell:
    """A policy that acts five times a second on fresh images, a human at 50 Hz, and the controller's ticks."""

    def __init__(self, controller: Controller | None = None, **settings: Any) -> None:
        self.controller = controller or Controller()
        self.human = Takeover(self.controller, TakeoverSettings(**settings))
        self.now, self.ticks = 0.0, 0
        self.policy: Callable[[], Any] | None = lambda: action((0.02, 0.0, 0.0), gripper=1.0)
        self.velocity: tuple[float, ...] | None = None  # None: says nothing
        self.held: bool | None = False  # None: says nothing
        self.age: float | None = 0.0
        self.extra: dict[str, Any] = {}

    def tick(self) -> Command:
        self.ticks += 1
        self.now = round(self.ticks * TICK, 9)
        if self.policy is not None and self.ticks % 10 == 0:
            self.controller.accept(self.policy(), stamp=self.now, now=self.now)
        if self.held is not None:
            self.human.hold(self.held, self.now)
        if self.velocity is not None:
            self.human.twist(HumanTwist(np.array(self.velocity), "base", self.now, self.age), self.now)
        self.human.tick(self.now, self.now, **self.extra)
        return self.controller.tick(self.now)

    def run(self, duration: float) -> list[Command]:
        return [self.tick() for _ in range(round(duration / TICK))]

    def take(self, velocity: tuple[float, ...] = FORWARD) -> None:
        self.held, self.velocity = True, velocity

    def let_go(self) -> None:
        self.held, self.velocity = False, None


@pytest.fixture
def cell() -> Cell:
    """One whose policy has moved the arm for a second."""
    made = Cell()
    assert made.run(1.0)[-1].state is State.MOVING
    return made


def steps(commands: list[Command]) -> tuple[np.ndarray, np.ndarray]:
    """Largest linear and angular step of the velocity between two ticks."""
    linear = np.diff([c.linear for c in commands], axis=0)
    angular = np.diff([c.angular for c in commands], axis=0)
    return np.linalg.norm(linear, axis=1).max(), np.linalg.norm(angular, axis=1).max()


def test_while_the_deadman_is_held_the_human_commands_and_actions_are_dropped(cell: Cell) -> None:
    cell.take()
    commands = cell.run(1.0)
    assert (commands[-1].state, cell.controller.commander) == (State.HUMAN, "human")
    assert commands[-1].reason == "A human is in control."
    np.testing.assert_allclose(commands[-1].linear, FORWARD[:3], atol=1e-6)
    np.testing.assert_allclose(commands[-1].angular, FORWARD[3:], atol=1e-6)
    assert cell.controller.refused == 5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limits", [Limits(), JERK], ids=["acceleration", "jerk"])
def test_neither_taking_over_nor_giving_back_is_a_step_in_velocity(limits: Limits, seed: int) -> None:
    rng, cell = np.random.default_rng(seed), Cell(Controller(limits))
    cell.policy = lambda: action(rng.uniform(-0.05, 0.05, 3), rng.uniform(-0.2, 0.2, 3))
    commands = cell.run(1.06)  # the policy accelerates
    cell.take((-0.3, 0.2, 0.1, 0.5, 0.0, -0.5))
    commands += cell.run(1.0)
    if limits.max_linear_jerk:
        jerk = np.diff([c.linear for c in commands], n=2, axis=0) / TICK**2
        assert np.linalg.norm(jerk, axis=1).max() <= limits.max_linear_jerk * 1.001
    cell.let_go()
    commands += cell.run(0.3)
    assert cell.human.resume(cell.now) is None
    commands += cell.run(1.0)
    assert (commands[-1].state, speed(commands[-1]) > 0.05) == (State.MOVING, True)
    linear, angular = steps(commands)
    assert linear <= limits.max_linear_acceleration * TICK * 1.001
    assert angular <= limits.max_angular_acceleration * TICK * 1.001


def test_letting_go_brakes_and_the_policy_waits_until_it_is_asked(cell: Cell) -> None:
    cell.take()
    cell.run(0.5)
    cell.let_go()
    commands = cell.run(2.0)
    late = [c for i, c in enumerate(commands) if i * TICK > cell.controller.limits.stopping_time]
    assert all(speed(c) == 0 for c in late)
    assert (late[-1].state, late[-1].commanding, cell.controller.commander) == (State.HUMAN, False, "")
    assert "~/resume" in late[-1].reason
    assert cell.controller.awaits_resume
    assert cell.human.resume(cell.now) is None
    assert cell.controller.state is State.IDLE
    assert cell.run(0.5)[-1].state is State.MOVING


def test_after_a_resume_only_fresh_images_count(cell: Cell) -> None:
    cell.policy = None
    cell.take()
    cell.run(0.5)
    cell.let_go()
    cell.run(0.5)
    cell.human.resume(cell.now)
    controller, resumed = cell.controller, cell.now
    for old in (action(), action(terminate=True), chunk((0.02, 0, 0), (0.02, 0, 0))):
        assert "before ~/resume" in str(controller.accept(old, stamp=resumed - 0.01, now=resumed))
    assert not any(speed(c) for c in cell.run(0.3))
    assert controller.state is State.IDLE
    assert controller.accept(action(), stamp=resumed, now=cell.now) is None


def test_a_terminate_while_a_human_commands_counts_for_nothing(cell: Cell) -> None:
    cell.take()
    cell.run(0.1)
    cell.policy = lambda: action(terminate=True)
    assert all(not c.terminate and c.state is State.HUMAN for c in cell.run(0.5))


def test_a_takeover_drops_a_terminate_that_has_not_come_due() -> None:
    cell = Cell()
    ending = chunk((0.01, 0, 0), (0.01, 0, 0), (0.01, 0, 0))
    last = replace(ending.steps[2], terminate=True)
    cell.policy = lambda: replace(ending, steps=(*ending.steps[:2], last))
    cell.run(0.3)
    cell.policy = None
    cell.take()
    assert {c.state for c in cell.run(1.0)} == {State.HUMAN}


def test_a_fault_of_the_policy_does_not_bar_the_human(cell: Cell) -> None:
    cell.policy = lambda: action((np.nan, 0, 0))
    cell.run(0.5)
    assert cell.controller.state is State.FAULT
    cell.take()
    assert cell.run(0.5)[-1].state is State.HUMAN
    cell.controller.refuse("The message cannot be read.", cell.now)
    assert cell.run(0.1)[-1].state is State.HUMAN


def test_a_fault_of_the_arm_bars_the_human_until_the_deadman_is_pressed_again(cell: Cell) -> None:
    cell.take()
    cell.run(0.5)
    cell.extra = {"denied": "The arm is not ready: it is paused."}
    commands = cell.run(0.5)
    assert commands[-1].state is State.FAULT
    assert commands[-1].reason.startswith("The arm is not ready: it is paused. Release the teleoperation deadman")
    cell.extra = {}
    assert not any(speed(c) for c in cell.run(0.5))
    assert cell.controller.awaits_resume
    cell.held = False
    cell.run(0.1)
    cell.take()
    assert cell.run(0.3)[-1].state is State.HUMAN


def test_a_frame_that_nobody_knows_bars_the_human(cell: Cell) -> None:
    cell.extra = {"turn": lambda twist: "TF does not know the frame 'tool'."}
    cell.take()
    assert "TF does not know the frame 'tool'" in cell.run(0.1)[-1].reason
    assert (cell.controller.state, cell.controller.awaits_resume) == (State.FAULT, True)


def test_stops_count_for_the_human_and_a_release_does_not_give_the_arm_back(cell: Cell) -> None:
    cell.take()
    cell.run(0.5)
    cell.controller.stop()
    commands = cell.run(1.0)
    assert {c.state for c in commands} == {State.STOPPED}
    assert not speed(commands[-1])
    assert "call ~/release first" in str(cell.controller.resume(cell.now))
    cell.controller.release()
    assert not any(speed(c) for c in cell.run(0.5))  # it is still held
    assert (cell.controller.state, cell.controller.awaits_resume) == (State.HUMAN, True)
    cell.let_go()
    cell.run(0.1)
    cell.take()
    assert cell.run(0.3)[-1].state is State.HUMAN


def test_a_deadman_that_was_held_from_the_start_on_does_not_count() -> None:
    cell = Cell()
    cell.policy = None
    cell.controller.tick(0.0)
    cell.take()
    assert not any(speed(c) for c in cell.run(0.5))
    assert "hold it again" in cell.controller.reason


def test_limits_and_walls_hold_for_the_human() -> None:
    limits = Limits(workspace_low=(-1, -1, -1), workspace_high=(0.1, 1, 1), max_linear_velocity=0.2)
    cell = Cell(Controller(limits))
    cell.policy = None
    cell.run(0.1)
    cell.take((3.0, 0.0, 0.0, 9.0, 0.0, 0.0))
    position, commands = np.zeros(3), list[Command]()
    for _ in range(200):
        cell.controller.set_pose(position, cell.now)
        commands.append(cell.tick())
        position = position + commands[-1].linear * TICK
    assert max(np.linalg.norm(c.linear) for c in commands) <= 0.2 + 1e-9
    assert max(np.linalg.norm(c.angular) for c in commands) <= limits.max_angular_velocity + 1e-9
    assert 0.09 < position[0] <= 0.1
    assert commands[-1].reason == "A human is in control, held back by the workspace wall."
    assert "slowed down" in commands[5].reason


def test_nothing_is_made_up_for_once_the_stick_is_at_rest() -> None:
    cell = Cell(Controller(Limits(max_linear_acceleration=0.5)))
    cell.policy = None
    cell.run(0.1)
    cell.take((0.1, 0, 0, 0, 0, 0))
    cell.run(0.2)
    cell.take((0.0,) * 6)
    assert travelled(cell.run(1.0))[0] < 0.1**2 / (2 * 0.5) + 0.01


def test_an_arm_that_is_commanded_after_silence_moves_at_once() -> None:
    cell = Cell()
    cell.policy = None
    cell.run(0.1)
    cell.take()
    assert speed(cell.tick()) > 0


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (lambda cell: setattr(cell, "held", None), "no deadman message for more than 0.25 s"),
        (lambda cell: setattr(cell, "velocity", None), "no twist for more than 0.25 s"),
        (lambda cell: setattr(cell, "velocity", (np.nan, 0, 0, 0, 0, 0)), "a non-finite value"),
        (lambda cell: setattr(cell, "velocity", (0, 0, 0, 0, 0, np.inf)), "a non-finite value"),
        (lambda cell: setattr(cell, "velocity", (0, 1e300, 0, 0, 0, 0)), "expected at most 1000"),
        (lambda cell: setattr(cell, "age", 0.26), "0.26 s old"),
        (lambda cell: setattr(cell, "age", -0.26), "0.26 s in the future"),
        (lambda cell: setattr(cell, "age", np.nan), "stamp is invalid"),
        (lambda cell: cell.extra.update(rivals="two publishers."), "two publishers."),
    ],
)
def test_a_human_who_is_lost_is_a_stop_that_is_latched(cell: Cell, lose: Callable[[Cell], Any], words: str) -> None:
    cell.take()
    cell.run(0.5)
    lose(cell)
    commands = cell.run(1.0)
    assert commands[-1].state is State.STOPPED
    assert commands[-1].reason.startswith("The operator's command is lost: ")
    assert words in commands[-1].reason
    stopped = next(i for i, c in enumerate(commands) if c.state is State.STOPPED)
    assert stopped * TICK <= 0.25 + 2 * TICK
    late = [c for i, c in enumerate(commands) if (i - stopped) * TICK > cell.controller.limits.stopping_time]
    assert not any(speed(c) for c in late)
    cell.controller.release()
    cell.extra.clear()
    cell.age, cell.held, cell.velocity = 0.0, True, FORWARD
    assert not any(speed(c) for c in cell.run(0.5))  # who comes back with the deadman held must let go first


def test_what_a_stick_says_while_nobody_holds_the_deadman_stops_nothing(cell: Cell) -> None:
    cell.velocity = (np.nan, 0, 0, 0, 0, 0)
    assert cell.run(0.5)[-1].state is State.MOVING
    cell.velocity, cell.age = FORWARD, 9.0
    assert cell.run(0.5)[-1].state is State.MOVING
    assert not cell.controller.awaits_resume


def test_a_stick_that_falls_silent_at_rest_is_not_lost(cell: Cell) -> None:
    cell.take((0.0,) * 6)
    cell.run(0.5)
    cell.velocity = None
    commands = cell.run(1.0)
    assert {c.state for c in commands} == {State.HUMAN}
    assert not any(speed(c) for c in commands)


def test_what_the_stick_said_before_the_deadman_was_held_does_not_count(cell: Cell) -> None:
    cell.velocity = (0.3, 0, 0, 0, 0, 0)
    cell.run(0.1)
    cell.held, cell.velocity = True, None
    commands = cell.run(1.0)
    assert {c.state for c in commands} == {State.HUMAN}
    assert not speed(commands[-1])


def test_a_stick_that_is_its_own_deadman_is_let_go_at_rest() -> None:
    cell = Cell(deadman=MOTION)
    cell.held = None
    cell.run(1.0)
    cell.velocity = FORWARD
    assert cell.run(0.5)[-1].state is State.HUMAN
    assert cell.controller.commander == "human"
    cell.velocity = (0.0,) * 6
    cell.run(0.1)
    assert cell.controller.commander == "human"
    cell.run(0.3)
    assert cell.controller.commander == ""
    assert cell.controller.awaits_resume
    cell.velocity = FORWARD
    cell.run(0.1)
    assert cell.controller.commander == "human"
    cell.velocity = None  # not at rest
    assert cell.run(0.5)[-1].state is State.STOPPED


def test_a_stick_that_is_deflected_since_before_the_start_does_not_count() -> None:
    cell = Cell(deadman=MOTION)
    cell.held, cell.policy, cell.velocity = None, None, FORWARD
    assert not any(speed(c) for c in cell.run(0.5))
    assert "hold it again" in cell.controller.reason
    cell.velocity = (0.0,) * 6
    cell.run(0.3)
    cell.velocity = FORWARD
    assert speed(cell.run(0.3)[-1])


def test_a_stick_that_is_its_own_deadman_and_says_nonsense_stops_a_policy_too() -> None:
    cell = Cell(deadman=MOTION)
    cell.held, cell.age = None, 3.0
    cell.velocity = (0.0,) * 6
    assert cell.run(1.0)[-1].state is State.MOVING
    cell.velocity = FORWARD
    assert cell.run(0.1)[-1].state is State.STOPPED


def test_the_human_moves_the_gripper_while_the_deadman_is_held(cell: Cell) -> None:
    assert cell.human.gripper(1.0) is None
    cell.take()
    assert all(c.gripper is None for c in cell.run(0.1))
    cell.human.gripper(0.0)
    assert [c.gripper for c in cell.run(0.1) if c.gripper is not None] == [0.0]
    for bad in (-0.1, 1.1, np.nan):
        assert "expected 0 (open) to 1 (closed)" in str(cell.human.gripper(bad))
    cell.let_go()
    cell.run(0.3)
    cell.human.resume(cell.now)
    assert [c.gripper for c in cell.run(0.5) if c.gripper is not None] == [1.0]  # the policy's, told anew


def test_a_terminate_of_a_clock_that_lags_stops_what_came_since_the_resume(cell: Cell) -> None:
    cell.take()
    cell.run(0.1)
    cell.let_go()
    cell.run(0.5)
    assert cell.human.resume(cell.now) is None
    resumed = cell.now
    assert cell.run(0.3)[-1].state is State.MOVING
    cell.policy = None
    assert cell.controller.accept(action(terminate=True), stamp=resumed - 0.1, now=cell.now) is None
    assert cell.tick().state is State.TERMINATED


def test_it_is_not_resumed_while_the_deadman_is_held(cell: Cell) -> None:
    cell.take()
    cell.run(0.1)
    assert "release it first" in str(cell.human.resume(cell.now))
    assert "release the deadman first" in str(cell.controller.resume(cell.now))


def test_a_reset_does_not_give_the_arm_back(cell: Cell) -> None:
    cell.take()
    cell.run(0.1)
    cell.controller.reset()
    cell.run(0.5)
    assert cell.controller.commander == ""  # the deadman must be held anew
    cell.let_go()
    cell.run(0.1)
    cell.controller.reset()
    assert cell.controller.awaits_resume
    assert {c.state for c in cell.run(0.5)} == {State.HUMAN}
    assert cell.human.resume(cell.now) is None
    assert cell.run(0.5)[-1].state is State.MOVING


def test_a_jump_of_the_clock_ends_what_a_human_commands() -> None:
    cell = Cell()
    cell.run(0.5)
    cell.take()
    cell.run(0.5)
    cell.ticks += 50
    command = cell.tick()
    assert (command.state, speed(command)) == (State.FAULT, 0)
    assert not any(speed(c) for c in cell.run(0.5))


def test_a_frame_cannot_change_while_the_human_moves_the_arm(cell: Cell) -> None:
    cell.take()
    cell.run(0.3)
    cell.extra = {"turn": lambda twist: (twist.velocity, "tool")}
    assert "while the arm moves in 'base'" in cell.run(0.1)[-1].reason


@pytest.mark.parametrize("values", [{"timeout": 0.0}, {"timeout": 2.0}, {"timeout": np.nan}, {"deadman": "none"}])
def test_settings_of_a_takeover_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TakeoverSettings(**values)


FUZZED = 500


@pytest.mark.parametrize("block", range(8))
def test_whatever_policy_human_and_stops_do_nobody_moves_the_arm_out_of_turn(block: int) -> None:
    for seed in range(block * FUZZED // 8, (block + 1) * FUZZED // 8):
        fuzz(seed)


def fuzz(seed: int) -> None:
    """Random policies, humans, stops, releases, faults and resumes; the arm does only what it may."""
    rng = np.random.default_rng(seed)
    limits = Limits(
        max_linear_velocity=0.25,
        max_linear_acceleration=3.0,
        max_linear_jerk=float(rng.choice([0.0, 60.0])),
    )
    controller = Controller(limits, ControllerSettings(smoothing_time_constant=float(rng.choice([0.0, 0.05]))))
    human = Takeover(controller, TakeoverSettings(deadman=str(rng.choice(["topic", "motion"]))))
    now, tick, before = 0.0, TICK, controller.tick(0.0)
    nobody = None  # since when nobody commands
    held, velocity, mute = False, np.zeros(6), 0.0
    for _ in range(120):
        tick = round(float(rng.uniform(0.01, 0.04)), 9)
        now = round(now + tick, 9)
        event, said, age = rng.integers(0, 100), velocity, 0.0
        if event < 6:
            held = not held
        elif event < 14:
            velocity = rng.uniform(-0.5, 0.5, 6) * rng.integers(0, 2)
        elif event == 14:
            said = np.full(6, rng.choice([np.nan, np.inf, 1e200]))
        elif event == 15:
            age = float(rng.choice([0.5, -0.5, np.nan]))
        elif event == 16:
            mute = now + rng.uniform(0.1, 0.5)
        elif event == 17:
            controller.stop()
        elif event < 24:
            controller.release()
        elif event < 30:
            human.resume(now)
        elif event == 30:
            controller.fault("Somebody's fault.")
        elif event == 31:
            controller.refuse("no message", now)
        if rng.random() < 0.3:
            reach = rng.choice([0.05] * 9 + [np.nan])
            wish = action((reach, *rng.uniform(-0.05, 0.05, 2)), terminate=rng.random() < 0.05)
            several = chunk(*rng.uniform(-0.03, 0.03, (4, 3)))
            late = float(rng.choice([0.0, 0.0, 0.0, 0.3, 3.0]))
            controller.accept(wish if rng.random() < 0.5 else several, stamp=now - late, now=now)
        if now > mute and rng.random() < 0.9:
            human.hold(held, now)
        if now > mute and rng.random() < 0.9:
            human.twist(HumanTwist(said, "base", now, age), now)
        denied = "not ready" if rng.random() < 0.005 else None
        human.tick(now, now, denied=denied, rivals="two" if rng.random() < 0.001 else None)
        command = controller.tick(now)
        for vector, was, limit, change in (
            (command.linear, before.linear, limits.max_linear_velocity, limits.max_linear_acceleration),
            (command.angular, before.angular, limits.max_angular_velocity, limits.max_angular_acceleration),
        ):
            assert np.isfinite(vector).all()
            assert np.linalg.norm(vector) <= limit + 1e-9, seed
            assert np.linalg.norm(vector - was) <= change * tick + 1e-8, seed
        # Nobody commands: it brakes, at the limit, and then stands still.
        nobody = None if controller.commander else (now if nobody is None else nobody)
        if nobody is not None:
            assert np.linalg.norm(command.linear) <= np.linalg.norm(before.linear), seed
            assert np.linalg.norm(command.angular) <= np.linalg.norm(before.angular), seed
            assert now - nobody <= limits.stopping_time + 0.05 or not speed(command), seed
        if controller.awaits_resume:
            assert controller.commander != "policy", seed
        if command.state is State.STOPPED:
            assert controller.commander == "", seed
        if controller.commander == "human":
            assert controller.awaits_resume
            assert human.held, seed
        before = command
