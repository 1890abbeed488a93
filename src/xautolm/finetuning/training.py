"""A configuration as transformers' Trainer understands it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainingArguments,
)

from xautolm.data.stored import read_split
from xautolm.errors import TrialError
from xautolm.finetuning.answer_scores import answer_metrics, answer_scores, in_own_units
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.loss import (
    LossFunction,
    class_weights,
    classification_loss,
    sums_over_batches,
)
from xautolm.finetuning.prepared import PreparedTrial
from xautolm.methods import precision_of
from xautolm.metrics import metric_named
from xautolm.records import EVALUATION_FACTOR, Scalar, TrialSpec, as_float
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import DeviceKind, FailureKind, Precision, Split, Switch

PATIENCE = 2
"""Epochs without improvement before training stops, where the space does not say."""
LOGS_PER_EPOCH = 10
"""Points of the training loss that an epoch leaves in the progress."""
PADDING_MULTIPLE = 8
"""Tokens; batches for a GPU are padded to a multiple of it, which suits the matrices of its tensor cores."""

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, object]]] = {
    "adam": (torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 1e-8}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9}),
    "adagrad": (torch.optim.Adagrad, {}),
}
"""Besides the Trainer's own."""
TRAINERS_OWN = "adamw"


def make_trainer(
    trial: PreparedTrial, model: PreTrainedModel, callbacks: list[TrainerCallback], folder: Path
) -> Trainer:
    """Build the Trainer for one attempt at a trial.

    Args:
        trial: The trial; its order's `micro_batch` is the per-device batch of this attempt.
        model: Ready to be trained.
        callbacks: What watches the training; early stopping is added.
        folder: The trial's.
    """
    spec = trial.spec
    train = trial.tokens[Split.TRAIN]
    form = TORCH_FORMS.get(trial.settings.form)
    # A processor has no tensor cores: there it would only compute more padding.
    multiple = None if spec.device == DeviceKind.CPU else PADDING_MULTIPLE
    own_arguments: dict[str, object] = {}
    answering_class: type[AnsweringTrainer] = AnsweringTrainer
    scoring_class: type[PlainTrainer] = PlainTrainer
    if spec.is_divided:
        # Not at the top: a process that trains alone has nothing to do with others.
        from xautolm.finetuning.divided import arguments_of_divided, divided

        own_arguments = arguments_of_divided()
        # The loss of models that say words is divided by the tokens of all processes; ours is the mean of a batch.
        own_arguments["average_tokens_across_devices"] = not form.answers_by_logits
        answering_class, scoring_class = divided(AnsweringTrainer), divided(PlainTrainer)
    arguments = {
        "model": model,
        "args": _arguments(spec, len(train), folder, own_arguments),
        "train_dataset": train,
        "eval_dataset": trial.tokens[Split.VALIDATION],
        "data_collator": form.collator(trial.tokenizer, model, multiple),
        "callbacks": callbacks + _early_stopping(spec),
        "optimizer_cls_and_kwargs": _optimizer(spec.configuration.values),
    }
    if not form.answers_by_logits:
        # Models that say words, or the ends of a span, have a loss of their own.
        validation = read_split(spec.data, Split.VALIDATION)

        def score(trained: PreTrainedModel) -> dict[str, float]:
            return answer_scores(trained, trial, validation)

        answering_trainer = answering_class(**arguments)
        answering_trainer.score = score
        if not sums_over_batches(model):
            # The Trainer takes any `**kwargs` for a model that does, and would add up micro-batches undivided.
            answering_trainer.model_accepts_loss_kwargs = False
        return answering_trainer

    trainer = scoring_class(
        **arguments,
        compute_loss_func=_loss(trial),
        compute_metrics=_metrics(trial),
        preprocess_logits_for_metrics=_logits_only,
    )
    # Our loss is the mean of a micro-batch; the Trainer must divide it by the number that it accumulates.
    trainer.loss_is_scaled_for_ga = False
    return trainer


class PlainTrainer(Trainer):  # type: ignore[misc]
    """A trainer that does not count operations: for that it walks through all modules at every step."""

    def floating_point_ops(self, inputs: object) -> int:
        """Return 0; nobody reads the number."""
        return 0


