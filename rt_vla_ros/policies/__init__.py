"""Policies map images and an instruction to actions."""

import logging

# transformers imports torchao if installed. Without a GPU, torchao then prints at every start which GPU kernels cannot
# be loaded, and torch prints deprecation warnings about torchao's classes.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
