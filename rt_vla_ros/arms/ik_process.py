"""The process of the inverse kinematics, see solver_loop."""

from __future__ import annotations

from rt_vla_ros.arms.ik_protocol import IkRequest, IkSetup
from rt_vla_ros.arms.solver_loop import Answering, answer_requests

REMEDY = (
    "Install the solver there with pip install pin pin-pink daqp, or set the parameter solver_python to a Python that "
    "has it"
)


def main() -> None:
    """Answers until the input ends."""
    answer_requests(_set_up, REMEDY)


def _set_up(payload: bytes) -> tuple[Answering, str]:
    import numpy
    import pink
    import pinocchio

    from rt_vla_ros.arms.differential_ik import DifferentialIk

    setup = IkSetup.from_bytes(payload)
    solver, joints = DifferentialIk(setup), len(setup.joints)
    about = f"pinocchio {pinocchio.__version__}, pink {pink.__version__}, numpy {numpy.__version__}"
    return lambda request: solver.solve(IkRequest.from_bytes(request, joints)).to_bytes(), about
