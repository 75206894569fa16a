"""Reading what the real TensorFlow, Flax and Orbax wrote, whole and damaged."""

from __future__ import annotations

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
from rt_vla_ros.policies.rt1.convert.weight_names import FLAX, TENSORFLOW

NAMED = {
    "flax/checkpoint_900": ("Flax msgpack checkpoint", FLAX),
    "flax": ("Flax msgpack checkpoint", FLAX),
    "orbax_ocdbt": ("Orbax checkpoint", FLAX),
    "tensorflow/ckpt-1": ("TensorFlow checkpoint", TENSORFLOW),
    "tensorflow/ckpt-1.index": ("TensorFlow checkpoint", TENSORFLOW),
    "tensorflow/sharded": ("TensorFlow checkpoint", TENSORFLOW),
}


def test_the_fixtures_are_those_that_were_made() -> None:
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
        with pytest.raises(CheckpointError, match=r"cut short|damaged"):
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


def test_chunks_of_zeros_that_older_orbax_left_out_are_zeros(tmp_path: Path) -> None:
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
    with pytest.raises(CheckpointError, match="holds an array in pieces of which some are missing or do not fit"):
        kept_collections({"params": {"a": array}}, Path("checkpoint_1"))


def test_refuses_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no checkpoint .*nothing"):
        read_source(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"holds no checkpoint that is known, or several"):
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
            "maruya24/pytorch_robotics_transformer or one that was made from it, a port of RT-1",
        ),
        ("0-checkpoint.pth", MARUYA, "maruya24/pytorch_robotics_transformer"),
        ("model.pt", LUCIDRAINS, "lucidrains/robotic-transformer-pytorch, a port of RT-1 to PyTorch"),
        ("epoch=3.ckpt", ("policy.layer.weight",), "weights of PyTorch or safetensors"),
    ],
)
def test_a_port_to_pytorch_is_told(file: str, names: tuple[str, ...], told: str, older: bool, tmp_path: Path) -> None:
    state = {"model_state_dict": {name: torch.zeros(1) for name in names}, "epoch": 3}
    torch.save(state, tmp_path / file, _use_new_zipfile_serialization=not older)
    for path in (tmp_path / file, tmp_path):
        with pytest.raises(CheckpointError, match=rf"{file} holds .*{told}.*Flax, Orbax, TensorFlow.*its own code"):
            read_source(path)


def test_safetensors_and_other_policies_are_told(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"model.safetensors holds weights of PyTorch or safetensors.*name its dir"
    ):
        read_source(tmp_path)
    (tmp_path / "example_batch.msgpack").touch()
    with pytest.raises(CheckpointError, match=r"by its example_batch.msgpack, an Octo checkpoint"):
        read_source(tmp_path)
