"""Masses of the Panda's links, for simulators: its usual URDF has none."""

from __future__ import annotations

# Mass [kg], center of mass [m], and the inertia about it, xx xy xz yy yz zz [kg m^2], of links without inertia in the
# URDF: C.
# Gaz et al., "Dynamic Identification of the Franka Emika Panda Robot With Retrieval of Feasible Parameters" (2019).
Inertia = tuple[float, tuple[float, float, float], tuple[float, float, float, float, float, float]]
PANDA_INERTIA: dict[str, Inertia] = {
    "panda_hand": (
        0.73,
        (-0.01, 0.0, 0.03),
        (1e-3, 0.0, 0.0, 2.5e-3, 0.0, 1.7e-3),
    ),
    "panda_leftfinger": (
        0.015,
        (0.0, 0.0, 0.03),
        (2.375e-6, 0.0, 0.0, 2.375e-6, 0.0, 7.5e-7),
    ),
    "panda_rightfinger": (
        0.015,
        (0.0, 0.0, 0.03),
        (2.375e-6, 0.0, 0.0, 2.375e-6, 0.0, 7.5e-7),
    ),
}
