"""Message packages created on import: `from sensor_msgs.msg import Image` without ROS 2's generated code.

`install()` puts a finder at the front of `sys.meta_path`, so that a process never mixes these classes with those of
another source. A registered package that is a Python package is imported as usual; only its `msg`, `srv` and `action`
are created here.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from zenoh_ros import packages
from zenoh_ros.wire.messages import ActionClass, Message, ServiceClass, action_class, message_class, service_class
from zenoh_ros.wire.type_definition import is_action_service, owner
from zenoh_ros.wire.types import action_names, built_in_packages, message_names, service_names

_KINDS = ("msg", "srv", "action")
_Made = type[Message] | type[ServiceClass] | type[ActionClass]
_MAKERS: dict[str, Callable[[str], _Made]] = {"msg": message_class, "srv": service_class, "action": action_class}


def package_names() -> dict[str, dict[str, list[str]]]:
    """`{"std_srvs": {"msg": [], "srv": ["Empty", "SetBool", "Trigger"], "action": []}, ...}`."""
    names: dict[str, dict[str, list[str]]] = {}
    for full_name in message_names() + service_names() + action_names():
        package, kind, name = full_name.split("/")
        names.setdefault(package, {kind: [] for kind in _KINDS})[kind].append(name)
    return names


class MessagePackages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads `package` and its `msg`, `srv` and `action`, for all known message packages."""

    def __init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Lists the packages now, not at the first import, because this itself imports modules."""
        self._packages = package_names()
        self._own = built_in_packages()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for a message package or its msg, srv or action module; None leaves the name to other finders."""
        package, _, kind = fullname.partition(".")
        own = packages.find(package)
        is_root = not kind and (own is None or not own.is_python) and not self._is_elsewhere(package)
        if package not in self._packages or not (is_root or (kind in _KINDS and self._packages[package][kind])):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="zenoh_ros.wire", is_package=True)

    def _is_elsewhere(self, package: str) -> bool:
        """Whether a package on AMENT_PREFIX_PATH has its own Python code besides its messages."""
        return package not in self._own and importlib.machinery.PathFinder.find_spec(package) is not None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Use the default module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its lazily created classes."""
        package, _, kind = module.__name__.partition(".")
        if not kind:
            return
        names = self._packages[package][kind]
        module.__dict__["__all__"] = names
        module.__dict__["__getattr__"] = _class_maker(module, package, kind, names)
        module.__dict__["__dir__"] = lambda: sorted({*module.__dict__, *names})


def _class_maker(module: ModuleType, package: str, kind: str, names: list[str]) -> Callable[[str], Any]:
    def make(name: str) -> _Made:
        full_name = f"{package}/{kind}/{name}"
        made: _Made
        if name in names:
            made = _MAKERS[kind](full_name)
        elif owner(full_name).rpartition("/")[2] in names:
            made = service_class(full_name) if is_action_service(full_name) else message_class(full_name)
        else:
            raise AttributeError(f"module {module.__name__!r} has no type {name!r}; it has {', '.join(names)}")
        setattr(module, name, made)
        return made

    return make


def install() -> None:
    """Make the message packages importable; call it again for packages registered later."""
    present = next((finder for finder in sys.meta_path if isinstance(finder, MessagePackages)), None)
    if present is not None:
        present.refresh()
    else:
        sys.meta_path.insert(0, MessagePackages())
