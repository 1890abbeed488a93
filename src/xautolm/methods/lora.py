"""LoRA (Hu et al., 2021), its variants rsLoRA and DoRA, and QLoRA (Dettmers et al., 2023), by peft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from xautolm.methods.base import BASE, Training, trainings
from xautolm.records import Form, ModelCard, Scalar, as_float, as_int
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space
from xautolm.space.presets import Bounds

STORED: Mapping[str, float] = {"8bit": 0.25, "4bit": 0.13}
"""Size of quantised matrices, constants for scaling included, as a share of float32."""
SCALE = 2.0
"""Factor on what adapters add, at ranks up to `LARGEST_PLAIN_RANK`."""
LARGEST_PLAIN_RANK = 32
"""Rank beyond which the factor falls with the rank's square root."""
USUAL = Training(rates=(1e-4, 2e-3, 7e-4), epochs=Int(name="epochs", low=2, high=8, default=4), shrink=0.6)
FROM_PROBE = Training(rates=(1e-4, 2e-3, 7e-4), epochs=Int(name="epochs", low=2, high=8, default=4), shrink=0.6)
FROM_RANDOM = Training(rates=(5e-4, 3e-3, 1e-3), epochs=Int(name="epochs", low=3, high=8, default=5), shrink=0.6)


class Lora:
    """Low-rank adapters on linear layers, and the head; merged into the weights when saved.

    The frozen weights of a large model can be stored with 8 or 4 bits (QLoRA) where the machine allows.
    """

    name = "lora.v1"
    title = "low-rank adapters and head"
    trains_body = False
    trains_by_gradient = True
    most_training_rows = None
    presets = ("default", "paper")

    def problem(self, card: ModelCard, form: Form) -> str:
        """Needs a body that already knows something."""
        return "a model trained from scratch has nothing worth adapting" if card.origin == "scratch" else ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Rank, bias, dropout, targets and how the frozen weights are stored; on request scaling, variant and start."""
        alpha = Choice(name="lora_alpha", options=(8, 16, 32, 64), default=16)
        bias = Choice(name="lora_bias", options=("none", "all", "lora_only"), default="none")
        if preset == "paper":
            # The paper also has `loftq`, which initialises from quantised weights and does not run without them.
            return (
                Int(name="lora_r", low=1, high=32, default=8),
                alpha,
                bias,
                Choice(name="lora_dropout", options=(0.0, 0.1, 0.2, 0.3), default=0.1),
                *_stored(
                    bounds.quantizations if card.quantizable and bounds.form.is_open_ended else (),
                    ("gaussian", "pissa"),
                ),
            )
        targets = ("attention", "all-linear") if card.lora_targets else ("all-linear",)
        return (
            Int(name="lora_r", low=2, high=64, default=8, log=True),
            # What follows the rank by itself, and variants that cost time before the first step or in each, are only
            # searched for those who ask.
            replace(alpha, on_request=True),
            Choice(name="lora_variant", options=("lora", "rslora", "dora"), default="lora", on_request=True),
            bias,
            Float(name="lora_dropout", low=0.0, high=0.3, default=0.05),
            Choice(name="lora_targets", options=targets, default="all-linear"),
            # A small model leaves room enough, and fewer bits only cost it time and quality.
            *_stored(
                bounds.quantizations if card.quantizable and card.parameters >= BASE else (),
                ("default", "gaussian", "pissa"),
                on_request=True,
            ),
            *trainings(card, bounds, usual=USUAL, from_probe=FROM_PROBE, from_random=FROM_RANDOM),
        )

    def trained_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """Two thin matrices beside each adapted one; about six square ones a layer where all are adapted."""
        matrices = 2 if values.get("lora_targets", "attention") == "attention" else 9
        return card.layers * matrices * 2 * card.hidden_size * as_int(values["lora_r"]) / card.parameters

    def stored_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """Quantisation shrinks the layers' matrices; embeddings stay as they are."""
        matrices = min(1.0, card.layers * 12 * card.hidden_size**2 / card.parameters)
        return 1 - matrices * (1 - STORED.get(str(values.get("quantization")), 1.0))

    def backward_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """All layers pass gradients on, but most weights need none: about two thirds of the full cost."""
        return 0.67

    def wrap(self, model: Any, card: ModelCard, values: Mapping[str, Scalar]) -> Any:
        """A peft model; its head and pooler are trained in full."""
        from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

        head = _head_modules(model)
        everywhere = values.get("lora_targets") == "all-linear" or not card.lora_targets
        init = values.get("lora_init", "default")
        alpha, is_rank_stabilised = scaling_of(values)
        if values.get("quantization", "none") != "none":
            # Checkpointing is the trial's own decision.
            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        config = LoraConfig(
            task_type=_task_type(model),
            r=values["lora_r"],
            lora_alpha=alpha,
            lora_dropout=values["lora_dropout"],
            bias=values["lora_bias"],
            target_modules="all-linear" if everywhere else list(card.lora_targets),
            exclude_modules=rf"(.*\.)?({'|'.join(head)})(\..*)?" if head else None,
            modules_to_save=head or None,
            init_lora_weights=True if init == "default" else init,
            use_rslora=is_rank_stabilised,
            use_dora=values.get("lora_variant") == "dora",
        )
        return get_peft_model(model, config)


