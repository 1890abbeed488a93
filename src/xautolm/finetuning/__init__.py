"""What a trial's process runs: tokens, model, training, score. The only folder that imports torch."""

__all__ = [
    "forms",
    "onnx",
    "predictor",
    "sentence_export",
]
