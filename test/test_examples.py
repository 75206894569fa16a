"""The examples fit the package: what they name is there."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from rt_vla_ros import ros
from zenoh_ros.wire import types

ROOT = Path(__file__).resolve().parents[1]
ACTION = "rt_vla_ros/action/ExecuteInstruction"
BUILT_IN = {"Sequence"}  # of BehaviorTree.CPP; nothing that tries again, which would take back a stop


def fields(part: str) -> set[str]:
    ros.register()
    return {field.name for field in types.definition(f"{ACTION}_{part}").fields}


def test_the_behavior_tree_uses_nodes_and_ports_that_there_are() -> None:
    root = ElementTree.parse(ROOT / "examples" / "behavior_tree.xml").getroot()
    assert root.get("BTCPP_format") == "4"
    trees = {tree.get("ID"): tree for tree in root.findall("BehaviorTree")}
    assert root.get("main_tree_to_execute") in trees
    models = {model.get("ID"): {port.get("name") for port in model} for model in root.findall("TreeNodesModel/*")}
    used = [node for tree in trees.values() for node in tree.iter() if node is not tree]
    assert {node.tag for node in used} == BUILT_IN | set(models)
    for node in used:
        if node.tag in models:
            assert set(node.attrib) <= models[node.tag]
            assert float(node.attrib["time_limit"]) > 0


def test_the_node_of_the_behavior_tree_is_a_client_of_the_action() -> None:
    root = ElementTree.parse(ROOT / "examples" / "behavior_tree.xml").getroot()
    (model,) = root.findall("TreeNodesModel/Action")
    inputs = {port.get("name"): port.get("default") for port in model.findall("input_port")}
    assert inputs.pop("action_name") == "/policy_node/execute"
    assert set(inputs) == fields("Goal")
    assert {port.get("name") for port in model.findall("output_port")} <= fields("Result")
