"""Writes the checkpoints beside this file with the real libraries. Not needed to run the tests.

    python -m venv /tmp/fixtures && /tmp/fixtures/bin/pip install tensorflow-cpu flax orbax-checkpoint jax
    /tmp/fixtures/bin/python test/data/rt1_checkpoints/make_fixtures.py

Made with tensorflow 2.21.0, flax 0.12.8, jax 0.10.2, orbax-checkpoint 0.12.8. The values are those of
`support.seeded_parameters.gen` with seed 5 and gain 1.4, so the tests know them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from support import seeded_parameters  # noqa: E402

SEED, GAIN = 5, 1.4
NORMALISATION = {"mean": (0.485, 0.456, 0.406), "variance": (0.229, 0.224, 0.225), "count": 7}


def flat(flavour: str) -> dict[str, np.ndarray]:
    tree = seeded_parameters.read_tree(HERE / f"tree_{flavour}.txt")
    plain = {name: shape for name, shape in tree.items() if "layer_with_weights-0/" not in name}
    arrays = seeded_parameters.gen(plain, SEED, GAIN)
    for name in tree.keys() - plain.keys():
        kind = name.rsplit("/", 1)[1]
        arrays[name] = np.array(NORMALISATION[kind], np.int64 if kind == "count" else np.float32)
    return arrays


def nested(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *parents, leaf = name.split("/")
        place = tree
        for part in parents:
            place = place.setdefault(part, {})
        place[leaf] = array
    return tree


def write_flax() -> None:
    import flax
    from flax.training import checkpoints

    flax.config.update("flax_use_orbax_checkpointing", False)  # one msgpack file, as RT-1-X was published

    state = {**nested(flat("flax")), "step": 900, "opt_state": {"count": np.array(3), "mu": {"x": np.ones(4)}}}
    checkpoints.save_checkpoint(HERE / "flax", state, step=900, prefix="checkpoint_", overwrite=True)


def write_orbax() -> None:
    import jax
    import orbax.checkpoint as ocp

    tree = jax.tree.map(jax.numpy.asarray, {**nested(flat("flax")), "step": np.array(900)})
    ocp.PyTreeCheckpointer(use_ocdbt=True).save(HERE / "orbax_ocdbt", tree)
    few = {name: array for name, array in flat("flax").items() if "/Stem_0/" in name or "/Transformer_0/Dense" in name}
    ocp.PyTreeCheckpointer(use_ocdbt=False).save(HERE / "orbax_zarr", jax.tree.map(jax.numpy.asarray, nested(few)))


def write_tensorflow() -> None:
    import tensorflow as tf

    def tracked(tree: dict[str, Any]) -> tf.Module:
        module = tf.Module()
        for name, value in tree.items():
            setattr(module, name, tracked(value) if isinstance(value, dict) else tf.Variable(value))
        return module

    arrays = flat("tensorflow")
    agent = tf.Module()
    agent._actor_network = tracked(nested(arrays))
    checkpoint = tf.train.Checkpoint(agent=agent, global_step=tf.Variable(900, dtype=tf.int64))
    (HERE / "tensorflow").mkdir()
    checkpoint.save(HERE / "tensorflow" / "ckpt")
    options = tf.train.CheckpointOptions(experimental_sharding_callback=_in_two(tf))
    checkpoint.write(HERE / "tensorflow" / "sharded", options)

    model = tf.Module()
    order = (HERE / "order_savedmodel.txt").read_text().split()
    model.model_variables = [tf.Variable(900, dtype=tf.int64), *(tf.Variable(arrays[name]) for name in order)]
    tf.saved_model.save(model, HERE / "savedmodel")


def _in_two(tf: Any) -> Any:
    class InTwo(tf.train.experimental.ShardingCallback):
        """Tensors go into two files in turn."""

        description = "two shards"

        def __call__(self, tensors: Any) -> list[dict[str, Any]]:
            shards: list[dict[str, Any]] = [{}, {}]
            for i, tensor in enumerate(tensors):
                shards[i % 2].setdefault(tensor.checkpoint_key, {})[tensor.slice_spec] = tensor.tensor
            return shards

    return InTwo()


def main() -> None:
    for name in ("flax", "orbax_ocdbt", "orbax_zarr", "tensorflow", "savedmodel"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    write_flax()
    write_orbax()
    write_tensorflow()
    for path in HERE.rglob("commit_success.txt"):  # names the machine's folders, and nobody reads it
        path.unlink()
    files = sorted(
        path
        for path in HERE.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS" and "__pycache__" not in path.parts
    )
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(HERE)}\n" for path in files]
    (HERE / "SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    main()
