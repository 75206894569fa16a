"""A setup: its parameter files, checkpoints and graph, and mismatches among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rt_vla_ros import ros
from rt_vla_ros.cli.doctor.checkpoints import look_at_checkpoint
from rt_vla_ros.cli.doctor.finding import Finding
from zenoh_ros.commands.errors import CliError

if TYPE_CHECKING:
    from rt_vla_ros.action_space.card import ActionCard
    from rt_vla_ros.cli.doctor.parameter_files import FileSetup


def look_at_setup(
    params: Sequence[Path], checkpoints: Sequence[str], *, topics: bool, arm: bool = False
) -> Iterator[Finding]:
    """params: files as the nodes get them. checkpoints: names; none: the policy that the files name, if any does.

    topics: whether to check the running graph. arm: whether to check the real arm on it, too.
    Raises CliError where ROS is needed and cannot be imported.
    """
    files = _read(params) if params or topics else None
    if files is not None:
        yield from files.findings
    cards: list[ActionCard] = []
    options = files.nodes["policy_node"].values if files is not None else {}
    for name in checkpoints or ([options["policy"]] if params else []):
        look = look_at_checkpoint(name, options)
        yield from look.findings
        if look.card is not None:
            cards.append(look.card)
        if files is not None and params and look.card is not None:
            yield from _compare(files, look.card)
    if files is not None and "policy" in files.nodes["policy_node"].given and checkpoints:
        yield from _other_policy(options["policy"], checkpoints)
    if files is not None and topics:
        from rt_vla_ros.cli.doctor.topics import look_at_graph

        yield from look_at_graph(files.nodes["policy_node"], files.nodes["smoother_node"], cards[0] if cards else None)
    if files is not None and arm:
        from rt_vla_ros.cli.doctor.arm import look_at_arm

        yield from look_at_arm(files.nodes["smoother_node"].full_name)


def _read(params: Sequence[Path]) -> FileSetup:
    try:
        ros.ensure()
    except ImportError as error:
        raise CliError(str(error)) from error
    from rt_vla_ros.cli.doctor.contradictions import check_contradictions
    from rt_vla_ros.cli.doctor.parameter_files import read_files

    setup = read_files(params)
    check_contradictions(setup)
    return setup


def _compare(files: FileSetup, card: ActionCard) -> Iterator[Finding]:
    from rt_vla_ros.cli.doctor.together import compare

    return compare(card, files.nodes["policy_node"], files.nodes["smoother_node"])


def _other_policy(named: str, checkpoints: Sequence[str]) -> Iterator[Finding]:
    if named not in checkpoints:
        listed = " and ".join(checkpoints)
        yield Finding(
            False, f"The parameter 'policy' is {named!r}, so that is loaded, not {listed}. Change the parameter."
        )
