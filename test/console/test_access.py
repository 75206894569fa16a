"""Whom the page answers: names, origins, logins."""

from __future__ import annotations

import pytest

from rt_vla_ros.console.access import COOKIE, PageAccess, own_names
from rt_vla_ros.console.attempts import MOST_ADDRESSES, Attempts
from rt_vla_ros.console.logins import IDLE, MOST_LOGINS
from rt_vla_ros.loopback import is_loopback, subscriber

TOKEN = "a token of more than 16"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_this_machine_alone_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.4", "localhost.evil.example", "127.0.0.1.evil.example", ""]
)
def test_everything_else_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost:8767", "127.0.0.1", "[::1]:8767", "192.168.1.4:80", "Lab-PC:8767", "lab-pc"]
)
def test_addresses_and_own_names_are_answered(host: str) -> None:
    assert PageAccess({"Lab-PC"}).refuse_host(host) is None


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "localhost.evil.example:8767", "evil.example@", "[::1", "a b"]
)
def test_a_name_that_leads_here_from_elsewhere_is_not_answered(host: str | None) -> None:
    assert PageAccess(own_names()).refuse_host(host) is not None


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "https://localhost:8767", "http://localhost:1", "http://localhost"]
)
def test_only_the_own_page_may_talk(origin: str | None) -> None:
    rules = PageAccess()
    assert rules.refuse_origin("http://localhost:8767", "localhost:8767") is None
    assert rules.refuse_origin(origin, "localhost:8767") is not None


def test_an_encrypted_page_has_another_origin() -> None:
    rules = PageAccess(encrypted=True)
    assert rules.refuse_origin("https://lab:8767", "lab:8767") is None
    assert rules.refuse_origin("http://lab:8767", "lab:8767") is not None


def test_a_login_is_known_by_its_cookie_and_not_by_the_token() -> None:
    rules = PageAccess(token=TOKEN)
    secret = rules.log_in(TOKEN, "10.0.0.1", 0.0)
    assert secret is not None
    assert rules.is_known({COOKIE: secret}, 0.0)
    assert not rules.is_known({COOKIE: TOKEN}, 0.0)
    assert not rules.is_known({COOKIE: "ü"}, 0.0)
    assert not rules.is_known({}, 0.0)
    assert PageAccess().is_known({}, 0.0)


def test_after_some_wrong_tokens_the_right_one_of_that_address_has_to_wait() -> None:
    rules = PageAccess(token=TOKEN)
    for number in range(5):
        assert rules.log_in(f"wrong {number}", "10.0.0.1", 10.0) is None
    assert rules.log_in(TOKEN, "10.0.0.1", 10.0) is None
    assert rules.log_in(TOKEN, "10.0.0.2", 10.0) is not None
    assert rules.log_in(TOKEN, "10.0.0.1", 13.0) is not None


def test_the_same_wrong_token_again_is_no_new_guess() -> None:
    rules = PageAccess(token=TOKEN)
    for _ in range(50):
        assert rules.log_in("an old one", "10.0.0.1", 10.0) is None
    assert rules.log_in(TOKEN, "10.0.0.1", 10.0) is not None


def test_who_guesses_from_many_addresses_fills_no_memory_and_keeps_nobody_out() -> None:
    rules, guesses = PageAccess(token=TOKEN), Attempts()
    for number in range(5 * MOST_ADDRESSES):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        guesses.failed(address, "wrong", 1.0)
        assert rules.log_in("wrong", address, 1.0) is None
    assert len(guesses._made) == MOST_ADDRESSES
    assert rules.log_in(TOKEN, "192.168.1.4", 1.0) is not None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "", True),
    ],
)
def test_whoever_has_many_addresses_counts_once(one: str, other: str, same: bool) -> None:
    assert (subscriber(one) == subscriber(other)) is same


def test_the_login_that_was_not_used_for_the_longest_time_is_forgotten() -> None:
    rules = PageAccess(token=TOKEN)
    first, second = (rules.log_in(TOKEN, "", 0.0) for _ in range(2))
    assert first is not None
    assert second is not None
    assert rules.is_known({COOKIE: first}, 1.0)
    for _ in range(MOST_LOGINS - 1):
        rules.log_in(TOKEN, "", 2.0)
    assert not rules.is_known({COOKIE: second}, 3.0)
    assert rules.is_known({COOKIE: first}, 3.0)


def test_a_login_ends_where_it_is_not_used_and_goes_on_where_it_is() -> None:
    rules = PageAccess(token=TOKEN)
    used, idle = (rules.log_in(TOKEN, "", 0.0) or "" for _ in range(2))
    assert rules.is_known({COOKIE: used}, IDLE)
    assert rules.is_known({COOKIE: used}, 2 * IDLE)
    assert not rules.is_known({COOKIE: idle}, 2 * IDLE)


def test_another_token_ends_all_logins() -> None:
    rules = PageAccess(token=TOKEN)
    secret = rules.log_in(TOKEN, "", 0.0) or ""
    rules.change_token("another one of more than 16")
    assert not rules.is_known({COOKIE: secret}, 0.0)
    assert rules.log_in(TOKEN, "", 0.0) is None
    assert rules.log_in("another one of more than 16", "", 0.0) is not None


def test_where_the_token_cannot_be_read_nobody_logs_in() -> None:
    rules = PageAccess(token=TOKEN)
    rules.change_token("")
    for given in ("", TOKEN):
        assert rules.log_in(given, "", 0.0) is None
    assert not rules.is_known({}, 0.0)
