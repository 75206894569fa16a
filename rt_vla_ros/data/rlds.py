"""Episodes of RLDS datasets (TFDS in TFRecord shards) as LeRobot v3.0; JPEG and PNG images are copied unchanged."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.assembly import DatasetAssembly, StoredEpisode
from rt_vla_ros.data.column_statistics import Statistics, column_statistics
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.episode_source import SAMPLES
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_info import check_features
from rt_vla_ros.data.lerobot_layout import ACTION, COUNTED, STATE, camera_column, names_of
from rt_vla_ros.data.lerobot_pictures import FORMATS
from rt_vla_ros.data.new_place import check_new
from rt_vla_ros.data.parquet import arrow
from rt_vla_ros.data.rlds_keys import RldsKeys, RldsPart
from rt_vla_ros.data.tfds import STEPS, TfdsDirectory, TfdsFeature
from rt_vla_ros.data.tfrecord import check_checksums, parse_example, read_records, values_of

PER_FILE = 50  # episodes that are written together, if their images are not too large
SOURCE = "source"
"""The origin of an episode: FILE#RECORD."""


@dataclass
class RldsSource:
    """The episodes of a directory. skip_unlabelled: skip those without an instruction and count them in `skipped`."""

    tfds: TfdsDirectory
    card: ActionCard
    keys: RldsKeys
    skip_unlabelled: bool = False
    skipped: int = 0

    def episodes(self, after: str = "") -> Iterator[StoredEpisode]:
        """Episodes of the split "train" first, starting after the one with the given SOURCE.

        One is in memory at a time. Raises DatasetError with file and record for damaged data, or data that contradicts
        the features.
        """
        check_checksums()
        shards = sorted(self.tfds.shards, key=lambda shard: shard.split != "train")
        name, _, number = after.rpartition("#")
        names = [shard.path.name for shard in shards]
        begin, skip = (names.index(name), int(number) + 1) if name in names else (0, 0)
        for shard in shards[begin:]:
            count = skip if shard is shards[begin] else 0
            for record, data in read_records(shard.path, count):
                count = record + 1
                where = f"{shard.path}, record {record}"
                try:
                    episode = self._episode(data, f"{shard.path.name}#{record}", shard.split)
                except (ValueError, TypeError, OverflowError) as error:
                    raise DatasetError(f"{where}: {error}") from error
                if episode is not None:
                    yield episode
            if shard.length is not None and count != shard.length:
                what = f"{count} episodes, expected {shard.length} (shardLengths in dataset_info.json)"
                raise DatasetError(f"{shard.path} has {what}; download it again.")

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """Features of the LeRobot dataset."""
        described: dict[str, dict[str, Any]] = {
            column: {"dtype": "float32", "shape": [len(names)], "names": names}
            for column, names in names_of(self.card).items()
        }
        for camera in self.card.cameras:
            shape = list(self.keys.images[camera.name].shape)
            names = ["height", "width", "channels"]
            described[camera_column(camera)] = {"dtype": "image", "shape": shape, "names": names}
        return described | COUNTED

    def _episode(self, data: memoryview, source: str, split: str) -> StoredEpisode | None:
        """None for a skipped episode without an instruction. Raises ValueError."""
        example, pa = parse_example(data), arrow()
        action = self._numbers(example, self.keys.action)
        count = len(action)
        sentences = self._sentences(example, count)
        if not all(sentences):
            if not self.skip_unlabelled:
                raise ValueError(
                    f"step {sentences.index('')} has no instruction. Use --skip-unlabelled to skip such episodes."
                )
            self.skipped += 1
            return None
        columns = {ACTION: _lists(action)}
        if self.keys.state:
            columns[STATE] = _lists(self._numbers(example, self.keys.state, count))
        statistics: dict[str, Statistics] = {}
        for camera in self.card.cameras:
            feature = self.keys.images[camera.name]
            pictures = [bytes(one) for one in _pieces(example, feature, count)]
            statistics[camera_column(camera)] = _checked_pictures(pictures, feature)
            cells = [{"bytes": picture, "path": None} for picture in pictures]
            columns[camera_column(camera)] = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
        columns["timestamp"] = pa.array((np.arange(count) / self.card.control_rate).astype(np.float32))
        facts: dict[str, Any] = {SOURCE: source}
        if self.keys.success is not None:
            facts["success"] = bool(_numbers(example, self.keys.success, None)[-1, 0] > 0)
        return StoredEpisode(
            table=pa.table(columns), sentences=tuple(sentences), facts=facts, statistics=statistics, split=split
        )

    def _numbers(
        self, example: Mapping[str, memoryview], parts: tuple[RldsPart, ...], count: int | None = None
    ) -> NDArray[np.float32]:
        """Values of all parts, (count, D)."""
        found = []
        for part in parts:
            values = _numbers(example, part.feature, count)
            count = len(values)
            if part.is_mode:
                if (np.sort(values, axis=1)[:, :-1] != 0).any() or (values.max(1) != 1).any():
                    raise ValueError(f"{part.feature.key} has {values[0].tolist()}, expected a one-hot vector.")
                values = values.argmax(1)[:, None]
            found.append(values.astype(np.float32))
        numbers = np.concatenate(found, axis=1)
        bad = ~np.isfinite(numbers).all(axis=1)
        if bad.any():
            raise ValueError(f"step {int(bad.argmax())} has {numbers[bad.argmax()].tolist()}, expected finite numbers.")
        return numbers

    def _sentences(self, example: Mapping[str, memoryview], count: int) -> list[str]:
        feature = self.keys.language
        in_steps = feature.key.startswith(STEPS)
        texts = [bytes(one).decode("utf-8").strip() for one in _pieces(example, feature, count if in_steps else 1)]
        return texts if in_steps else texts * count


