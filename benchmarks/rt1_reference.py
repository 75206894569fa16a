"""Runs RT-1-X as the public JAX example does, for `rt-vla bench rt1 --reference DIR`; started as a separate program.

    python benchmarks/rt1_reference.py DIR/models

For each line on stdin it makes one step and prints its time [s] as a line on stdout.

Needs jax and flax, nothing of this package. Weights are random: times do not depend on them.
"""

from __future__ import annotations

import sys
import time
from typing import Any

STEPS, IMAGE_TOKENS, ACTION_TOKENS = 15, 81, 11


def build(models: str) -> Any:
    """The example's network and a function that makes one step over the whole window."""
    sys.path.insert(0, models)
    import jax
    import jax.numpy as jnp
    import rt1  # type: ignore[import-not-found]

    network = rt1.RT1(
        num_image_tokens=IMAGE_TOKENS,
        layer_size=256,
        vocab_size=512,
        use_token_learner=True,
        world_vector_range=(-2.0, 2.0),
    )
    observation = {"image": jnp.ones((1, STEPS, 300, 300, 3)), "natural_language_embedding": jnp.ones((1, STEPS, 512))}
    tokens = jnp.zeros((1, STEPS, ACTION_TOKENS))
    keys = {"params": jax.random.PRNGKey(0), "random": jax.random.PRNGKey(1)}
    variables = jax.jit(lambda: network.init(keys, observation, None, act_tokens=tokens, train=False))()

    def step(image: Any) -> Any:
        seen = {**observation, "image": image}
        logits = network.apply(
            variables, seen, act=None, act_tokens=tokens, train=False, rngs={"random": keys["random"]}
        )
        logits = jnp.reshape(logits, (1, STEPS, IMAGE_TOKENS + ACTION_TOKENS, -1))
        return jnp.argmax(logits[:, -1, IMAGE_TOKENS - 1 : -1], axis=-1)

    compiled = jax.jit(step)
    return lambda: compiled(observation["image"]).block_until_ready()


def main() -> None:
    step = build(sys.argv[1])
    step()  # compiles
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        step()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
