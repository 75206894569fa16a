"""The simulated arm in MuJoCo: a Franka Panda at a table, tasks, a scripted expert and a success judge."""

from rt_vla_ros.sim.judge import Outcome, settle
from rt_vla_ros.sim.objects import Appearance, PlacedObject, SceneLayout
from rt_vla_ros.sim.scenes import Scene, Task, make_scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.suites import SUITES, Suite
from rt_vla_ros.sim.tabletop_sim import TabletopSim

__all__ = ["SUITES", "Appearance", "Outcome", "PlacedObject", "Scene", "SceneLayout", "ScriptedExpert", "Suite"]
__all__ += ["TabletopSim", "Task", "make_scene", "settle"]
