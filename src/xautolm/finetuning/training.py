"""A configuration as transformers' Trainer understands it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import DatasetDict
from transformers import (
    EarlyStoppingCallback,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from xautolm.data.stored import read_split
from xautolm.errors import TrialError
from xautolm.finetuning.answer_scores import answer_metrics, answer_scores, in_own_units
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.loss import class_weights, classification_loss
from xautolm.finetuning.model import precision_of
from xautolm.metrics import metric_named
from xautolm.records import Answering, Scalar, TrialSpec, as_float
from xautolm.tasks import Task
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import DeviceKind, FailureKind, Precision

PATIENCE = 2
"""Epochs without improvement before training stops, where the space does not say."""
LOGS_PER_EPOCH = 10
EVALUATION_FACTOR = 4
"""Evaluation keeps no activations, so its batches can be larger than those of training."""

OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 1e-8}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9}),
    "adagrad": (torch.optim.Adagrad, {}),
}
"""Besides AdamW, which is the Trainer's own."""


def make_trainer(
    spec: TrialSpec,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    model: Any,
    tokens: DatasetDict,
    settings: Answering,
    callbacks: list[TrainerCallback],
    folder: Path,
) -> Trainer:
    """A trainer for one attempt at a trial, with gradients accumulated up to the configured batch size."""
    values = spec.configuration.values
    optimizer = OPTIMIZERS.get(str(values.get("optimizer")))
    rate, decay = _number(values, "learning_rate"), _number(values, "weight_decay", 0.0)
    form = TORCH_FORMS.get(settings.form)
    by_logits = form.answers_by_logits
    multiple = 8 if spec.device != DeviceKind.CPU else None
    trainer = (Trainer if by_logits else AnsweringTrainer)(
        model=model,
        args=_arguments(spec, len(tokens["train"]), folder),
        train_dataset=tokens["train"],
        eval_dataset=tokens["validation"],
        data_collator=form.collator(tokenizer, model, multiple),
        compute_loss_func=_loss(spec, task, tokens) if by_logits else None,
        compute_metrics=_metrics(spec, task, settings) if by_logits else None,
        callbacks=callbacks + _early_stopping(spec),
        optimizer_cls_and_kwargs=(
            (optimizer[0], {"lr": rate, "weight_decay": decay, **optimizer[1]}) if optimizer else None
        ),
    )
    if isinstance(trainer, AnsweringTrainer):
        table = read_split(spec.data, "validation")
        trainer.scored = lambda trained: answer_scores(trained, tokenizer, table, task, settings, spec)
        return trainer
    # Our loss is the mean of a micro-batch; the Trainer must divide it by the number that it accumulates.
    trainer.loss_is_scaled_for_ga = False
    return trainer


class AnsweringTrainer(Trainer):  # type: ignore[misc]
    """A trainer that evaluates by the answers that the model gives, as it will be used."""

    scored: Callable[[Any], dict[str, float]]

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        """Return the task's metrics of the answers on the validation split."""
        check_weights(self.model)
        self.model.eval()
        with self.accelerator.autocast():
            found = self.scored(self.model)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def check_outputs(logits: np.ndarray) -> None:
    """Refuse outputs that are no numbers: the largest of them would still be a class, and give a score.

    Raises:
        TrialError: Of kind `diverged`.
    """
    rows = np.isfinite(logits).reshape(len(logits), -1).all(axis=1)
    if not rows.all():
        count = int((~rows).sum())
        raise TrialError(FailureKind.DIVERGED, f"outputs for {count} of {len(rows)} validation rows are not finite")


def check_weights(model: Any) -> None:
    """Refuse weights that are no numbers: such a model still says something.

    Raises:
        TrialError: Of kind `diverged`.
    """
    for name, weights in model.named_parameters():
        if weights.requires_grad and not bool(torch.isfinite(weights).all()):
            raise TrialError(FailureKind.DIVERGED, f"the weights {name} are not finite")


def _arguments(spec: TrialSpec, examples: int, folder: Path) -> TrainingArguments:
    values, micro_batch = spec.configuration.values, spec.micro_batch
    batch = int(_number(values, "batch_size")) * int(_number(values, "gradient_accumulation_steps", 1))
    accumulation = max(1, round(batch / micro_batch))
    steps = max(1, -(-examples // (micro_batch * accumulation)))
    precision = precision_of(values)
    warmup = values.get("warmup_ratio", values.get("warmup_steps", 0))
    return TrainingArguments(
        output_dir=str(TrialFolder(folder).checkpoints),
        per_device_train_batch_size=micro_batch,
        per_device_eval_batch_size=micro_batch * EVALUATION_FACTOR,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=_number(values, "epochs"),
        learning_rate=_number(values, "learning_rate"),
        lr_scheduler_type=str(values["scheduler"]),
        warmup_steps=as_float(warmup),
        weight_decay=_number(values, "weight_decay", 0.0),
        max_grad_norm=_max_grad_norm(values),
        bf16=precision == Precision.BFLOAT16,
        fp16=precision == Precision.FLOAT16,
        # What torch and the papers call gradient checkpointing; transformers 6 knows it by this name only.
        activation_checkpointing=spec.gradient_checkpointing,
        # The reentrant kind needs inputs with gradients, which a frozen embedding does not give.
        activation_checkpointing_kwargs={"use_reentrant": False},
        use_cpu=spec.device == DeviceKind.CPU,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_only_model=True,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model=spec.metric,
        greater_is_better=metric_named(spec.metric).maximize,
        logging_steps=max(1, steps // LOGS_PER_EPOCH),
        logging_nan_inf_filter=False,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=True,
        dataloader_pin_memory=spec.device.startswith("cuda"),
        disable_tqdm=True,
        report_to="none",
        seed=spec.seed,
    )


def _max_grad_norm(values: Any) -> float:
    return 0.0 if values.get("gradient_clipping") == "off" else _number(values, "max_grad_norm", 1.0)


def _early_stopping(spec: TrialSpec) -> list[TrainerCallback]:
    values = spec.configuration.values
    if values.get("early_stopping") == "off":
        return []
    patience = int(_number(values, "early_stopping_patience", PATIENCE))
    return [EarlyStoppingCallback(patience, _number(values, "early_stopping_delta", 0.0))]


def _loss(spec: TrialSpec, task: Task, tokens: DatasetDict) -> Callable[..., torch.Tensor]:
    values = spec.configuration.values
    weights = None
    if values.get("class_weights"):
        targets = torch.as_tensor(np.asarray(tokens["train"]["labels"]))
        weights = class_weights(targets, len(spec.labels))
    return classification_loss(task.problem_type, _number(values, "label_smoothing", 0.0), weights)


def _metrics(spec: TrialSpec, task: Task, settings: Answering) -> Callable[[Any], dict[str, float]]:
    """Return what scores the outputs of the Trainer's own evaluation."""

    def compute(prediction: Any) -> dict[str, float]:
        logits = prediction.predictions
        logits = np.asarray(logits[0] if isinstance(logits, tuple) else logits)
        check_outputs(logits)
        targets = in_own_units(np.asarray(prediction.label_ids), settings)
        return answer_metrics(spec.metrics, task, targets, in_own_units(logits, settings))

    return compute


def _number(values: Any, name: str, default: Scalar = None) -> float:
    return as_float(values.get(name, default))
