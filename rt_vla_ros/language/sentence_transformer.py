"""A model in the format of sentence-transformers: a transformer with mean pooling of its last layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from rt_vla_ros.json_file import read_object, read_text
from rt_vla_ros.language.encoder import checked
from rt_vla_ros.language.plain_text import drop_separators, insert_text
from rt_vla_ros.model_folder import check_folder, stored_shapes
from rt_vla_ros.network_size import no_larger_than

NORMALIZE = "sentence_transformers.models.Normalize"
POOLING, WEIGHTS = "1_Pooling/config.json", "model.safetensors"


class SentenceTransformer:
    """Instruction -> vector, float32 (size,). Loaded from disk only, without running code of the folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError for an unusable folder or one without mean pooling."""
        self._check_pooling(folder)
        check_folder(folder, ValueError)
        shapes = stored_shapes(folder / WEIGHTS, ValueError)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            with no_larger_than(shapes.values(), ValueError):
                self._model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
            self._model.train(False)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{folder} cannot be loaded as a sentence-transformers folder: {error}") from error
        modules = folder / "modules.json"
        self._normalize = modules.is_file() and f'"{NORMALIZE}"' in read_text(modules, ValueError)

    @torch.inference_mode()
    def encode(self, instruction: str) -> NDArray[np.float32]:
        """Raises InstructionError."""
        text = insert_text(self._tokenizer, ("", ""), checked(instruction))
        inputs = drop_separators(self._tokenizer, self._tokenizer(text, return_tensors="pt", truncation=True))
        states = self._model(**inputs).last_hidden_state[0]  # (L, size)
        weights = inputs["attention_mask"][0, :, None].to(states.dtype)
        vector = (states * weights).sum(dim=0) / weights.sum()
        if self._normalize:
            vector = torch.nn.functional.normalize(vector, dim=0)
        result: NDArray[np.float32] = vector.float().numpy()
        return result

    @staticmethod
    def _check_pooling(folder: Path) -> None:
        path = folder / POOLING
        if path.is_file() and not read_object(path, ValueError).get("pooling_mode_mean_tokens", True):
            raise ValueError(f"{folder} does not use mean pooling ({POOLING}); other pooling is not supported.")
