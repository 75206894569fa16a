from __future__ import annotations

import math
from fractions import Fraction

import pytest

from rt_vla_ros.data.shares import (
    MixtureError,
    by_probability,
    by_repetition,
    by_temperature,
    explicit_shares,
    mixture_shares,
    repetitions_of,
)

SIZES = {"web": 1_000_000, "robot": 10_000, "chat": 250}


def near(shares: dict[str, float]) -> object:
    return pytest.approx(shares, rel=1e-12)


def test_temperature_by_hand() -> None:
    assert by_temperature({"a": 16, "b": 1}, 2) == near({"a": 4 / 5, "b": 1 / 5})
    assert by_temperature({"a": 32, "b": 1}, 5) == near({"a": 2 / 3, "b": 1 / 3})
    assert by_temperature({"a": 3, "b": 1}, 0.5) == near({"a": 9 / 10, "b": 1 / 10})


def test_the_table_of_the_two_sizes_of_rt2() -> None:
    ratio = Fraction(10**9, 130_000)
    for temperature, robot in [(1, 0.000_13), (2, 0.011_27), (5, 0.143_12), (math.inf, 0.5)]:
        shares = by_temperature({"web": 10**9, "robot": 130_000}, temperature)
        assert shares["robot"] == pytest.approx(robot, rel=1e-3)
        assert shares["web"] / shares["robot"] == pytest.approx(float(ratio) ** (1 / temperature), rel=1e-9)


def test_three_ways_to_say_the_same() -> None:
    total = sum(SIZES.values())
    by_size = by_probability({name: size / total for name, size in SIZES.items()})
    assert by_temperature(SIZES, 1) == near(by_size)
    assert by_repetition(SIZES, dict.fromkeys(SIZES, 1)) == near(by_size)
    alike = by_probability(dict.fromkeys(SIZES, 1 / 3))
    assert by_temperature(SIZES, math.inf) == near(alike)
    assert by_repetition(SIZES, {name: 1 / size for name, size in SIZES.items()}) == near(alike)


@pytest.mark.parametrize("temperature", [0.3, 1, 2, 5, math.inf])
def test_the_repetitions_of_a_temperature_give_its_shares(temperature: float) -> None:
    shares = by_temperature(SIZES, temperature)
    repetitions = repetitions_of(SIZES, shares, draws=48_000)
    assert by_repetition(SIZES, repetitions) == near(shares)
    assert sum(SIZES[name] * often for name, often in repetitions.items()) == pytest.approx(48_000)


def test_a_low_temperature_takes_the_largest_alone_and_does_not_overflow() -> None:
    assert by_temperature({"a": 10**9, "b": 10}, 1e-4) == {"a": 1, "b": 0}


