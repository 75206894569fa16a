"""Reading what the real TensorFlow, Flax and Orbax wrote, whole and damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.rt1_checkpoints import CHECKPOINTS, sha256_sums, tiny_flat

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.rt1.convert.sources.detect import read_source
from rt_vla_ros.policies.rt1.convert.sources.flax_msgpack import kept_collections
from rt_vla_ros.policies.rt1.convert.sources.orbax import read_orbax
from rt_vla_ros.policies.rt1.convert.sources.tensor_bundle import FOOTER, MAGIC, TRAILER
from rt_vla_ros.policies.rt1.convert.weight_names import FLAX, TENSORFLOW
from rt_vla_ros.protocol_buffers import masked_crc32c

NAMED = {
    "flax/checkpoint_900": ("Flax msgpack checkpoint", FLAX),
    "flax": ("Flax msgpack checkpoint", FLAX),
    "orbax_ocdbt": ("Orbax checkpoint", FLAX),
    "tensorflow/ckpt-1": ("TensorFlow checkpoint", TENSORFLOW),
    "tensorflow/ckpt-1.index": ("TensorFlow checkpoint", TENSORFLOW),
    "tensorflow/sharded": ("TensorFlow checkpoint", TENSORFLOW),
}


def test_the_fixtures_are_unchanged() -> None:
    listed = dict(line.split()[::-1] for line in (CHECKPOINTS / "SHA256SUMS").read_text().splitlines())
    assert listed == {name: digest for name, digest in sha256_sums().items() if "__pycache__" not in name}


@pytest.mark.parametrize("path", sorted(NAMED))
def test_every_array_is_read(path: str) -> None:
    source = read_source(CHECKPOINTS / path)
    assert (source.kind, source.flavour) == NAMED[path]
    wanted = tiny_flat(source.flavour)
    found = {name.removeprefix("agent/_actor_network/"): array for name, array in source.arrays.items()}
    assert found.keys() - wanted.keys() <= {"global_step", "save_counter"}
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_saved_models_variables_are_numbered() -> None:
    source = read_source(CHECKPOINTS / "savedmodel")
    assert source.numbered
    assert source.arrays["0"] == 900
    order = (CHECKPOINTS / "order_savedmodel.txt").read_text().split()
    wanted = tiny_flat(TENSORFLOW)
    for number, name in enumerate(order, start=1):
        np.testing.assert_array_equal(source.arrays[str(number)], wanted[name])


def test_orbax_without_its_database() -> None:
    (arrays, others), wanted = read_orbax(CHECKPOINTS / "orbax_zarr"), tiny_flat(FLAX)
    assert others == ()
    assert len(arrays) == 11
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, wanted[name])


def copied(path: str, to: Path) -> Path:
    place = to / "copy"
    whole = CHECKPOINTS / path
    if whole.is_dir():
        return Path(shutil.copytree(whole, place))
    shutil.copytree(whole.parent, place)
    return place / whole.name


@pytest.mark.parametrize("kept", [0, 10, 1000, -1])
def test_refuses_files_that_are_cut_short(kept: int, tmp_path: Path) -> None:
    for path, file in (
        ("flax/checkpoint_900", "checkpoint_900"),
        ("tensorflow/ckpt-1", "ckpt-1.index"),
        ("tensorflow/ckpt-1", "ckpt-1.data-00000-of-00001"),
    ):
        source = copied(path, tmp_path / f"{file}{kept}")
        cut = source.with_name(file)
        cut.write_bytes(cut.read_bytes()[:kept])
        with pytest.raises(CheckpointError, match=r"truncated|damaged"):
            read_source(source)


@pytest.mark.parametrize("file", ["ckpt-1.index", "ckpt-1.data-00000-of-00001"])
def test_refuses_a_flipped_bit(file: str, tmp_path: Path) -> None:
    source = copied("tensorflow/ckpt-1", tmp_path)
    broken = source.with_name(file)
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 4
    broken.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"checksum of .* is wrong"):
        read_source(source)


def test_refuses_an_orbax_database_that_is_cut_short(tmp_path: Path) -> None:
    source = copied("orbax_ocdbt", tmp_path)
    for file in (source / "ocdbt.process_0" / "d").iterdir():
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(CheckpointError, match=r"cannot be read as an Orbax checkpoint"):
        read_source(source)


def test_refuses_orbax_arrays_that_lost_a_chunk(tmp_path: Path) -> None:
    source = copied("orbax_zarr", tmp_path)
    (source / "params.Transformer_0.Dense_0.kernel" / "0.0").unlink()
    with pytest.raises(CheckpointError, match=r"cannot be read .*params\.Transformer_0\.Dense_0\.kernel/0\.0"):
        read_source(source)


def test_zero_chunks_omitted_by_older_orbax_are_zeros(tmp_path: Path) -> None:
    """In Zarr 3 alone; a checkpoint that says that it stores them must have them."""
    tensorstore = pytest.importorskip("tensorstore")
    at = {"driver": "file", "path": f"{tmp_path}/params.a/"}
    spec = {"driver": "zarr3", "kvstore": at, "metadata": {"shape": [4], "data_type": "float32"}, "create": True}
    tensorstore.open(spec).result()[...].write(np.zeros(4, np.float32)).result()
    arrays, _ = read_orbax(tmp_path)
    assert arrays["params/a"].tolist() == [0, 0, 0, 0]
    (tmp_path / "_METADATA").write_text('{"store_array_data_equal_to_fill_value": true}')
    with pytest.raises(CheckpointError, match="cannot be read as an Orbax checkpoint"):
        read_orbax(tmp_path)


def test_refuses_an_index_without_its_data(tmp_path: Path) -> None:
    source = copied("tensorflow/sharded", tmp_path)
    source.with_name("sharded.data-00001-of-00002").unlink()
    with pytest.raises(CheckpointError, match=r"lacks sharded.data-00001-of-00002 beside its index"):
        read_source(source)


@pytest.mark.parametrize("pieces", [{}, {"chunks": {}}, {"chunks": {"0": np.zeros(2)}}, {"chunks": 5}])
def test_refuses_a_flax_array_whose_pieces_are_missing(pieces: dict) -> None:
    array = {"__msgpack_chunked_array__": True, "shape": {"0": 3}, **pieces}
    with pytest.raises(CheckpointError, match="contains a chunked array with missing or mismatched chunks"):
        kept_collections({"params": {"a": array}}, Path("checkpoint_1"))


def sstable(*entries: tuple[bytes, bytes], index: int = 1) -> bytes:
    """A table as TensorFlow writes it: one block; index: how many times it is listed. Keys are not shortened."""

    def block(pairs: list[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(b"\0" + number(len(key)) + number(len(value)) + key + value for key, value in pairs)
        return body + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")

    def whole(content: bytes) -> bytes:
        return content + b"\0" + masked_crc32c(content + b"\0").to_bytes(4, "little")

    first = block(list(entries))
    listed = block([(b"%06d" % i, number(0) + number(len(first))) for i in range(index)])
    footer = number(0) + number(0) + number(len(first) + TRAILER) + number(len(listed))
    return whole(first) + whole(listed) + footer.ljust(FOOTER - 8, b"\0") + MAGIC


def number(value: int) -> bytes:
    """Base 128, little-endian."""
    return bytes([value & 0x7F | 0x80]) + number(value >> 7) if value > 0x7F else bytes([value])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (sstable((b"", b"\x08" + number(2**60))), "names 1,152,921,504,606,846,976 files, expected at most 1,000"),
        (sstable((b"", b"\x08\x01"), (b"k" * 5000, b"")), "a name has 5,000 bytes, expected at most 4,096"),
        (sstable((b"", b"\x08\x01"), (b"k" * 4000, b""), index=1000), "is damaged: its blocks overlap"),
        (
            sstable((b"", b"\x08\x01"), *((b"a%d" % i, b"\x08\x01\x28\x08") for i in range(3))),
            "is damaged: its tensors overlap",
        ),
    ],
)
def test_refuses_an_index_that_counts_more_than_there_is(table: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "ckpt.index").write_bytes(table)
    (tmp_path / "ckpt.data-00000-of-00001").write_bytes(bytes(8))
    with pytest.raises(CheckpointError, match=message):
        read_source(tmp_path / "ckpt")


def test_refuses_orbax_arrays_of_more_numbers_than_any_network_has(tmp_path: Path) -> None:
    array = {"chunks": [2**20], "compressor": None, "dtype": "<f4", "fill_value": 0, "filters": None, "order": "C"}
    (tmp_path / "params.kernel").mkdir()
    (tmp_path / "params.kernel" / ".zarray").write_text(json.dumps({**array, "shape": [2**40], "zarr_format": 2}))
    with pytest.raises(CheckpointError, match="contains more than 1,073,741,824 numbers, too many for an RT-1"):
        read_orbax(tmp_path)


def test_refuses_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no checkpoint .*nothing"):
        read_source(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"contains no known checkpoint, or several"):
        read_source(tmp_path)
    with pytest.raises(CheckpointError, match=r"several .*ckpt-1.index, sharded.index"):
        read_source(CHECKPOINTS / "tensorflow")
    other = tmp_path / "checkpoint_1"
    other.write_bytes(b"\x81\xa5other\x01")
    with pytest.raises(CheckpointError, match=r"has no `params`"):
        read_source(other)


MARUYA = (
    "_image_tokenizer._tokenizer.net._conv_stem.weight",
    "_action_token_emb.weight",
    "_transformer._token_emb.bias",
)
LUCIDRAINS = (
    "model.vit.conv_stem.0.weight",
    "model.token_learner.net.0.weight",
    "model.conditioner.a",
    "to_logits.1.bias",
)


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    ("file", "names", "told"),
    [
        (
            "pytorch_model.bin",
            MARUYA,
            "maruya24/pytorch_robotics_transformer or a derivative, a port of RT-1",
        ),
        ("0-checkpoint.pth", MARUYA, "maruya24/pytorch_robotics_transformer"),
        ("model.pt", LUCIDRAINS, "lucidrains/robotic-transformer-pytorch, a port of RT-1 to PyTorch"),
        ("epoch=3.ckpt", ("policy.layer.weight",), "weights of PyTorch or safetensors"),
    ],
)
def test_a_pytorch_port_is_identified(
    file: str, names: tuple[str, ...], told: str, older: bool, tmp_path: Path
) -> None:
    state = {"model_state_dict": {name: torch.zeros(1) for name in names}, "epoch": 3}
    torch.save(state, tmp_path / file, _use_new_zipfile_serialization=not older)
    for path in (tmp_path / file, tmp_path):
        with pytest.raises(CheckpointError, match=rf"{file} contains .*{told}.*Flax, Orbax, TensorFlow.*its own code"):
            read_source(path)


def test_safetensors_and_other_policies_are_identified(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"model.safetensors contains weights of PyTorch or safetensors.*use its dir"
    ):
        read_source(tmp_path)
    (tmp_path / "example_batch.msgpack").touch()
    with pytest.raises(CheckpointError, match=r"by its example_batch.msgpack, an Octo checkpoint"):
        read_source(tmp_path)
