"""What is evaluated as unseen is not in the training suites."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.sim import SUITES, make_scene
from rt_vla_ros.sim.instructions import PICK_PHRASINGS, UNSEEN_PICK_PHRASINGS
from rt_vla_ros.sim.objects import ALL_KINDS
from rt_vla_ros.sim.suites import SEEN_KINDS, UNSEEN_KINDS, UNSEEN_TABLES, WIDE_APPEARANCE


def test_what_is_measured_as_unseen_is_never_trained_on():
    trained = [suite for suite in SUITES.values() if suite.training or suite.name.startswith("pick-")]
    assert len(trained) == 6
    for suite in trained:
        assert not set(suite.phrasings) & set(SUITES["unseen"].phrasings)
        assert not set(suite.kinds) & set(SUITES["unseen"].targets)


def not_between(values, others) -> bool:
    """Whether none of the values lies between the smallest and the largest of the others."""
    return not any(min(others) <= value <= max(others) for value in values)


def test_appearances_of_backgrounds_and_of_training_have_nothing_in_common():
    measured = [make_scene("backgrounds", seed).layout.appearance for seed in range(200)]
    trained = [
        make_scene(suite, seed).layout.appearance
        for suite in ("pick-colours", "pick-any", "train-looks", "train-clutter", "train-wide", "train-wide-clutter")
        for seed in range(200)
    ]
    assert {(look.table, look.pattern) for look in measured} == set(UNSEEN_TABLES)
    assert {look.pattern for look in measured} & {look.pattern for look in trained} == {"plain"}
    tables = np.array([look.table for look in trained])
    for table in {look.table for look in measured}:
        assert np.abs(tables - table).max(axis=1).min() > 0.05, table
    dark = [look.light for look in measured if look.light < 1]
    bright = [look.light for look in measured if look.light > 1]
    assert not_between([look.light for look in trained], dark)
    assert not_between([look.light for look in trained], bright)
    for shift in ("camera_shift", "target_shift"):
        seen, unseen = ([np.linalg.norm(getattr(look, shift)) for look in looks] for looks in (trained, measured))
        assert not_between(seen, unseen)
    trained_azimuths = np.rad2deg([np.arctan2(*look.light_direction[1::-1]) % (2 * np.pi) for look in trained])
    measured_azimuths = np.rad2deg([np.arctan2(*look.light_direction[1::-1]) for look in measured])
    assert trained_azimuths.min() > 50 >= measured_azimuths.max()
    assert trained_azimuths.max() < 240 <= measured_azimuths.min() + 360


def test_wide_looks_are_on_both_sides_of_those_of_backgrounds():
    looks = [make_scene("train-wide", seed).layout.appearance for seed in range(200)]
    lights = [look.light for look in looks]
    assert min(lights) < 0.5
    assert max(lights) > 1.6
    for shift, low, high in (("camera_shift", 0.015, 0.04), ("target_shift", 0.01, 0.022)):
        lengths = [np.linalg.norm(getattr(look, shift)) for look in looks]
        assert min(lengths) < low
        assert max(lengths) > high
    assert {look.pattern for look in looks} == {*WIDE_APPEARANCE.patterns}
    assert len({*WIDE_APPEARANCE.patterns}) == 8
    for table, _ in UNSEEN_TABLES:
        assert min(np.abs(np.subtract(look.table, table)).max() for look in looks) >= 0.12
    assert min(max(look.table) for look in looks) < 0.15
    assert max(min(look.table) for look in looks) > 0.7


def test_some_words_and_combinations_are_kept_for_later():
    assert len(SEEN_KINDS) >= 18
    assert not set(PICK_PHRASINGS) & set(UNSEEN_PICK_PHRASINGS)
    assert set(SEEN_KINDS) | set(UNSEEN_KINDS) == set(ALL_KINDS)
    assert {kind.colour for kind in UNSEEN_KINDS} <= {kind.colour for kind in SEEN_KINDS}
