"""`ament_index_python` without ROS 2: finds this project's files, and packages on AMENT_PREFIX_PATH."""

from .packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
    get_package_share_path,
    get_packages_with_prefixes,
    get_search_paths,
)

__all__ = [
    "PackageNotFoundError",
    "get_package_prefix",
    "get_package_share_directory",
    "get_package_share_path",
    "get_packages_with_prefixes",
    "get_search_paths",
]
