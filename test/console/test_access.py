"""Whom the page answers: names, origins, the token."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_vla_ros.console.access import COOKIE, MOST_LOGINS, PageAccess, is_loopback, own_names, read_token

TOKEN = "a token of more than 16"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_this_machine_alone_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.4", "localhost.evil.example", "127.0.0.1.evil.example", ""]
)
def test_everything_else_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_localhost_needs_no_token_and_everything_else_says_how() -> None:
    assert read_token("127.0.0.1", "") is None
    with pytest.raises(ValueError, match=r"'0\.0\.0\.0'.*token_file.*certificate"):
        read_token("0.0.0.0", "")


def test_a_token_is_read_from_its_file_and_a_short_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token("0.0.0.0", str(file)) == TOKEN
    file.write_text("short")
    with pytest.raises(ValueError, match="has 5 characters, expected 16"):
        read_token("localhost", str(file))
    with pytest.raises(ValueError, match="cannot be read"):
        read_token("localhost", str(tmp_path / "none"))
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(ValueError, match="is no text"):
        read_token("localhost", str(file))


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
    secret = rules.log_in(TOKEN, 0.0)
    assert secret is not None
    assert rules.is_known({COOKIE: secret})
    assert not rules.is_known({COOKIE: TOKEN})
    assert not rules.is_known({COOKIE: "ü"})
    assert not rules.is_known({})
    assert PageAccess().is_known({})


def test_after_some_wrong_tokens_the_right_one_has_to_wait() -> None:
    rules = PageAccess(token=TOKEN)
    for _ in range(5):
        assert rules.log_in("wrong", 10.0) is None
    assert rules.log_in(TOKEN, 10.0) is None
    assert rules.log_in(TOKEN, 13.0) is not None


def test_old_logins_are_forgotten() -> None:
    rules = PageAccess(token=TOKEN)
    first = rules.log_in(TOKEN, 0.0)
    for _ in range(MOST_LOGINS):
        last = rules.log_in(TOKEN, 0.0)
    assert first is not None
    assert last is not None
    assert not rules.is_known({COOKIE: first})
    assert rules.is_known({COOKIE: last})
