"""What a server says of itself, and who may come: addresses, tokens, figures and tables."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rt_vla_ros.action_space.card_differences import card_differences
from rt_vla_ros.cli import serve
from rt_vla_ros.cli.main import main
from rt_vla_ros.cli.serve import FleetScreen
from rt_vla_ros.policies.checkpoint.errors import ServerDecidesError, UnknownPolicyError
from rt_vla_ros.policies.checkpoint.resolve import check_name, resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.remote.address import DEFAULT_PORT, RemoteAddress
from rt_vla_ros.policies.remote.handshake import plain_name
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.serving.access import check_listening, said_of_listening
from rt_vla_ros.serving.fleet_table import fleet_line, fleet_table
from rt_vla_ros.serving.metrics import FleetMetrics, quantile
from rt_vla_ros.serving.prometheus_text import prometheus_text
from rt_vla_ros.token_file import header_token


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("remote:gpu-box", RemoteAddress("gpu-box", DEFAULT_PORT, "")),
        ("remote:10.0.0.5:99/rt1-mini", RemoteAddress("10.0.0.5", 99, "rt1-mini")),
        ("remote:[::1]:8790", RemoteAddress("[::1]", 8790, "")),
    ],
)
def test_an_address_is_read(text: str, expected: RemoteAddress) -> None:
    assert RemoteAddress.parse(text) == expected
    assert RemoteAddress.parse(str(expected)) == expected
    assert resolve(text).address == expected


@pytest.mark.parametrize(
    "text", ["remote:", "remote:a b", "remote:host:0", "remote:host:99999", "remote:u@host", "remote:h/a/b"]
)
def test_an_invalid_address_is_refused_with_the_expected_format(text: str) -> None:
    with pytest.raises(UnknownPolicyError, match=r"expected remote:HOST\[:PORT\]\[/NAME\]"):
        check_name(text)


def test_server_options_are_refused_at_the_robot() -> None:
    with pytest.raises(ServerDecidesError, match="pass weights, plan to `rt-vla serve`"):
        load_policy("remote:localhost", weights="int8", plan=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"jpeg": 96}, "remote_jpeg is 96"),
        ({"budget": -1.0}, "remote_budget is -1"),
        ({"key": "k"}, "be given together"),
    ],
)
def test_invalid_remote_settings_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(RemoteSettings(), **changes)  # type: ignore[arg-type]


def test_outside_localhost_a_token_or_certificates_are_needed() -> None:
    for host, token, authority in (
        ("localhost", None, ""),
        ("::1", None, ""),
        ("0.0.0.0", "t", ""),
        ("::", None, "ca"),
    ):
        check_listening(host, token, authority)
    with pytest.raises(ValueError, match=r"would listen on '0\.0\.0\.0'\. Outside localhost, a policy server requires"):
        check_listening("0.0.0.0", None, "")
    assert said_of_listening("0.0.0.0", "t", "", "").endswith("can read the token and the images.")
    assert said_of_listening("127.0.0.1", None, "", "") == "Only programs on this machine can reach it."


@pytest.mark.parametrize(
    ("text", "said"), [("short", "has 5 characters"), ("with a space in the token", "without spaces")]
)
def test_an_invalid_token_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ValueError, match=said):
        header_token(str(path))
    with pytest.raises(ValueError, match="no such file"):
        header_token(str(tmp_path / "none"))


def test_the_differences_of_two_cards_are_named_by_their_places() -> None:
    card = tabletop_card("a")
    other = replace(card, control_rate=9.0, cameras=(replace(card.cameras[0], width=11),))
    assert card_differences(card.to_dict(), card.to_dict(), ("here", "there")) == []
    found = card_differences(card.to_dict(), other.to_dict(), ("here", "there"))
    assert found == [
        f"control_rate: {card.control_rate} here, 9.0 there",
        f"cameras[0].width: {card.cameras[0].width} here, 11 there",
    ]


def served() -> FleetMetrics:
    now = [0.0]
    metrics = FleetMetrics(lambda: now[0])
    metrics.serve('odd"name\\')
    tally = metrics.join("arm", 'odd"name\\')
    now[0] = 2.0
    for seconds in (0.01, 0.02, 0.03):
        metrics.answer(tally, "decided", seconds, 2)
    metrics.answer(tally, "late", 0.5)
    metrics.batch('odd"name\\', 2, 0.004)
    return metrics


def test_the_figures_are_in_prometheus_format_and_right() -> None:
    text = prometheus_text(served())
    kinds = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            kinds.add(line.split()[2])
        elif not line.startswith("#"):
            name = line.partition("{")[0]
            assert {name, re.sub("_(bucket|sum|count)$", "", name)} & kinds
    name = r'{policy="odd\"name\\"'
    assert f'rt_vla_requests_total{name},outcome="decided"}} 3' in text
    assert f'rt_vla_requests_total{name},outcome="late"}} 1' in text
    assert f'rt_vla_request_seconds_bucket{name},le="+Inf"}} 4' in text
    assert f'rt_vla_request_seconds_bucket{name},le="0.02"}} 2' in text
    assert f"rt_vla_batch_size_count{name}}} 1" in text


def test_the_table_and_the_line_say_the_same() -> None:
    rows = served().rows()
    (row,) = rows
    assert (row.rate, row.batch, row.late, row.p50) == (1.5, 2.0, 0.25, 0.02)
    head, line = fleet_table(rows)
    assert head.split() == ["robot", "policy", "Hz", "batch", "late", "p50", "ms", "p99", "ms"]
    assert line.split() == ["arm", 'odd"name\\', "1.5", "2.0", "25%", "20.0", "30.0"]
    assert (
        fleet_line(rows)
        == "1 robot, 1.5 decisions a second, 2.0 in a batch, 25.0% late, the slowest robot's p99 30.0 ms."
    )
    assert (fleet_line([]), fleet_table([])[1]) == ("No robot is connected.", "no robot is connected")


def test_the_table_on_a_terminal_is_drawn_over_itself_and_below_sentences() -> None:
    written: list[str] = []
    screen = FleetScreen(written.append)
    screen.show(["a", "b"])
    screen.show(["c"])
    screen.say("A robot came.")
    screen.show(["d"])
    assert written == ["a\nb\n", "\x1b[2F\x1b[Jc\n", "\x1b[1F\x1b[JA robot came.\n", "d\n"]


def test_a_robot_s_name_cannot_contain_terminal_codes() -> None:
    assert plain_name("\x1b[2Jarm\n1") == "_[2Jarm_1".replace("[", "_")
    assert plain_name("") == "robot"


def test_quantiles_of_nothing_are_none() -> None:
    assert (quantile([], 0.5), quantile([1.0], 0.99)) == (None, 1.0)


def test_without_its_libraries_the_server_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "uvicorn" else True)
    assert main(["serve", "rt1-mini"]) == 2
    assert "The policy server needs uvicorn: pip install 'rt_vla_ros[serve]'." in capsys.readouterr().err


def test_without_websockets_a_remote_policy_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['websockets'] = None\n"
        "from rt_vla_ros.cli.main import main; sys.exit(main(['evaluate', '--policy', 'remote:localhost']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs websockets: pip install 'rt_vla_ros[remote]'" in done.stderr
    assert "Traceback" not in done.stderr