class AnsweringTrainer(PlainTrainer):
    """A trainer that evaluates by the answers that the model gives, as it will be used."""

    score: Callable[[PreTrainedModel], dict[str, float]]
    """Returns the task's metrics of a model's answers on the validation split."""

    def evaluate(
        self,
        eval_dataset: object = None,
        ignore_keys: object = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Return the task's metrics of the answers on the validation split.

        Args:
            eval_dataset: Not looked at; the Trainer passes it.
            ignore_keys: Not looked at either.
            metric_key_prefix: Begins the names of the metrics.

        Raises:
            TrialError: The weights are no numbers any more (`diverged`).
        """
        check_weights(self.model)
        self.model.eval()
        # In the number format of the training, as the Trainer's own evaluation.
        with self.accelerator.autocast():
            values = self.score(self.model)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in values.items()}
        # What the Trainer's own does at its end: callbacks learn of the metrics, and of the end of the evaluation.
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def check_outputs(logits: np.ndarray) -> None:
    """Refuse outputs that are no numbers: the largest of them would still be a class, and give a score.

    Args:
        logits: Shape (rows, ...).

    Raises:
        TrialError: Of kind `diverged`.
    """
    row_count = len(logits)
    numbers_of_row = np.isfinite(logits).reshape(row_count, -1)
    is_finite = numbers_of_row.all(axis=1)
    if not is_finite.all():
        count = int((~is_finite).sum())
        raise TrialError(
            FailureKind.DIVERGED,
            f"outputs for {count} of {row_count} validation rows are not finite",
        )


def check_weights(model: torch.nn.Module) -> None:
    """Refuse weights that are no numbers: such a model still says something.

    Raises:
        TrialError: Of kind `diverged`.
    """
    for name, weights in model.named_parameters():
        # What is frozen stays as it was loaded.
        if not weights.requires_grad:
            continue
        # Of a divided model each process looks at its own part; that of one ends all.
        if hasattr(weights, "to_local"):
            weights = weights.to_local()
        is_finite = torch.isfinite(weights).all()
        if not bool(is_finite):
            raise TrialError(FailureKind.DIVERGED, f"the weights {name} are not finite")


def _arguments(
    spec: TrialSpec, examples: int, folder: Path, own_arguments: Mapping[str, object]
) -> TrainingArguments:
    """Return the Trainer's arguments.

    Args:
        spec: The trial's.
        examples: Number of training examples.
        folder: The trial's.
        own_arguments: Those that other trials do not have.
    """
    values = spec.configuration.values
    # Gradients are accumulated up to the configured batch, whatever fits on the device at once. The paper's space
    # also has a factor on the batch.
    batch_size = int(_number(values, "batch_size"))
    factor = int(_number(values, "gradient_accumulation_steps", 1))
    examples_at_once = spec.micro_batch * spec.shares
    accumulation = max(1, round(batch_size * factor / examples_at_once))
    examples_per_step = examples_at_once * accumulation
    # The last step of an epoch may have fewer examples.
    steps_per_epoch = max(1, math.ceil(examples / examples_per_step))
    logging_steps = max(1, steps_per_epoch // LOGS_PER_EPOCH)
    precision = precision_of(values)
    # The Trainer takes a number below 1 for a share of all steps.
    warmup = values.get("warmup_ratio", values.get("warmup_steps", 0))
    return TrainingArguments(
        output_dir=str(TrialFolder(folder).checkpoints),
        per_device_train_batch_size=spec.micro_batch,
        per_device_eval_batch_size=spec.micro_batch * EVALUATION_FACTOR,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=_number(values, "epochs"),
        learning_rate=_number(values, "learning_rate"),
        lr_scheduler_type=str(values["scheduler"]),
        warmup_steps=as_float(warmup),
        weight_decay=_number(values, "weight_decay", 0.0),
        max_grad_norm=_max_grad_norm(values),
        bf16=precision is Precision.BFLOAT16,
        fp16=precision is Precision.FLOAT16,
        # What torch and the papers call gradient checkpointing; transformers 6 knows it by this name only.
        activation_checkpointing=spec.gradient_checkpointing,
        # The reentrant kind needs inputs with gradients, which a frozen embedding does not give.
        activation_checkpointing_kwargs={"use_reentrant": False},
        use_cpu=spec.device == DeviceKind.CPU,
        # One evaluation and one checkpoint an epoch; at the end the weights of the best epoch are loaded again.
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model=spec.metric,
        greater_is_better=metric_named(spec.metric).maximize,
        # No training is resumed from a checkpoint, so the optimizer's state (AdamW: twice the weights) is left out.
        save_only_model=True,
        # The best checkpoint is kept besides.
        save_total_limit=1,
        logging_steps=logging_steps,
        # A loss that is no number is shown as it is, for `NanGuard` to see.
        logging_nan_inf_filter=False,
        # Rows of like length share a batch, which then needs little padding.
        train_sampling_strategy="group_by_length",
        remove_unused_columns=True,
        # Memory that a GPU reads by itself.
        dataloader_pin_memory=spec.device.startswith(DeviceKind.CUDA),
        disable_tqdm=True,
        report_to="none",
        seed=spec.seed,
        **own_arguments,
    )


def _optimizer(
    values: Mapping[str, Scalar],
) -> tuple[type[torch.optim.Optimizer], dict[str, object]] | None:
    """Return the optimizer's class and arguments; None for the Trainer's own.

    Raises:
        TrialError: There is none of that name.
    """
    name = str(values.get("optimizer", TRAINERS_OWN))
    if name == TRAINERS_OWN:
        return None
    if name not in OPTIMIZERS:
        known = ", ".join([TRAINERS_OWN, *OPTIMIZERS])
        raise TrialError(FailureKind.INVALID_CONFIG, f"optimizer {name!r} is none of {known}")
    optimizer_class, own_arguments = OPTIMIZERS[name]
    arguments: dict[str, object] = {
        "lr": _number(values, "learning_rate"),
        "weight_decay": _number(values, "weight_decay", 0.0),
    }
    arguments |= own_arguments
    return optimizer_class, arguments


def _max_grad_norm(values: Mapping[str, Scalar]) -> float:
    """Return the norm that gradients are clipped to; the Trainer takes 0 for no clipping."""
    if values.get("gradient_clipping") == Switch.OFF:
        return 0.0
    return _number(values, "max_grad_norm", 1.0)


def _early_stopping(spec: TrialSpec) -> list[TrainerCallback]:
    """Return the callback that stops a training which no longer improves; none where that is switched off."""
    values = spec.configuration.values
    if values.get("early_stopping") == Switch.OFF:
        return []
    patience = int(_number(values, "early_stopping_patience", PATIENCE))
    least_improvement = _number(values, "early_stopping_delta", 0.0)
    return [EarlyStoppingCallback(patience, least_improvement)]


def _loss(trial: PreparedTrial) -> LossFunction:
    """Return the loss of a classifier, its classes weighted by the training split where the configuration says so."""
    values = trial.spec.configuration.values
    weights = None
    if values.get("class_weights"):
        labels = np.asarray(trial.tokens[Split.TRAIN]["labels"])
        targets = torch.as_tensor(labels)
        weights = class_weights(targets, len(trial.spec.labels))
    smoothing = _number(values, "label_smoothing", 0.0)
    return classification_loss(trial.task.problem_type, smoothing, weights)


def _logits_only(
    outputs: torch.Tensor | tuple[torch.Tensor, ...], targets: torch.Tensor
) -> torch.Tensor:
    """Return what is scored of a model's outputs.

    Encoder-decoders give hidden states after their logits, which the Trainer would keep for the whole validation split:
    3.9 GB of flan-t5-base for 5,000 rows of 256 tokens.
    """
    return outputs[0] if isinstance(outputs, tuple) else outputs


def _metrics(trial: PreparedTrial) -> Callable[[EvalPrediction], dict[str, float]]:
    """Return what scores the outputs of the Trainer's own evaluation."""

    def compute(prediction: EvalPrediction) -> dict[str, float]:
        logits = np.asarray(prediction.predictions)
        check_outputs(logits)
        targets = in_own_units(np.asarray(prediction.label_ids), trial.settings)
        answers = in_own_units(logits, trial.settings)
        return answer_metrics(trial.spec.metrics, trial.task, targets, answers)

    return compute


def _number(values: Mapping[str, Scalar], name: str, default: Scalar = None) -> float:
    """Return a hyperparameter as a number.

    Raises:
        TypeError: The configuration lacks it, and there is no default.
    """
    number = values.get(name, default)
    return as_float(number)
