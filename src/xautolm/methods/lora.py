"""LoRA (Hu et al., 2021), its variants rsLoRA and DoRA, and QLoRA (Dettmers et al., 2023), by peft."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.methods.base import BASE, head_starts, learning_rate
from xautolm.records import ModelCard, Scalar
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space
from xautolm.space.presets import Bounds

STORED: Mapping[str, float] = {"8bit": 0.25, "4bit": 0.13}
"""Size of quantised matrices, constants for scaling included, as a share of float32."""


class Lora:
    """Low-rank adapters on linear layers, and the head; merged into the weights when saved.

    The frozen weights of a large model can be stored with 8 or 4 bits (QLoRA) where the machine allows.
    """

    name = "lora.v1"
    title = "low-rank adapters and head"
    trains_body = False
    trains_by_gradient = True
    reads_training_split = True
    presets = ("default", "paper")

    def problem(self, card: ModelCard, form: str) -> str:
        """Needs a body that already knows something."""
        return "a model trained from scratch has nothing worth adapting" if card.origin == "scratch" else ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Rank, scaling, dropout, targets, bias, initialisation, variant, and how the frozen weights are stored."""
        shared: tuple[Parameter, ...] = (
            Choice(name="lora_alpha", options=(8, 16, 32, 64), default=16),
            Choice(name="lora_bias", options=("none", "all", "lora_only"), default="none"),
        )
        if preset == "paper":
            # The paper also has `loftq`, which initialises from quantised weights and does not run without them.
            return (
                Int(name="lora_r", low=1, high=32, default=8),
                *shared,
                Choice(name="lora_dropout", options=(0.0, 0.1, 0.2, 0.3), default=0.1),
                *_stored(
                    bounds.quantizations if card.quantizable and bounds.form == "generate" else (),
                    ("gaussian", "pissa"),
                ),
            )
        targets = ("attention", "all-linear") if card.lora_targets else ("all-linear",)
        return (
            Int(name="lora_r", low=2, high=64, default=8, log=True),
            *shared,
            Float(name="lora_dropout", low=0.0, high=0.3, default=0.05),
            Choice(name="lora_targets", options=targets, default="all-linear"),
            # A small model leaves room enough, and fewer bits only cost it time and quality.
            *_stored(
                bounds.quantizations if card.quantizable and card.parameters >= BASE else (),
                ("default", "gaussian", "pissa"),
            ),
            Choice(name="lora_variant", options=("lora", "rslora", "dora"), default="lora"),
            *head_starts(card, bounds),
            learning_rate(card, (1e-4, 2e-3, 7e-4), shrink=0.6),
            Int(name="epochs", low=2, high=8, default=4),
        )

    def trained_share(self, card: ModelCard, values: Mapping[str, Scalar]) -> float:
        """Two thin matrices beside each adapted one; about six square ones a layer where all are adapted."""
        matrices = 2 if values.get("lora_targets", "attention") == "attention" else 9
        return card.layers * matrices * 2 * card.hidden_size * int(str(values["lora_r"])) / card.parameters

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
        variant = values.get("lora_variant", "lora")
        if values.get("quantization", "none") != "none":
            # Checkpointing is the trial's own decision.
            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        config = LoraConfig(
            task_type=_task_type(model),
            r=values["lora_r"],
            lora_alpha=values["lora_alpha"],
            lora_dropout=values["lora_dropout"],
            bias=values["lora_bias"],
            target_modules="all-linear" if everywhere else list(card.lora_targets),
            exclude_modules=rf"(.*\.)?({'|'.join(head)})(\..*)?" if head else None,
            modules_to_save=head or None,
            init_lora_weights=True if init == "default" else init,
            use_rslora=variant == "rslora",
            use_dora=variant == "dora",
        )
        return get_peft_model(model, config)


def _stored(quantizations: tuple[str, ...], inits: tuple[str, ...]) -> tuple[Parameter, ...]:
    """How adapters begin, and how the frozen weights are stored if there is a choice: PiSSA takes them apart, which
    quantised ones do not allow."""
    init = Choice(name="lora_init", options=inits, default=inits[0])
    if len(quantizations) < 2:
        return (init,)
    plain = Choice(name="lora_init", options=tuple(one for one in inits if one != "pissa"), default=inits[0])
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
