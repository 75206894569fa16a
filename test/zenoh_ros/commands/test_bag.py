"""`rt-vla bag`: what is in a bag, and playing it, in both kinds of storage."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from support.bags import LATCHED

from rt_vla_ros import ros

ros.ensure()


from rt_vla_ros.cli.main import main  # noqa: E402
from zenoh_ros.commands.bag_record import BagRecorder  # noqa: E402
from zenoh_ros.commands.errors import CliError  # noqa: E402
from zenoh_ros.commands.values import interface  # noqa: E402
from zenoh_ros.wire.qos import DurabilityPolicy, QosProfile  # noqa: E402
from zenoh_ros.wire.session import Session  # noqa: E402

START = 1_700_000_000_000_000_000  # [ns]
PUMP = "string name\nfloat64 pressure\n"


def write(path: Path, storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """Three words a tenth of a second apart on /word, one kept on /map, and one of a type that nobody else knows."""
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(PUMP, "pump_msgs/msg/Pump"))
    string, pump = store.types["std_msgs/msg/String"], store.types["pump_msgs/msg/Pump"]
    with Writer(path, version=9, storage_plugin=storage) as bag:
        word = bag.add_connection("/word", "std_msgs/msg/String", typestore=store)
        kept = bag.add_connection("/map", "std_msgs/msg/String", typestore=store, offered_qos_profiles=[LATCHED])
        pumps = bag.add_connection("/pump", "pump_msgs/msg/Pump", typestore=store)
        bag.write(kept, START, store.serialize_cdr(string("here"), "std_msgs/msg/String"))
        bag.write(pumps, START, store.serialize_cdr(pump("p1", 2.5), "pump_msgs/msg/Pump"))
        for place, text in enumerate(("one", "two", "three")):
            bag.write(word, START + place * 100_000_000, store.serialize_cdr(string(text), "std_msgs/msg/String"))
    return path


@pytest.fixture(params=[StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=["mcap", "sqlite3"])
def bag(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / "bag", request.param)


def test_a_bag_is_described(bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bag", "info", str(bag)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (file,) = bag.glob("bag*")
    assert lines[0] == f"Files:             {file.name}"
    assert lines[2] == f"Storage id:        {'mcap' if file.suffix == '.mcap' else 'sqlite3'}"
    assert lines[4] == "Duration:          0.200000001s" or lines[4] == "Duration:          0.200000000s"
    assert lines[5].endswith("(1700000000.000000000)")
    assert lines[7:] == [
        "Messages:          5",
        "Topic information: Topic: /map | Type: std_msgs/msg/String | Count: 1 | Serialization Format: cdr",
        "                   Topic: /pump | Type: pump_msgs/msg/Pump | Count: 1 | Serialization Format: cdr",
        "                   Topic: /word | Type: std_msgs/msg/String | Count: 3 | Serialization Format: cdr",
    ]
    assert main(["bag", "info", str(file)]) == 0
    assert "Messages:          5" in capsys.readouterr().out


class Listener:
    """Hears what is played, on the graph of this process's environment."""

    def __init__(self) -> None:
        self.session = Session.open()
        self.node = self.session.create_node("listener")
        self.heard: list[tuple[str, Any, int]] = []
        self._subscriptions: list[Any] = []

    def listen(self, topic: str, name: str, **qos: Any) -> None:
        def take() -> None:
            message, info = subscription.take()
            self.heard.append((topic, message, info.source_time_ns))

        subscription = self.node.create_subscription(
            topic, interface(name, "msg"), QosProfile(depth=10, **qos), on_data=lambda: take()
        )
        self._subscriptions.append(subscription)

    def words(self, topic: str) -> list[str]:
        return [message.data for heard, message, _ in self.heard if heard == topic]


@pytest.fixture
def listener(ros_graph: Any) -> Iterator[Listener]:
    made = Listener()
    yield made
    made.session.close()


def test_a_bag_is_played_in_its_pace(bag: Path, listener: Listener, capfd: Any) -> None:
    listener.listen("/word", "std_msgs/msg/String")
    listener.listen("/map", "std_msgs/msg/String", durability=DurabilityPolicy.TRANSIENT_LOCAL)
    listener.listen("/clock", "rosgraph_msgs/msg/Clock")
    assert main(["bag", "play", str(bag), "--rate", "2", "--clock", "200"]) == 0
    assert listener.words("/word") == ["one", "two", "three"]
    assert listener.words("/map") == ["here"]
    times = [at for topic, _, at in listener.heard if topic == "/word"]
    assert times[-1] - times[0] >= 50_000_000, "of 100 ms, where the first one was heard late"
    clock = [
        message.clock.sec * 10**9 + message.clock.nanosec for topic, message, _ in listener.heard if topic == "/clock"
    ]
    assert len(clock) >= 3
    assert clock == sorted(clock)
    assert clock[0] >= START
    assert clock[-1] <= START + 200_000_000
    assert capfd.readouterr().err == ""


def test_what_is_played_can_be_chosen(tmp_path: Path, listener: Listener) -> None:
    bag = write(tmp_path / "bag")
    listener.listen("/said", "std_msgs/msg/String")
    listener.listen("/map", "std_msgs/msg/String")
    options = [
        "--topics",
        "/word",
        "map",
        "--exclude-topics",
        "/map",
        "--remap",
        "word:=/said",
        "--start-offset",
        "0.05",
    ]
    assert main(["bag", "play", str(bag), *options, "--playback-duration", "0.1"]) == 0
    assert (listener.words("/said"), listener.words("/map")) == (["two"], [])


