"""The console node's parameters."""

from __future__ import annotations

from rt_vla_ros.nodes.parameters import Parameter

CONSOLE_PARAMETERS = (
    Parameter("host", "localhost", "Address on which the page is served; any other than localhost requires a token."),
    Parameter("port", 8767, "Port on which the page is served; 0: any free port.", low=0, high=65535),
    Parameter("host_names", [""], "Additional host names under which the page may be opened."),
    Parameter("token_file", "", "File with the token that the page requires; empty: no token, on localhost only."),
    Parameter("certificate", "", "PEM file with the certificate for HTTPS; empty: HTTP."),
    Parameter("key", "", "PEM file with the certificate's key; empty: it is in the certificate file."),
    Parameter(
        "cameras",
        ["front"],
        "Camera names. The first camera is on the topic `image`, each other on `NAME_image`.",
    ),
    Parameter(
        "image_transport",
        "raw",
        "raw: sensor_msgs/Image; compressed: sensor_msgs/CompressedImage (JPEG, PNG) on the topic's /compressed.",
        choices=("raw", "compressed"),
    ),
    Parameter("picture_width", 640, "Larger pictures are scaled to this width [pixel].", low=64, high=1920),
    Parameter("picture_rate", 15.0, "Maximum picture rate of each camera [Hz].", 0.5, 60.0),
    Parameter("jpeg_quality", 80, "JPEG quality of the pictures.", low=20, high=95),
    Parameter("linear_speed", 0.1, "Speed of the tool at full deflection of the page's stick [m/s].", 0.001, 2.0),
    Parameter("angular_speed", 0.5, "Angular speed of the tool at full deflection [rad/s].", 0.001, 6.0),
    Parameter("suggestions", [""], "Instructions that the page suggests first."),
    Parameter("smoother", "smoother_node", "Name of the smoother node; without a slash: in the console's namespace."),
    Parameter("policy", "policy_node", "Name of the policy node, resolved like `smoother`."),
    Parameter("recorder", "recorder_node", "Name of the recorder node, resolved like `smoother`."),
)
