"""Copies of other packages' definitions, for nodes that speak to what may not be installed here."""

from zenoh_ros.wire.messages import message_class, service_class
from zenoh_ros.wire.type_files import INTERFACES, type_files
from zenoh_ros.wire.types import definition


def test_a_definition_of_another_package_can_be_used_without_that_package():
    status = message_class("moveit_msgs/msg/ServoStatus")
    assert status(code=5).code == status.HALT_FOR_COLLISION  # type: ignore[attr-defined]
    assert service_class("moveit_msgs/srv/ServoCommandType").Request.TWIST == 1  # type: ignore[attr-defined]


def test_every_copy_can_be_read():
    copies = {name: file for name, file in type_files().items() if INTERFACES in file.parents}
    assert copies
    for name in copies:
        parts = {"msg": [""], "srv": ["_Request", "_Response"], "action": ["_Goal", "_Result", "_Feedback"]}
        for part in parts[name.split("/")[1]]:
            assert definition(name + part).name == name + part


def test_the_package_itself_counts_before_its_copy(tmp_path, monkeypatch):
    real = tmp_path / "share" / "moveit_msgs" / "msg" / "ServoStatus.msg"
    real.parent.mkdir(parents=True)
    real.write_text("int8 code\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert type_files()["moveit_msgs/msg/ServoStatus"] == real
