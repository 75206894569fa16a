"""Service definitions and default values that are missing in rosbags' type store of ROS 2 Jazzy.

Copied from common_interfaces and rcl_interfaces (branch jazzy), without comments.
"""

from __future__ import annotations

# Fields whose default is not zero, "" or an empty sequence.
FIELD_DEFAULTS: dict[str, dict[str, float | int | bool]] = {
    "geometry_msgs/msg/Quaternion": {"w": 1.0},
    "sensor_msgs/msg/NavSatStatus": {"status": -2},
    "type_description_interfaces/srv/GetTypeDescription_Request": {"include_type_sources": True},
}

SERVICES: dict[str, str] = {
    "std_srvs/srv/Empty": "---\n",
    "std_srvs/srv/SetBool": "bool data\n---\nbool success\nstring message\n",
    "std_srvs/srv/Trigger": "---\nbool success\nstring message\n",
    "action_msgs/srv/CancelGoal": (
        "GoalInfo goal_info\n---\nint8 ERROR_NONE=0\nint8 ERROR_REJECTED=1\nint8 ERROR_UNKNOWN_GOAL_ID=2\n"
        "int8 ERROR_GOAL_TERMINATED=3\nint8 return_code\nGoalInfo[] goals_canceling\n"
    ),
    "rcl_interfaces/srv/DescribeParameters": "string[] names\n---\nParameterDescriptor[] descriptors\n",
    "rcl_interfaces/srv/GetLoggerLevels": "string[] names\n---\nLoggerLevel[] levels\n",
    "rcl_interfaces/srv/GetParameterTypes": "string[] names\n---\nuint8[] types\n",
    "rcl_interfaces/srv/GetParameters": "string[] names\n---\nParameterValue[] values\n",
    "rcl_interfaces/srv/ListParameters": (
        "uint64 DEPTH_RECURSIVE=0\nstring[] prefixes\nuint64 depth\n---\nListParametersResult result\n"
    ),
    "rcl_interfaces/srv/SetLoggerLevels": "LoggerLevel[] levels\n---\nSetLoggerLevelsResult[] results\n",
    "rcl_interfaces/srv/SetParameters": "Parameter[] parameters\n---\nSetParametersResult[] results\n",
    "rcl_interfaces/srv/SetParametersAtomically": "Parameter[] parameters\n---\nSetParametersResult result\n",
    "type_description_interfaces/srv/GetTypeDescription": (
        "string type_name\nstring type_hash\nbool include_type_sources true\n---\nbool successful\n"
        "string failure_reason\nTypeDescription type_description\nTypeSource[] type_sources\n"
        "KeyValue[] extra_information\n"
    ),
    "diagnostic_msgs/srv/AddDiagnostics": "string load_namespace\n---\nbool success\nstring message\n",
    "diagnostic_msgs/srv/SelfTest": "---\nstring id\nbyte passed\nDiagnosticStatus[] status\n",
    "nav_msgs/srv/GetMap": "---\nOccupancyGrid map\n",
    "nav_msgs/srv/GetPlan": (
        "geometry_msgs/PoseStamped start\ngeometry_msgs/PoseStamped goal\nfloat32 tolerance\n---\nPath plan\n"
    ),
    "nav_msgs/srv/SetMap": (
        "nav_msgs/OccupancyGrid map\ngeometry_msgs/PoseWithCovarianceStamped initial_pose\n---\nbool success\n"
    ),
    "sensor_msgs/srv/SetCameraInfo": ("sensor_msgs/CameraInfo camera_info\n---\nbool success\nstring status_message\n"),
    "example_interfaces/srv/AddTwoInts": "int64 a\nint64 b\n---\nint64 sum\n",
    "lifecycle_msgs/srv/ChangeState": "Transition transition\n---\nbool success\n",
    "lifecycle_msgs/srv/GetAvailableStates": "---\nState[] available_states\n",
    "lifecycle_msgs/srv/GetAvailableTransitions": "---\nTransitionDescription[] available_transitions\n",
    "lifecycle_msgs/srv/GetState": "---\nState current_state\n",
    "visualization_msgs/srv/GetInteractiveMarkers": "---\nuint64 sequence_number\nInteractiveMarker[] markers\n",
}
