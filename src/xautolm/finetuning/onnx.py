"""A classifier in ONNX: written by torch's exporter, quantised by onnxruntime, asked by forms like any model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

from xautolm.errors import UsageError
from xautolm.finetuning.forms.base import taken_by
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.quiet import quietly

EXAMPLE = ["some text", "another text, which has more words"]
"""What is traced: two texts of unequal lengths, for torch takes a dimension of 1 for one that never varies."""
LARGEST_FILE = 1_800_000_000
"""Bytes of weights in one file: Protocol Buffers, in which ONNX is written, end at 2 GB."""
LOGITS = "logits"


class _Traced(nn.Module):
    """A classifier with its inputs in order and one tensor as output, as the exporter needs it."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        inputs = dict(zip(self.names, tensors, strict=True))
        logits: torch.Tensor = self.model(**inputs).logits
        return logits


def write_onnx(predictor: Predictor, path: Path) -> None:
    """Write a loaded classifier in float32, for any number of texts of any length.

    Args:
        predictor: On the processor.
        path: Of the file; weights of 2 GB and more lie in a second one beside it.

    Raises:
        UsageError: The exporter does not know the architecture.
    """
    model = predictor.model
    encoded = predictor.tokenizer(EXAMPLE, padding=True, return_tensors="pt")
    inputs = taken_by(model, encoded)
    names = list(inputs)
    sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens")}
    # Written in float32 whatever they lie in: 4 bytes each.
    weight_bytes = sum(weight.numel() * 4 for weight in model.parameters())
    try:
        with quietly(), torch.inference_mode():
            torch.onnx.export(
                _Traced(model, names).eval(),
                tuple(inputs[name] for name in names),
                path,
                dynamo=True,
                dynamic_shapes=(tuple(sizes for _ in names),),
                input_names=names,
                output_names=[LOGITS],
                external_data=weight_bytes > LARGEST_FILE,
                verbose=False,
            )
    # The exporter raises what it likes; what it means is that it cannot do this one.
    except Exception as error:
        reason, _, _ = str(error).strip().partition("\n")
        architecture = getattr(model, "body", model).config.model_type
        raise UsageError(
            f"torch's exporter does not know how to write this model, a {architecture}, in ONNX.",
            got=f"{type(error).__name__}: {reason}",
            fix="Use the folder best/ as it is, or let --families of fit keep a search to encoders.",
        ) from error


def quantise(source: Path, target: Path) -> None:
    """Write a model with weights of 8 bits, each row with its own scale; activations are quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # A large model's weights lie beside the file, which then holds nothing but the graph.
    whole_bytes = sum(file.stat().st_size for file in source.parent.glob(f"{source.name}*"))
    with quietly():
        quantize_dynamic(
            source,
            target,
            # A scale for each row of a matrix costs a few bytes, and one for all would serve the largest row only.
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=whole_bytes > LARGEST_FILE,
        )


class OnnxClassifier:
    """Score texts as a model of transformers does, so that forms can ask it in the same way.

    Args:
        path: The file.
        classes: How many numbers it gives a text.
    """

    def __init__(self, path: Path, classes: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # As many as torch uses, so that both can be compared.
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.names = [item.name for item in self.session.get_inputs()]
        self.config = SimpleNamespace(num_labels=classes)
        self.device = torch.device("cpu")

    def __call__(self, **inputs: torch.Tensor) -> SimpleNamespace:
        """Return `logits` of shape (batch, classes)."""
        return self.forward(**inputs)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> SimpleNamespace:
        """Return `logits` of shape (batch, classes); the arguments are those of a body of transformers."""
        tensors = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            tensors["token_type_ids"] = token_type_ids
        feed = {}
        # The exporter leaves out what a model does not use.
        for name in self.names:
            feed[name] = tensors[name].numpy()
        (logits,) = self.session.run([LOGITS], feed)
        return SimpleNamespace(logits=torch.from_numpy(logits))
