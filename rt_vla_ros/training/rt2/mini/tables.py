"""The visible content of the simulator's current image."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.sim.cards import HALF_SIZE
from rt_vla_ros.sim.tabletop_model import ARM, DRAWN
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.dagger_policy import image_position
from rt_vla_ros.training.rt2.mini.questions import Table

CAMERA = "front"
ASIDE = 0.012  # [m] from an object's center to the other points of it that are looked at
ASIDE_ON_CARD = 0.025  # [m] from a card's center, on it
LEAST_SEEN = 2  # of five points, so that a person recognizes the object
LEAST_SEEN_OF_CARD = 3
ON_TABLE = 0.01  # clearance of an object that still stands on its card [m]


def table_of(sim: TabletopSim) -> Table:
    """The content of the front camera's image; positions of hidden objects are NaN, hidden cards are left out.

    An object moved away from its card has none.
    """
    objects, clearances = sim.object_positions, sim.clearances
    places = np.array([image_position(sim, CAMERA, at) for at in objects]).reshape(-1, 2)
    places[~seen_objects(sim)] = np.nan
    cards = [card for card, seen in zip(sim.layout.cards, seen_cards(sim), strict=True) if seen]
    symbols = tuple(
        next((card.symbol for card in cards if height < ON_TABLE and card.is_under(float(x), float(y))), "")
        for (x, y, _), height in zip(objects, clearances, strict=True)
    )
    kinds = tuple(item.kind for item in sim.layout.objects)
    return Table(kinds, places, symbols, image_position(sim, CAMERA, sim.ee_position), sim.gripped())


def seen_objects(sim: TabletopSim) -> NDArray[np.bool_]:
    """Whether neither the arm nor another object hides most of an object from the front camera, shape (objects,)."""
    right, up, _ = sim.data.cam_xmat[sim.camera_id(CAMERA)].reshape(3, 3).T
    aside = ASIDE * np.stack([0 * up, right, -right, up, -up])
    bodies = [sim.model.body(f"object{index}").id for index in range(len(sim.layout.objects))]
    counts = [
        sum(sim.model.geom_bodyid[geom] == body for geom in _first_geoms(sim, centre + aside) if geom >= 0)
        for body, centre in zip(bodies, sim.object_positions, strict=True)
    ]
    return np.array(counts, np.int64) >= LEAST_SEEN


def seen_cards(sim: TabletopSim) -> NDArray[np.bool_]:
    """Whether most of a card's print is visible to the front camera, shape (cards,)."""
    aside = ASIDE_ON_CARD * np.array([(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)])
    counts = []
    for index, card in enumerate(sim.layout.cards):
        points = np.array([card.x, card.y, 2 * HALF_SIZE[2]]) + aside
        counts.append(_first_geoms(sim, points).count(sim.model.geom(f"card{index}").id))
    return np.array(counts, np.int64) >= LEAST_SEEN_OF_CARD


def _first_geoms(sim: TabletopSim, points: NDArray[np.float64]) -> list[int]:
    """MuJoCo geom id seen by the front camera in the direction of each point, shape (n, 3); -1: none."""
    eye, hit, geoms = np.array(sim.data.cam_xpos[sim.camera_id(CAMERA)]), np.zeros(1, np.int32), list[int]()
    groups = np.zeros(mujoco.mjNGROUP, np.uint8)
    groups[[DRAWN, ARM]] = 1
    for point in points:
        mujoco.mj_ray(sim.model, sim.data, eye, point - eye, groups, 1, -1, hit)
        geoms.append(int(hit[0]))
    return geoms
