"""Run a policy on a server: start `rt-vla serve`, connect a client, act.

    .venv/bin/python examples/serve.py
    .venv/bin/python examples/serve.py --address gpu-box:8790       # a running server

A remote policy is used like a local one, with the same three calls. Prints each action and the time spent on the
network, in the queue and in the model. Nodes do the same with `policy:=remote:HOST` (docs/serving.md).
"""

import argparse
import subprocess
import sys

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.sim import TabletopSim, make_scene

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--address", help="HOST:PORT of a server; default: one is started, for this machine only")
address, server = parser.parse_args().address, None

if address is None:
    command = [sys.executable, "-m", "rt_vla_ros.cli", "serve", "rt1-mini", "--port", "0"]  # 0: any free port
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        print(f"server: {line}", end="")
        if address := line.partition("policy:=remote:")[2].split(" ")[0].rstrip("."):
            break
    else:
        sys.exit("The server did not start.")

try:
    scene, sim = make_scene("pick-any", seed=3), TabletopSim()
    sim.reset(scene.layout)
    policy = load_policy(f"remote:{address}")
    policy.reset(scene.task.instruction)
    for decision in range(5):
        chunk = policy.act(Observation({"front": sim.render("front")}, stamp=decision * policy.card.period))
        times = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in policy.parts_of_latency.items())
        print(f"{chunk.steps[0].translation.round(3)} m, confidence {chunk.confidence:.0%} ({times})")
finally:
    if server is not None:
        server.terminate()
        server.wait()
