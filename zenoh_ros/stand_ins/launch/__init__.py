"""`launch` for Python launch files without ROS 2: the names and signatures of the real package.

Reference: https://github.com/ros2/launch (Apache-2.0). XML and YAML launch files and log files are not supported.
Intentional differences: signals are sent to each process's group; SIGTERM to the launch shuts down in order; processes
are killed if the launch is killed; PythonExpression accepts only expressions; actions that start later keep the scope
in which they were written; an argument that an included file does not use is reported.
"""

from . import actions, conditions, event_handlers, events, launch_description_sources, logging, substitutions, utilities
from .action import Action
from .condition import Condition
from .event import Event
from .event_handler import BaseEventHandler, EventHandler
from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity, SomeEntitiesType
from .launch_description_source import LaunchDescriptionSource
from .launch_introspector import LaunchIntrospector
from .launch_service import LaunchService
from .substitution import SomeSubstitutionsType, Substitution

__all__ = [
    "Action",
    "BaseEventHandler",
    "Condition",
    "Event",
    "EventHandler",
    "LaunchContext",
    "LaunchDescription",
    "LaunchDescriptionEntity",
    "LaunchDescriptionSource",
    "LaunchIntrospector",
    "LaunchService",
    "SomeEntitiesType",
    "SomeSubstitutionsType",
    "Substitution",
    "actions",
    "conditions",
    "event_handlers",
    "events",
    "launch_description_sources",
    "logging",
    "substitutions",
    "utilities",
]
