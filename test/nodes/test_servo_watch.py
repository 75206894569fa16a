"""What Servo's status means, in time."""

from __future__ import annotations

import pytest

from rt_vla_ros.nodes.servo_watch import GRACE, SETTLED, SILENT, TOLD, ServoWatch

LOOK = 0.02


class Watched:
    """A watch and its time."""

    def __init__(self) -> None:
        self.watch, self.now = ServoWatch("/servo_node/status"), 100.0

    def pass_time(self, duration: float, code: int | None = 0, *, awake: bool = True) -> None:
        """Looks for so long, with a status at each look, or none."""
        for _ in range(round(duration / LOOK)):
            self.now += LOOK
            if code is not None:
                self.watch.status(code, self.now)
            self.watch.look(self.now, awake=awake)

    @property
    def problem(self) -> str | None:
        return self.watch.problem(self.now)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_status_without_a_warning_is_no_problem(watched: Watched) -> None:
    watched.pass_time(1.0)
    assert watched.problem is None
    assert watched.watch.warning() is None


@pytest.mark.parametrize("code", [-1, 2, 5, 6, 99])
def test_a_halt_counts_at_once_and_while_it_lasts(watched: Watched, code: int) -> None:
    watched.watch.commanded(True, watched.now)
    watched.pass_time(1.0)
    watched.pass_time(LOOK, code)
    assert watched.problem
    watched.pass_time(2.0, code)
    assert watched.problem


def test_a_halt_of_a_moment_is_told_long_enough_to_be_heard(watched: Watched) -> None:
    watched.watch.commanded(True, watched.now)
    watched.pass_time(1.0)
    watched.pass_time(LOOK, 2)
    watched.pass_time(TOLD - 2 * LOOK, 0)
    assert watched.problem
    watched.pass_time(3 * LOOK, 0)
    assert watched.problem is None


def test_a_code_that_stays_without_commands_does_not_lock_the_arm(watched: Watched) -> None:
    """As of an unknown frame: Servo says -1 until the next command."""
    watched.watch.commanded(True, watched.now)
    watched.pass_time(0.5)
    watched.pass_time(0.2, -1)
    watched.watch.commanded(False, watched.now)
    watched.pass_time(SETTLED - 2 * LOOK, -1)
    assert watched.problem
    watched.pass_time(3 * LOOK, -1)
    assert watched.problem is None
    assert "Result of the last command: Servo cannot use the velocities" in (watched.watch.warning() or "")


def test_an_old_code_counts_again_where_the_next_motion_does_not_change_it(watched: Watched) -> None:
    watched.pass_time(1.0, -1)
    assert watched.problem is None
    watched.watch.commanded(True, watched.now)
    watched.pass_time(GRACE - 2 * LOOK, -1)
    assert watched.problem is None
    watched.pass_time(4 * LOOK, -1)
    assert watched.problem


def test_slow_downs_only_warn(watched: Watched) -> None:
    watched.watch.commanded(True, watched.now)
    watched.pass_time(1.0, 4)
    assert watched.problem is None
    assert "near a collision" in (watched.watch.warning() or "")


def test_silence_is_a_problem_until_a_status_comes(watched: Watched) -> None:
    watched.pass_time(0.5)
    watched.pass_time(SILENT - 2 * LOOK, None)
    assert watched.problem is None
    watched.pass_time(4 * LOOK, None)
    assert "no more messages on '/servo_node/status'" in (watched.problem or "")
    assert watched.watch.status(0, watched.now)
    assert watched.problem is None
    assert not watched.watch.status(0, watched.now)


def test_a_servo_that_never_spoke_waits_for_joint_states(watched: Watched) -> None:
    watched.pass_time(0.5, None)
    assert "it waits for joint states" in (watched.problem or "")


def test_a_paused_servo_may_be_silent(watched: Watched) -> None:
    watched.pass_time(0.5)
    watched.pass_time(60.0, None, awake=False)
    assert watched.problem is None
    watched.pass_time(0.5, None)
    assert watched.problem


def test_who_was_held_up_itself_accuses_nobody(watched: Watched) -> None:
    watched.pass_time(0.5)
    watched.now += 10.0
    watched.watch.look(watched.now, awake=True)
    assert watched.problem is None


def test_another_servo_begins_anew(watched: Watched) -> None:
    watched.pass_time(0.5, 5)
    watched.watch.reset()
    assert watched.problem is None
    assert not watched.watch.is_heard
