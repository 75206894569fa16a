"""Policies: what turns images and an instruction into actions."""

import logging

# transformers imports torchao where it is installed. On a machine without a GPU that tells at every start which of its
# GPU kernels cannot be loaded, and torch, which of torchao's classes it will like less in a later version.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
