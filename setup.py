"""For pip, in addition to pyproject.toml: adds the files of the ROS 2 package to the wheel, under share/rt_vla_ros."""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
SHARE = "share/rt_vla_ros"
CONFIG = sorted(f"config/{one.name}" for one in (HERE / "config").iterdir() if one.is_dir())
FOLDERS = ("msg", "srv", "action", "launch", "config", *CONFIG)


def files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(HERE)) for path in (HERE / folder).glob("*.*") if path.is_file())


setup(
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/rt_vla_ros"]),
        (SHARE, ["package.xml"]),
        *((f"{SHARE}/{folder}", files(folder)) for folder in FOLDERS),
    ]
)
