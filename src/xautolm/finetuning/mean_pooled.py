"""A body, the mean over its tokens, and one linear layer: kept as a folder that sentence-transformers loads.

`SentenceTransformer(folder).encode(texts)` gives the logits. The folder holds the body's configuration, weights and
tokenizer as any model's, `1_Pooling`, `2_Dense`, and `modules.json`, which names them.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel

from xautolm.documents import write_json
from xautolm.finetuning.pretrained import read_config, read_weights

DENSE = "2_Dense"
POOLING = "1_Pooling"
LIBRARY = "sentence_transformers.models"


class MeanPooledClassifier(nn.Module):
    """Scores texts as a model of transformers does, so that forms can ask it in the same way.

    Args:
        body: A model without a head.
        weight: Of the linear layer, shape (classes, width).
        bias: Shape (classes,).
    """

    def __init__(self, body: Any, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.body = body
        classes, width = weight.shape
        self.linear = nn.Linear(width, classes)
        with torch.no_grad():
            self.linear.weight.copy_(torch.as_tensor(weight))
            self.linear.bias.copy_(torch.as_tensor(bias))
        self.config = SimpleNamespace(num_labels=classes)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.linear.weight.device

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> SimpleNamespace:
        """Return `logits` of shape (batch, classes)."""
        segments = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask, **segments)[0]
        return SimpleNamespace(logits=self.linear(mean_over_tokens(hidden, attention_mask)))

    def save(self, folder: Path, max_length: int) -> None:
        """Write the folder, but for the tokenizer.

        Args:
            folder: Made if it does not exist.
            max_length: Longest input in tokens.
        """
        classes, width = self.linear.weight.shape
        self.body.save_pretrained(str(folder))
        for part in (POOLING, DENSE):
            (folder / part).mkdir(exist_ok=True)
        modules = [
            {"idx": 0, "name": "0", "path": "", "type": f"{LIBRARY}.Transformer"},
            {"idx": 1, "name": "1", "path": POOLING, "type": f"{LIBRARY}.Pooling"},
            {"idx": 2, "name": "2", "path": DENSE, "type": f"{LIBRARY}.Dense"},
        ]
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
        write_json(
            folder / POOLING / "config.json", {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
        )
        dense = {
            "in_features": width,
            "out_features": classes,
            "bias": True,
            "activation_function": "torch.nn.modules.linear.Identity",
        }
        write_json(folder / DENSE / "config.json", dense)
        weights = {f"linear.{name}": tensor.contiguous() for name, tensor in self.linear.state_dict().items()}
        save_file(weights, folder / DENSE / "model.safetensors", {"format": "pt"})
        # Written last: with it the folder is whole.
        write_json(folder / "modules.json", modules)


def mean_over_tokens(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over the tokens of each text, shape (batch, width).

    Args:
        hidden: Shape (batch, tokens, width).
        mask: 1 for tokens, 0 for padding, shape (batch, tokens).
    """
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def pool_by_mean(model: Any) -> None:
    """Let every token that leaves a model's body be the mean over the text's tokens.

    Whichever token the family's classifier looks at, it sees the mean, and everything around the body (adapters,
    checkpoints, the Trainer) stays as it is.

    Args:
        model: A classifier of transformers whose head was opened.
    """
    masks: list[torch.Tensor] = []

    def note_mask(body: Any, arguments: Any, keywords: dict[str, Any]) -> None:
        masks[:] = [keywords["attention_mask"]]

    def replace_tokens(body: Any, arguments: Any, output: Any) -> Any:
        hidden = output.last_hidden_state
        mean = mean_over_tokens(hidden, masks.pop())
        output.last_hidden_state = mean.unsqueeze(1).expand_as(hidden)
        if output.get("pooler_output") is not None:
            output.pooler_output = mean
        return output

    model.base_model.register_forward_pre_hook(note_mask, with_kwargs=True)
    model.base_model.register_forward_hook(replace_tokens)


def load_mean_pooled(folder: Path) -> MeanPooledClassifier:
    """Read what `MeanPooledClassifier.save` wrote."""
    body = read_weights(AutoModel, folder, config=read_config(folder))
    weights = load_file(folder / DENSE / "model.safetensors")
    return MeanPooledClassifier(body, weights["linear.weight"].numpy(), weights["linear.bias"].numpy())
