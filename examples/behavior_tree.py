"""Run instructions from a behavior tree (py_trees): each leaf sends a goal to the policy node's action `~/execute`.

    .venv/bin/python examples/behavior_tree.py
    python3 examples/behavior_tree.py --running "pick up the cup" "put the cup on the tray"    # on your own graph

Without --running it starts the simulated arm on a private ROS graph. Prints the tree whenever a leaf changes. A failed
leaf ends the tree: a retry could undo a stop by a human. An interrupted leaf cancels its goal, and the arm brakes.
behavior_tree.xml is an example for BehaviorTree.CPP.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

import py_trees
from py_trees.common import Status

from rt_vla_ros import ros
from rt_vla_ros.live.private_graph import PrivateGraph

ros.ensure()  # the ROS 2 sourced in this shell, or else the embedded runtime

import rclpy  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rt_vla_ros.action import ExecuteInstruction  # noqa: E402


class Ready(py_trees.behaviour.Behaviour):
    """Running until policy node and smoother are available."""

    def __init__(self, node, client):
        super().__init__("policy node and smoother are available")
        self.node, self.client = node, client

    def update(self):
        available = self.client.server_is_ready() and self.node.count_publishers("controller_status")
        return Status.SUCCESS if available else Status.RUNNING


class Instruct(py_trees.behaviour.Behaviour):
    """Running while the arm moves; then the goal's outcome and sentence."""

    def __init__(self, instruction, client):
        super().__init__(instruction)
        self.client, self.sent, self.ended = client, None, None

    def initialise(self):
        goal = ExecuteInstruction.Goal(instruction=self.name)
        goal.time_limit.sec = 30
        self.sent, self.ended = self.client.send_goal_async(goal), None

    def update(self):
        if self.sent.done() and not self.sent.result().accepted:
            self.feedback_message = "refused; the policy node's log says why"
            return Status.FAILURE
        if self.sent.done() and self.ended is None:
            self.ended = self.sent.result().get_result_async()
        if self.ended is None or not self.ended.done():
            return Status.RUNNING
        result = self.ended.result().result
        self.feedback_message = result.sentence
        return Status.SUCCESS if result.outcome == result.SUCCEEDED else Status.FAILURE

    def terminate(self, new_status):
        if new_status == Status.INVALID and self.ended is not None:
            self.sent.result().cancel_goal_async()


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("instructions", nargs="*", default=["pick the yellow cylinder up"])
parser.add_argument("--running", action="store_true", help="use the policy node that is running on this shell's graph")
args = parser.parse_args()

with ExitStack() as stack:
    if not args.running:
        graph = stack.enter_context(PrivateGraph())
        log = Path("runs/behavior_tree.log")
        log.parent.mkdir(exist_ok=True)
        scene = ("suite:=pick-any", "seed:=3", "lock_step:=true")  # in simulated time
        graph.start("rt_vla_ros.cli", "launch", "policy.launch.py", *scene, log=log)
    rclpy.init()
    node = rclpy.create_node("behavior_tree")
    client = ActionClient(node, ExecuteInstruction, "policy_node/execute")
    ready = py_trees.decorators.Timeout("within a minute", Ready(node, client), duration=60.0)
    leaves = [Instruct(words, client) for words in args.instructions]
    tree = py_trees.composites.Sequence("carry out", memory=True, children=[ready, *leaves])
    shown = None
    while tree.status not in (Status.SUCCESS, Status.FAILURE):
        tree.tick_once()
        statuses = [one.status for one in tree.iterate()]
        if statuses != shown:
            print(py_trees.display.unicode_tree(tree, show_status=True))
        shown = statuses
        rclpy.spin_once(node, timeout_sec=0.05)
    rclpy.shutdown()
