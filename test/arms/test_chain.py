"""What is read from a URDF, and what is refused."""

from __future__ import annotations

import math

import pytest

from rt_vla_ros.arms.chain import ChainError, check_joints, read_chain
from rt_vla_ros.arms.panda_urdf import NAMES, TIP, panda_urdf

PANDA = panda_urdf()


def test_the_chain_of_a_panda() -> None:
    chain = read_chain(panda_urdf(fingers=True), TIP)
    assert (chain.base, chain.tip, chain.names) == ("panda_link0", TIP, NAMES)
    first = chain.joints[0]
    assert (first.lower, first.upper, first.velocity, first.acceleration) == (-2.8973, 2.8973, 2.175, 15.0)
    assert "finger" not in chain.urdf
    assert read_chain(PANDA) == read_chain(PANDA, TIP, "panda_link0")


def test_without_accelerations_the_default_counts() -> None:
    chain = read_chain(panda_urdf(accelerations=False))
    assert chain.joints[0].acceleration is None
    assert {joint.acceleration for joint in chain.with_accelerations(3.0).joints} == {3.0}


def test_meshes_masses_and_other_branches_are_left_out() -> None:
    mesh = '<visual><geometry><mesh filename="package://gone/link.dae"/></geometry></visual><inertial/>'
    urdf = PANDA.replace('<link name="panda_link3"/>', f'<link name="panda_link3">{mesh}</link>')
    assert "mesh" not in read_chain(urdf, TIP).urdf


def test_a_continuous_joint_has_no_ends() -> None:
    urdf = PANDA.replace('type="revolute"', 'type="continuous"', 1)
    assert (read_chain(urdf).joints[0].lower, read_chain(urdf).joints[0].upper) == (-math.inf, math.inf)


def test_soft_limits_count_where_they_are_narrower() -> None:
    soft = '<safety_controller soft_lower_limit="-1" soft_upper_limit="9" k_velocity="1"/></joint>'
    chain = read_chain(PANDA.replace("</joint>", soft, 1))
    assert (chain.joints[0].lower, chain.joints[0].upper) == (-1.0, 2.8973)


LIMIT = '<limit lower="-2.8973" upper="2.8973" velocity="2.175" effort="50" acceleration="15.0"/>'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (PANDA, "", "not valid XML"),
        (PANDA, "hello", "not valid XML"),
        (PANDA, "<sdf/>", "root element is <sdf>"),
        (PANDA, "<robot/>", "not a tree, expected one link without a parent joint, got none"),
        (LIMIT, "", "The joint 'panda_joint1' has no <limit>"),
        ('velocity="2.175"', 'velocity="0"', "maximum velocity 0.0"),
        ('velocity="2.175"', 'velocity="-1"', "maximum velocity -1.0"),
        ('velocity="2.175"', 'velocity="nan"', "velocity='nan', expected a finite number"),
        ('velocity="2.175"', 'velocity="inf"', "velocity='inf', expected a finite number"),
        ('velocity="2.175"', 'velocity="fast"', "velocity='fast', expected a finite number"),
        ('velocity="2.175"', "", "maximum velocity None"),
        ('lower="-2.8973"', 'lower="3"', "has the range 3.0 to 2.8973"),
        ('lower="-2.8973"', "", "has the range None to 2.8973"),
        ('acceleration="15.0"', 'acceleration="0"', "maximum acceleration 0.0"),
        ('type="revolute"', 'type="floating"', "of the type 'floating'"),
        ('type="revolute"', 'type="fixed"', None),
        ("</joint>", '<mimic joint="panda_joint2"/></joint>', "mimics another one"),
        ('<child link="panda_link1"/>', "", "has no name, parent or child"),
        ('<child link="panda_link1"/>', '<child link="panda_link2"/>', "has two joints above it"),
        (
            '<parent link="panda_link0"/>',
            '<parent link="nowhere"/>',
            "has the link 'nowhere', which is not in the URDF",
        ),
        ('<parent link="panda_link0"/>', f'<parent link="{TIP}"/>', "panda_link0"),
        ('<link name="panda_link0"/>', '<link name="panda_link0"/><link name="table"/>', "panda_link0, table"),
    ],
)
def test_what_is_no_arm_is_refused_with_a_sentence(old: str, new: str, words: str | None) -> None:
    assert old in PANDA
    if words is None:
        assert len(read_chain(PANDA.replace(old, new, 1)).joints) == 6
        return
    with pytest.raises(ChainError) as error:
        read_chain(PANDA.replace(old, new, 1))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("tip", "base", "words"),
    [
        ("", "", "several ends, panda_leftfinger, panda_rightfinger: set the parameter tip_frame"),
        ("tool0", "", "The URDF has no link 'tool0' (tip_frame)"),
        (TIP, "base", "The URDF has no link 'base' (base_frame)"),
        ("panda_link2", "panda_link5", "is not a descendant of 'panda_link5'"),
        (TIP, TIP, "No joint moves"),
        (TIP, "panda_link2", "Only 5 joints move"),
    ],
)
def test_ends_that_are_none_are_refused(tip: str, base: str, words: str) -> None:
    with pytest.raises(ChainError) as error:
        read_chain(panda_urdf(fingers=True), tip, base)
    assert words in str(error.value)


def test_the_joints_in_the_controllers_order_must_be_those_of_the_chain() -> None:
    chain = read_chain(PANDA)
    assert check_joints(chain, ()) == NAMES
    assert check_joints(chain, NAMES[::-1]) == NAMES[::-1]
    for given, words in (
        (NAMES[:3], "it lacks panda_joint4"),
        ((*NAMES, "left_joint1"), "left_joint1 is not among them. A bridge drives a single chain."),
        ((*NAMES, NAMES[0]), "panda_joint1 more than once"),
    ):
        with pytest.raises(ChainError, match=words):
            check_joints(chain, given)
