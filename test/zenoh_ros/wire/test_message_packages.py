"""Message packages made on import, tried in a process of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.processes import ROOT

PROLOGUE = (
    "from pathlib import Path\nfrom zenoh_ros import packages\nfrom zenoh_ros.wire import message_packages\n"
    "message_packages.install()\npackages.register('rt_vla_ros', Path.cwd())\nmessage_packages.install()\n"
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROLOGUE + code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_usual_imports() -> None:
    code = (
        "from sensor_msgs.msg import Image, CompressedImage, JointState, CameraInfo\n"
        "from std_msgs.msg import String, Bool, Float64, Header\n"
        "from std_srvs.srv import Empty, SetBool, Trigger\n"
        "from geometry_msgs.msg import TwistStamped\n"
        "from diagnostic_msgs.msg import DiagnosticArray\n"
        "from tf2_msgs.msg import TFMessage\n"
        "from rosgraph_msgs.msg import Clock\n"
        "from builtin_interfaces.msg import Time\n"
        "from rcl_interfaces.srv import GetParameters, SetParametersAtomically\n"
        "from nav_msgs.msg import Odometry\n"
        "from trajectory_msgs.msg import JointTrajectory\n"
        "from visualization_msgs.msg import Marker\n"
        "from rt_vla_ros.msg import ActionChunk, ControllerStatus\n"
        "from rt_vla_ros.srv import ResetScene, TaskOutcome\n"
        "import sensor_msgs.msg, rt_vla_ros, rt_vla_ros.msg\n"
        "assert sensor_msgs.msg.Image is Image and rt_vla_ros.msg.ActionChunk is ActionChunk\n"
        "assert rt_vla_ros.__version__ and 'Image' in dir(sensor_msgs.msg)\n"
        "print(Trigger.Response(message='ok'), ResetScene.Request(seed=3))"
    )
    assert run(code) == (
        "std_srvs.srv.Trigger_Response(success=False, message='ok') "
        "rt_vla_ros.srv.ResetScene_Request(suite='', seed=3, instruction='')"
    )


def test_star_imports() -> None:
    assert run("from std_srvs.srv import *\nprint(SetBool.__name__, Empty.__name__)") == "SetBool Empty"


def test_request_classes_by_their_own_name() -> None:
    code = "from std_srvs.srv import SetBool_Request, SetBool\nprint(SetBool_Request is SetBool.Request)"
    assert run(code) == "True"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("from sensor_msgs.msg import Imag", "cannot import name 'Imag' from 'sensor_msgs.msg'"),
        ("import no_such_msgs.msg", "No module named 'no_such_msgs'"),
        ("import std_srvs.msg", "No module named 'std_srvs.msg'"),
    ],
)
def test_what_does_not_exist(code: str, sentence: str) -> None:
    wrapped = f"try:\n    {code}\nexcept ImportError as error:\n    print(error)"
    assert sentence in run(wrapped)