@pytest.mark.parametrize("temperature", [0, -1, math.nan, -math.inf])
def test_temperatures_that_are_none(temperature: float) -> None:
    with pytest.raises(MixtureError, match="temperature must be more than 0"):
        by_temperature(SIZES, temperature)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"a": 0.5, "b": 0.4}, r"must sum to 1; a 0.5 \+ b 0.4 = 0.9"),
        ({"a": 0.7, "b": 0.7}, "must sum to 1"),
        ({}, "no share at all = 0"),
        ({"a": -0.2, "b": 1.2}, "'a' must be a number from 0 to 1, got -0.2"),
        ({"a": math.nan, "b": 1}, "got nan"),
        ({"a": math.inf}, "got inf"),
    ],
)
def test_shares_that_are_none(shares: dict[str, float], message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        by_probability(shares)


@pytest.mark.parametrize(
    ("repetitions", "message"),
    [
        ({"a": 1}, "repetitions of b are missing"),
        ({"a": 1, "b": 1, "c": 1}, "no source 'c'; available: a, b"),
        ({"a": -1, "b": 1}, "at least 0, got -1"),
        ({"a": math.nan, "b": 1}, "got nan"),
        ({"a": math.inf, "b": 1}, "got inf"),
        ({"a": 0, "b": 0}, "no source has a share"),
        ({"a": 1e308, "b": 1e308}, "too many"),
    ],
)
def test_repetitions_that_are_none(repetitions: dict[str, float], message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        by_repetition({"a": 10, "b": 20}, repetitions)


def test_half_is_robot_data_and_the_rest_by_size() -> None:
    shares = mixture_shares({"pick": 300, "push": 100}, {"vqa": 9000, "captions": 1000})
    assert shares == near({"pick": 0.375, "push": 0.125, "vqa": 0.45, "captions": 0.05})
    shares = mixture_shares({"pick": 300, "push": 100}, {"vqa": 8100, "captions": 100}, robot_share=0.66, temperature=2)
    assert shares["pick"] + shares["push"] == pytest.approx(0.66)
    assert shares["vqa"] / shares["captions"] == pytest.approx(9)


def test_one_kind_alone_is_all() -> None:
    assert mixture_shares({"pick": 3}, {}) == {"pick": 1}
    assert mixture_shares({}, {"vqa": 3, "captions": 1}) == near({"vqa": 0.75, "captions": 0.25})
    assert mixture_shares({"pick": 3}, {"vqa": 5}, robot_share=1) == {"pick": 1, "vqa": 0}
    assert mixture_shares({"pick": 3}, {"vqa": 5}, robot_share=0) == {"pick": 0, "vqa": 1}


def test_fixed_shares_leave_the_rest_to_the_others() -> None:
    web = {"vqa": 100, "chat": 300, "captions": 100}
    assert mixture_shares({"pick": 5}, web, explicit={"captions": 0.1}) == near(
        {"pick": 0.5, "vqa": 0.1, "chat": 0.3, "captions": 0.1}
    )
    assert mixture_shares({"pick": 5}, {"vqa": 3}, explicit={"pick": 0.3}) == near({"pick": 0.3, "vqa": 0.7})
    assert mixture_shares({"pick": 5}, {"vqa": 3}, explicit={"vqa": 0.3}) == near({"pick": 0.7, "vqa": 0.3})
    assert mixture_shares({"pick": 5}, {"vqa": 3}, explicit={"pick": 0.25, "vqa": 0.75})["pick"] == 0.25


@pytest.mark.parametrize(
    ("robot", "web", "settings", "message"),
    [
        ({}, {}, {}, "mixture is empty"),
        ({"a": 1}, {"a": 1}, {}, "Robot and web data have the same name: a"),
        ({"a": 1}, {}, {"robot_share": 0.5}, "robot share is 0.5, but there is only robot data"),
        ({}, {"b": 1}, {"robot_share": 0.5}, "robot share is 0.5, but there is only web data"),
        ({"a": 1}, {"b": 1}, {"robot_share": math.nan}, "got nan"),
        ({"a": 1}, {"b": 1}, {"robot_share": 50}, "'robot data' must be a number from 0 to 1, got 50"),
        ({"a": 1}, {"bb": 1}, {"explicit": {"bbb": 0.5}}, "no source 'bbb'; available: a, bb. Did you mean 'bb'?"),
        ({"a": 1}, {"b": 1}, {"explicit": {"b": -0.1}}, "'b' must be a number from 0 to 1, got -0.1"),
        ({"a": 1}, {"b": 1}, {"explicit": {"a": 0.5, "b": 0.4}}, "do not sum to its part of the mixture, 0.5"),
        ({"a": 1}, {"b": 1, "c": 1}, {"explicit": {"b": 0.6}}, "web data, b 0.6, are more than its part .*, 0.5"),
        ({"a": 1}, {"b": 1}, {"robot_share": 0.5, "explicit": {"b": 0.2}}, "b 0.2, do not sum to its part .*, 0.5"),
        ({"a": 0}, {"b": 1}, {}, "These sources are empty: a"),
        ({"a": 0}, {"b": 1}, {"explicit": {"a": 0.5}}, "These sources are empty: a"),
        ({"a": 1}, {"b": 1}, {"temperature": math.nan}, "temperature must be more than 0"),
    ],
)
def test_mixtures_that_cannot_be_made(
    robot: dict[str, int], web: dict[str, int], settings: dict[str, float], message: str
) -> None:
    with pytest.raises(MixtureError, match=message):
        mixture_shares(robot, web, **settings)  # type: ignore[arg-type]


def test_shares_as_a_user_writes_them() -> None:
    assert explicit_shares([]) == {}
    assert explicit_shares(["vqa=0.2", "a=b=1e-1"]) == {"vqa": 0.2, "a=b": 0.1}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["vqa"], "Expected a share as NAME=0.2, got 'vqa'"),
        (["0.2"], "Expected a share as NAME=0.2, got '0.2'"),
        (["=0.2"], "got '=0.2'"),
        (["vqa="], "got 'vqa='"),
        (["vqa=20%"], "got 'vqa=20%'"),
        (["vqa=20"], "'vqa' must be a number from 0 to 1, got 20.0"),
        (["vqa=nan"], "got nan"),
        (["vqa=0.2", "vqa=0.3"], "share of 'vqa' is given twice"),
    ],
)
def test_shares_that_are_written_wrong(texts: list[str], message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        explicit_shares(texts)
