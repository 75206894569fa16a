"""Which cameras count as frozen, and which do not."""

from __future__ import annotations

import pytest

from rt_vla_ros.runtime.frozen_camera import SAME_STAMP_NS, FrozenCamera

SECOND = 1_000_000_000
SAME_IMAGE = "Camera 'front' repeats the same image while the arm is commanded to move: it is frozen"
SAME_STAMP = "Camera 'front' repeats the same stamp: its image is frozen."


def looked(ways: list[float | None], pixels: list[bytes], max_way: float = 0.05) -> list[bool]:
    """Which of the images, one every 0.1 s, make the camera a frozen one."""
    camera, found = FrozenCamera("front", max_way), []
    for i, (way, data) in enumerate(zip(ways, pixels, strict=True)):
        at = i * SECOND // 10
        sentence = camera.look(data, stamp_ns=at, times_ns=(at, at), way=way)
        assert sentence is None or sentence.startswith(SAME_IMAGE)
        found.append(sentence is not None)
    return found


def test_the_same_image_while_the_arm_goes_far_enough_is_a_frozen_one() -> None:
    assert looked([0, 0.02, 0.04, 0.051, 0.1], [b"same"] * 5) == [False, False, False, True, True]


def test_an_arm_that_does_not_move_may_show_the_same_image_for_ever() -> None:
    assert not any(looked([0.3] * 100, [b"same"] * 100))
    assert not any(looked([None] * 100, [b"same"] * 100))


def test_a_single_pixel_that_changes_is_a_new_image() -> None:
    assert not any(looked([i * 0.04 for i in range(50)], [bytes([i % 2]) + bytes(99) for i in range(50)]))


def test_an_image_of_another_size_is_a_new_one() -> None:
    assert not any(looked([0.0, 1.0, 2.0], [b"", b"\0", b"\0\0"]))


def test_a_smoother_that_begins_to_count_anew_is_no_way() -> None:
    assert looked([5.0, 0.0, 0.04, 0.06], [b"same"] * 4) == [False, False, False, True]


def test_it_can_be_switched_off() -> None:
    assert not any(looked([0.0, 10.0, 1000.0], [b"same"] * 3, max_way=0.0))


def test_another_request_begins_afresh() -> None:
    camera = FrozenCamera("front", 0.05)
    camera.look(b"same", stamp_ns=0, times_ns=(0, 0), way=0.0)
    camera.restart()
    assert camera.look(b"same", stamp_ns=1, times_ns=(1, 1), way=9.0) is None


@pytest.mark.parametrize(
    ("node_s", "host_s", "frozen"), [(2.1, 2.1, True), (2.0, 2.0, False), (0.0, 60.0, False), (60.0, 1.0, False)]
)
def test_a_stamp_that_stands_still_while_both_clocks_go_on_is_a_frozen_image(
    node_s: float, host_s: float, frozen: bool
) -> None:
    assert SAME_STAMP_NS == 2 * SECOND
    camera = FrozenCamera("front", 0.05)
    camera.look(b"same", stamp_ns=5, times_ns=(0, 0), way=0.0)
    times_ns = (round(node_s * SECOND), round(host_s * SECOND))
    assert camera.look(b"other", stamp_ns=5, times_ns=times_ns, way=0.0) == (SAME_STAMP if frozen else None)


def test_a_clock_that_began_anew_is_no_frozen_image() -> None:
    camera = FrozenCamera("front", 0.05)
    camera.look(b"a", stamp_ns=100 * SECOND, times_ns=(100 * SECOND, 0), way=0.0)
    assert camera.look(b"b", stamp_ns=SECOND, times_ns=(SECOND, 9 * SECOND), way=0.0) is None