def test_a_type_that_only_the_bag_knows_is_played(tmp_path: Path, listener: Listener) -> None:
    bag = write(tmp_path / "bag")
    assert main(["bag", "play", str(bag), "--topics", "/pump"]) == 0
    from zenoh_ros.wire.messages import message_class

    assert message_class("pump_msgs/msg/Pump")(name="p1", pressure=2.5).pressure == 2.5


def test_a_type_of_another_shape_is_left_out(tmp_path: Path, ros_graph: Any, capfd: Any) -> None:
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg("string text\n", "std_msgs/msg/String"))
    with Writer(tmp_path / "bag", version=9) as bag:
        bag.add_connection("/old", "std_msgs/msg/String", typestore=store)
    assert main(["bag", "play", str(tmp_path / "bag")]) == 1
    assert (
        "/old is skipped: it was recorded with a different definition of std_msgs/msg/String"
    ) in capfd.readouterr().err


@pytest.mark.parametrize(
    ("make", "arguments", "sentence"),
    [
        (lambda path: None, ["info"], "is not a readable bag: File"),
        (lambda path: path.mkdir(), ["info"], "is not a readable bag: Expected metadata file"),
        (lambda path: (path.mkdir(), (path / "metadata.yaml").write_text("[")), ["info"], "is not a readable bag"),
        (write, ["play", "--topics", "/wrod"], "no topic '/wrod' in the bag. Did you mean '/word'?"),
        (write, ["play", "--remap", "word=x"], "invalid remapping 'word=x', expected OLD:=NEW"),
        (write, ["play", "--rate", "0"], "expected a number above 0, got '0'"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, ros_graph: Any, capfd: Any, make: Callable[[Path], Any], arguments: list[str], sentence: str
) -> None:
    make(tmp_path / "bag")
    verb, *options = arguments
    assert main(["bag", verb, str(tmp_path / "bag"), *options]) == 2
    assert sentence in capfd.readouterr().err


@pytest.mark.parametrize("name", ["x.mcap", "x.db3", "x.bag"])
def test_a_file_that_is_no_bag_is_said(tmp_path: Path, name: str, capfd: Any) -> None:
    (tmp_path / name).write_bytes(b"no bag")
    assert main(["bag", "info", str(tmp_path / name)]) == 2
    assert "is not a readable bag" in capfd.readouterr().err


def test_what_is_recorded_is_what_was_published(tmp_path: Path, ros_graph: Any, capfd: Any) -> None:
    node = Session.open().create_node("talker")
    word, twist = interface("std_msgs/msg/String", "msg"), interface("geometry_msgs/msg/TwistStamped", "msg")
    kept = node.create_publisher("/map", word, QosProfile(durability=DurabilityPolicy.TRANSIENT_LOCAL))
    kept.publish(word(data="here"))
    ended = threading.Event()

    def talk() -> None:
        """Until the recorder, which asks for SIGINT, has heard some of it."""
        words, heard = node.create_publisher("/word", twist, QosProfile()), 0
        for number in range(6000):
            message = twist()
            message.header.frame_id, message.twist.linear.x = f"frame{number}", float(number)
            words.publish(message)
            now_heard = bool(words.subscription_count and kept.subscription_count)
            heard += now_heard
            if now_heard and heard == 100:  # once: a second one would not let the recorder finish
                signal.raise_signal(signal.SIGINT)
            if ended.wait(0.01):
                return

    thread = threading.Thread(target=talk)
    thread.start()
    bag = tmp_path / "bag"
    try:
        assert main(["bag", "record", "-o", str(bag), "/word", "/map", "/nothing"]) == 0
    finally:
        ended.set()
        thread.join()
    out, err = capfd.readouterr()
    assert f"Recording to {bag}; press Ctrl-C to stop." in out
    assert "messages of 2 topics in" in out
    assert "No messages on /nothing." in err
    with AnyReader([bag]) as reader:
        read = [(one.topic, reader.deserialize(data, one.msgtype)) for one, _, data in reader.messages()]
        durability = {one.topic: one.ext.offered_qos_profiles[0].durability for one in reader.connections}
    twists = [message for topic, message in read if topic == "/word"]
    numbers = [message.twist.linear.x for message in twists]
    assert len(numbers) > 20
    assert numbers == [numbers[0] + at for at in range(len(numbers))]
    assert [message.header.frame_id for message in twists] == [f"frame{number:.0f}" for number in numbers]
    assert [message.data for topic, message in read if topic == "/map"] == ["here"]
    assert durability == {"/map": QosDurability.TRANSIENT_LOCAL, "/word": QosDurability.VOLATILE}


def test_a_bag_that_cannot_be_recorded_is_said(tmp_path: Path, ros_graph: Any, capfd: Any) -> None:
    for words in ([], ["--all", "/word"]):
        assert main(["bag", "record", "-o", str(tmp_path / "new"), *words]) == 2
        assert "give the topics to record, or --all" in capfd.readouterr().err
    assert main(["bag", "record", "-o", str(tmp_path), "/word"]) == 2
    assert "cannot create a bag there" in capfd.readouterr().err


def test_a_full_disk_ends_a_bag_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    recorder = BagRecorder(cast("Any", None), tmp_path / "bag", ["/word"])
    with recorder as bag:
        connection = bag._bag.add_connection("/word", "std_msgs/msg/String", msgdef="string data", rihs01="RIHS01_0")
        bag.counts["/word"] = 0
        monkeypatch.setattr(bag._bag, "write", fail)
        with pytest.raises(CliError, match=r"cannot be written \(OSError: .*No space left on device\); it holds"):
            bag._writes("/word", connection)(b"")
