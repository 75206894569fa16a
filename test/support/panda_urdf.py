"""A URDF with the names of moveit_resources' Panda; no shapes, no masses."""

from __future__ import annotations


def panda() -> str:
    """The links and joints of moveit_resources' Panda, by name."""
    links = [*(f"panda_link{i}" for i in range(9)), "panda_hand", "panda_leftfinger", "panda_rightfinger"]
    mesh = '<visual><geometry><mesh filename="package://panda_meshes/link.dae"/></geometry></visual>'
    chain = [
        f'<joint name="panda_joint{i}" type="{"fixed" if i == 8 else "revolute"}">'
        f'<parent link="panda_link{i - 1}"/><child link="panda_link{i}"/></joint>'
        for i in range(1, 9)
    ]
    mimic = '<mimic joint="panda_finger_joint1"/>'
    fingers = [
        f'<joint name="panda_finger_joint{i}" type="prismatic"><parent link="panda_hand"/>'
        f'<child link="panda_{side}finger"/>{mimic if i == 2 else ""}</joint>'
        for i, side in ((1, "left"), (2, "right"))
    ]
    hand = '<joint name="hand" type="fixed"><parent link="panda_link8"/><child link="panda_hand"/></joint>'
    body = "".join([*(f'<link name="{name}">{mesh}</link>' for name in links), *chain, hand, *fingers])
    return f'<robot name="panda">{body}</robot>'
