"""ROS parameter files, validated by the nodes' own checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rt_vla_ros import ros
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS
from rt_vla_ros.nodes.given_arguments import Given, lost_sections, lost_to_others, read_parameter_file
from rt_vla_ros.nodes.parameter_tables import OPTIONAL_TABLES
from rt_vla_ros.nodes.parameters import LostSetting, Parameter, check_value, lost_name, owners_of
from rt_vla_ros.nodes.policy_parameters import POLICY_PARAMETERS
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.os_error import in_words

POLICY, SMOOTHER, SIM_ARM = "policy_node", "smoother_node", "sim_arm_node"
SIM_TIME = "use_sim_time"
ROS_OWN = (SIM_TIME, "start_type_description_service")


@dataclass(frozen=True)
class NodeSetup:
    """A node as configured by files.

    full_name: with its namespace. values: of all its parameters; the default without a valid value.
    given: names with a valid value.
    """

    full_name: str
    values: Mapping[str, Any]
    given: frozenset[str]


@dataclass
class FileSetup:
    """All files together.

    nodes: by the nodes' own names; policy and smoother are always there. Of several robots it is the first one's.
    lost: each node's message about a name that no node has.
    """

    nodes: dict[str, NodeSetup] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    lost: dict[str, list[LostSetting]] = field(default_factory=dict)

    def problem(self, sentence: str) -> None:
        """Add a problem."""
        self.findings.append(Finding(False, sentence))

    def remark(self, sentence: str) -> None:
        """Add a remark."""
        self.findings.append(Finding(True, sentence))


def read_files(paths: Sequence[Path]) -> FileSetup:
    """The configuration that files give the nodes, in order."""
    setup, files = FileSetup(), dict[str, list[Given]]()
    usable = [path for path in paths if _read(path, setup, files)]
    given = [one for said in files.values() for one in said]
    tables: dict[str, Sequence[Parameter]] = {POLICY: POLICY_PARAMETERS, SMOOTHER: SMOOTHER_PARAMETERS}
    if any(one.node_name == SIM_ARM for one in given):
        try:
            from rt_vla_ros.nodes.sim_arm_node import SIM_ARM_PARAMETERS
        except (ImportError, OSError) as error:
            setup.problem(f"The section of {SIM_ARM} cannot be checked, and the node cannot start: {error}.")
        else:
            tables[SIM_ARM] = SIM_ARM_PARAMETERS
    tables |= {name: table for name, table in OPTIONAL_TABLES.items() if any(one.node_name == name for one in given)}
    names = {name: _full_names(name, given) for name in tables}
    _check_sections(setup, [full_name for full_names in names.values() for full_name in full_names], files)
    for name, full_names in names.items():
        for full_name in full_names:
            for lost in (*_lost_sections(full_name, tables, files), *lost_to_others(full_name, given)):
                setup.problem(lost.sentence)
            node = _check_values(setup, full_name, tables, _values(usable, full_name, given))
            setup.nodes.setdefault(name, node)
        if len(full_names) > 1:
            others = " and ".join(full_names[1:])
            setup.remark(f"{full_names[0]} is checked with the rest; check the sections of {others} separately.")
    for said_of in setup.lost.values():  # where several get it, the one that has a name like it; the others list theirs
        setup.problem(min(said_of, key=lambda one: (not one.fatal, len(one.sentence))).sentence)
    return setup


def _read(path: Path, setup: FileSetup, files: dict[str, list[Given]]) -> bool:
    """Whether it is a valid ROS parameter file."""
    if not path.is_file():
        setup.problem(f"{path}: there is no such file.")
        return False
    try:
        if ros.EMBEDDED_PATH.is_dir():
            from zenoh_ros.wire.parameter_file import read_file
            from zenoh_ros.wire.parameter_table import ParameterTable

            read_file(path, ParameterTable())
        files[str(path)] = read_parameter_file(path)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        words = in_words(error) if isinstance(error, OSError) else str(error)
        setup.problem(f"{path} is not a valid ROS parameter file; no node starts with it: {words}")
        return False
    return True


def _lost_sections(
    full_name: str, tables: Mapping[str, Sequence[Parameter]], files: Mapping[str, Sequence[Given]]
) -> Iterator[LostSetting]:
    name = full_name.rpartition("/")[2]
    elsewhere = {one.name for table in tables.values() for one in table} - {one.name for one in tables[name]}

    def has_parameter(key: str) -> bool:
        """For unknown names the message suggests similar ones, see _check_values."""
        return key not in elsewhere

    for source, said in files.items():
        yield from lost_sections(full_name, has_parameter, source, said)


def _full_names(name: str, given: Sequence[Given]) -> list[str]:
    """With the namespaces of the sections that name the node in full, one for each robot; wildcards fit anywhere."""
    sections = [one.section for one in given if one.node_name == name and "*" not in one.section]
    return list(dict.fromkeys(f"/{section.removeprefix('/')}" for section in sections)) or [f"/{name}"]


def _values(paths: Sequence[Path], full_name: str, given: Sequence[Given]) -> Mapping[str, Any]:
    """As in ROS, later sections win."""
    if ros.EMBEDDED_PATH.is_dir():
        from zenoh_ros.wire.parameter_file import read_file
        from zenoh_ros.wire.parameter_table import ParameterTable

        table = ParameterTable()
        for path in paths:
            read_file(path, table)
        return table.for_node(full_name)
    order = list(dict.fromkeys(one.section for one in given))
    fitting = sorted((one for one in given if one.fits(full_name)), key=lambda one: order.index(one.section))
    return {one.name: yaml.safe_load(one.value) for one in fitting}


def _check_sections(setup: FileSetup, full_names: Sequence[str], files: Mapping[str, Sequence[Given]]) -> None:
    for source, said in files.items():
        sections = list(dict.fromkeys(one.section for one in said))
        ours = {one.section for one in said for full_name in full_names if one.fits(full_name)}
        listed = ", ".join(section for section in sections if section not in ours)
        if not ours:
            expected = " or ".join(f"/**/{full_name.rpartition('/')[2]}" for full_name in full_names)
            setup.problem(f"{source}: no section is for a node of this package ({listed or 'none'}); use {expected}.")
        elif listed:
            setup.remark(f"{source}: {listed} is for none of {', '.join(full_names)}.")


def _check_values(
    setup: FileSetup, full_name: str, tables: Mapping[str, Sequence[Parameter]], found: Mapping[str, Any]
) -> NodeSetup:
    name = full_name.rpartition("/")[2]
    # ROS declares this one itself, in every node.
    table = {one.name: one for one in (*tables[name], Parameter(SIM_TIME, False, "Follow /clock."))}
    values, given = {one.name: one.default for one in table.values()}, set[str]()
    for key, value in found.items():
        if key in table:
            try:
                check_value(table[key], value)
            except StartError as error:
                setup.problem(f"{full_name} does not start: {error}")
            else:
                values[key] = list(value) if isinstance(value, list | tuple) else value
                given.add(key)
        elif (
            key not in ROS_OWN
            and not key.startswith("qos_overrides.")
            and not owners_of(key, {**OPTIONAL_TABLES, **tables})
        ):
            setup.lost.setdefault(key, []).append(lost_name(full_name, key, tables[name]))
    if given:
        setup.remark(f"{full_name}: {', '.join(sorted(given))} are valid.")
    return NodeSetup(full_name, values, frozenset(given))