def scaling_of(values: Mapping[str, Scalar]) -> tuple[float, bool]:
    """Return alpha, and whether it is divided by the rank's square root (rsLoRA) instead of the rank.

    Where nobody says otherwise, updates are scaled by 2 up to rank 32 (alpha of twice the rank: Biderman et al. 2024,
    arXiv 2405.09673), and beyond fall with the root of the rank, as rsLoRA's, so that large ranks train as stably
    (Kalajdzievski 2023, arXiv 2312.03732).
    """
    rank = as_int(values["lora_r"])
    variant = values.get("lora_variant")
    if "lora_alpha" in values:
        return as_float(values["lora_alpha"]), variant == "rslora"
    if variant == "rslora" or (variant is None and rank > LARGEST_PLAIN_RANK):
        return SCALE * LARGEST_PLAIN_RANK**0.5, True
    return SCALE * rank, False


def _stored(
    quantizations: tuple[str, ...], inits: tuple[str, ...], *, on_request: bool = False
) -> tuple[Parameter, ...]:
    """How adapters begin, and how the frozen weights are stored if there is a choice: PiSSA takes them apart, which
    quantised ones do not allow."""
    init = Choice(name="lora_init", options=inits, default=inits[0], on_request=on_request)
    if len(quantizations) < 2:
        return (init,)
    applicable = tuple(name for name in inits if name != "pissa")
    plain = replace(init, options=applicable, closed=True)
    branches = {name: Space(name, (init if name == "none" else plain,)) for name in quantizations}
    return (Branch(name="quantization", branches=branches, default="none"),)


def _task_type(model: Any) -> str:
    """What peft calls the kind of model."""
    kinds = {
        "ForSequenceClassification": "SEQ_CLS",
        "ForQuestionAnswering": "QUESTION_ANS",
        "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    }
    return next((kind for ending, kind in kinds.items() if type(model).__name__.endswith(ending)), "CAUSAL_LM")


def _head_modules(model: Any) -> list[str]:
    """Names of the modules outside the body, and of its pooler; none where the head only says words, which LoRA leaves
    as they are."""
    if model.get_output_embeddings() is not None:
        return []
    body = model.base_model
    outside = [
        name for name, child in model.named_children() if child is not body and any(True for _ in child.parameters())
    ]
    # A head that starts from a probe has a pooler without weights.
    poolers = [
        name for name, child in body.named_children() if name == "pooler" and any(True for _ in child.parameters())
    ]
    return outside + poolers


METHOD = Lora()