def convert_rlds(source: RldsSource, out: Any, report: Callable[[str], None]) -> LeRobotDataset:
    """Write all episodes; an interrupted conversion is resumed. Raises DatasetError, ActionCardError, OSError."""
    check_new(out, [source.tfds.directory])
    rate = source.card.control_rate
    if not float(rate).is_integer():
        raise DatasetError(
            f"The card's control_rate is {rate} Hz; LeRobot datasets need a whole number of frames per second."
        )
    pa, tfds = arrow(), source.tfds
    about = {
        "from": str(tfds.directory.resolve()),
        "files": [[shard.path.name, shard.path.stat().st_size] for shard in tfds.shards],
        "card": source.card.to_dict(),
        "keys": repr(source.keys),
        "skip_unlabelled": source.skip_unlabelled,
    }
    kinds = {SOURCE: pa.string(), **({} if source.keys.success is None else {"success": pa.bool_()})}
    info = {"fps": int(rate), "robot_type": tfds.name, "features": source.features}
    check_features(tfds.directory, info, source.card)
    assembly = DatasetAssembly(out, source.card, info, about, facts=kinds, episodes_per_file=PER_FILE)
    done, total = assembly.episodes, sum(shard.length or 0 for shard in tfds.shards)
    if done:
        report(f"{assembly.directory} already has {done} episodes; resuming.")
    for episode in source.episodes(str(assembly.last.get(SOURCE, ""))):
        assembly.add(episode)
        done += 1
        report(f"{out}: episode {done}" + f" of {total}" * bool(total))
    return assembly.finish()


def _pieces(example: Mapping[str, memoryview], feature: TfdsFeature, count: int) -> list[memoryview]:
    values = values_of(example[feature.key]) if feature.key in example else []
    if not isinstance(values, list):
        raise ValueError(f"{feature.key} has numbers, expected {feature.kind}.")
    if len(values) != count:
        raise ValueError(f"{feature.key} has {len(values)} values for {count} steps.")
    return values


def _numbers(example: Mapping[str, memoryview], feature: TfdsFeature, count: int | None) -> NDArray[Any]:
    """(count, D); None: any number, at least one."""
    values: Any = values_of(example[feature.key]) if feature.key in example else []
    size = max(1, feature.size)
    if isinstance(values, list) and values:
        raise ValueError(f"{feature.key} has bytes, expected numbers.")
    steps, rest = divmod(len(values), size)
    if rest or not steps or (count is not None and steps != count):
        wanted = f"{size} for each of {count} steps" if count is not None else f"{size} for each step"
        raise ValueError(f"{feature.key} has {len(values)} numbers, expected {wanted}.")
    return np.asarray(values).reshape(steps, size)


def _lists(values: NDArray[np.float32]) -> Any:
    pa = arrow()
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _checked_pictures(pictures: list[bytes], feature: TfdsFeature) -> Statistics:
    """Formats of the images. Raises ValueError for one that is not an RGB JPEG or PNG of the feature's size."""
    height, width = feature.shape[:2]
    samples = {*np.unique(np.linspace(0, len(pictures) - 1, SAMPLES).round().astype(int)).tolist()}
    decoded = []
    for step, data in enumerate(pictures):
        where = f"{feature.key} at step {step}"
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.size != (width, height) or image.mode != "RGB":
                    found = f"{image.size[0]}x{image.size[1]} with the channels {image.mode}"
                    raise ValueError(f"{where} is {found}, expected {width}x{height} with RGB.")
                if step in samples:
                    decoded.append(np.asarray(image, np.uint8))
        except UnidentifiedImageError:
            what = "empty" if not data else "neither PNG nor JPEG"
            raise ValueError(f"{where} is {what}.") from None
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"{where} cannot be read: {error}.") from error
    return column_statistics(np.stack(decoded))
