"""The console node's parameters."""

from __future__ import annotations

from rt_vla_ros.nodes.parameters import Parameter

CONSOLE_PARAMETERS = (
    Parameter("host", "localhost", "Address on which the page is served; any other than localhost demands a token."),
    Parameter("port", 8767, "Port on which the page is served; 0: any that is free.", low=0, high=65535),
    Parameter("host_names", [""], "Further names of this machine by which the page may be opened."),
    Parameter("token_file", "", "File with the token that the page demands; empty: none, on localhost only."),
    Parameter("certificate", "", "PEM file with the certificate for HTTPS; empty: HTTP."),
    Parameter("key", "", "PEM file with the certificate's key; empty: it is in the file of the certificate."),
    Parameter(
        "cameras",
        ["front"],
        "Names of the cameras: the first one's images come on `image`, those of any further one on `NAME_image`.",
    ),
    Parameter(
        "image_transport",
        "raw",
        "raw: sensor_msgs/Image; compressed: sensor_msgs/CompressedImage (JPEG, PNG) on the topic's /compressed.",
        choices=("raw", "compressed"),
    ),
    Parameter("picture_width", 640, "Larger pictures are scaled to this width [pixel].", low=64, high=1920),
    Parameter("picture_rate", 15.0, "Pictures per second of each camera, at most [Hz].", 0.5, 60.0),
    Parameter("jpeg_quality", 80, "Of the pictures.", low=20, high=95),
    Parameter("linear_speed", 0.1, "Of the tool at full deflection of the page's stick [m/s].", 0.001, 2.0),
    Parameter("angular_speed", 0.5, "The same of its rotation [rad/s].", 0.001, 6.0),
    Parameter("suggestions", [""], "Instructions that the page offers."),
    Parameter("smoother", "smoother_node", "Name of the smoother node; without a slash: in the console's namespace."),
    Parameter("policy", "policy_node", "The same of the policy node."),
    Parameter("recorder", "recorder_node", "The same of the recorder node."),
)
