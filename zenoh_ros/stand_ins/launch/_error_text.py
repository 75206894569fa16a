"""Messages for errors in launch files."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

_STAND_INS = {path.name for path in Path(__file__).resolve().parents[1].iterdir() if path.is_dir()}
_NEVER_HERE = ("launch_xml", "launch_yaml", "launch_testing", "composition_interfaces", "lifecycle_msgs")
_NAME = re.compile(r"(?:cannot import name|has no attribute) '(\w+)'")


def error_text(error: BaseException) -> str:
    """A message for an error in a launch file; includes the exception class if the text alone may be unclear."""
    if isinstance(error, (ImportError, AttributeError)):
        return _missing(error) or f"{type(error).__name__}: {error}"
    if isinstance(error, (RuntimeError, OSError, ValueError, TypeError)) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _missing(error: ImportError | AttributeError) -> str | None:
    """Describes what is missing in a module that is absent or only partly implemented."""
    if isinstance(error, ImportError):
        module = error.name or ""
    else:
        module = error.obj.__name__ if isinstance(error.obj, ModuleType) else ""
    package = module.partition(".")[0]
    wanted = _NAME.search(str(error))
    if package in _NEVER_HERE or package in _STAND_INS:
        what = f"{module}.{wanted[1]}" if wanted else module
        instead = ", or start each as a Node" if "Composable" in what or "Lifecycle" in what else ""
        return f"{what} is not part of the embedded ROS runtime: source a real ROS 2{instead}"
    if isinstance(error, ModuleNotFoundError):
        return f"the Python module '{module}' is not installed"
    return None
