"""Cards against the classes of transformers: built from published numbers on the meta device, which needs no memory."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.models.auto import modeling_auto

from tests.zoo.published import SHAPES
from xautolm.zoo import FAMILIES, ZOO
from xautolm.zoo.base import Family
from xautolm.zoo.folders import card_of_config

CLASSES = {
    "classify": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "regress": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "extract": modeling_auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
}
"""By form, the class that transformers has for each family."""


@pytest.mark.parametrize("name", SHAPES)
def test_a_card_has_the_numbers_of_the_published_configuration(name: str) -> None:
    card = ZOO.get(name)
    config = AutoConfig.for_model(**SHAPES[name])
    # A decoder's output layer is counted; that of an encoder-decoder is tied to its words in all that are here.
    auto_class = AutoModelForCausalLM if card.architecture == "decoder" else AutoModel
    with torch.device("meta"):
        model = auto_class.from_config(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == card.parameters
    plain = config.to_dict() | {"architectures": [type(model).__name__]}
    read = card_of_config(plain, name, path=None)
    numbers = ("family", "architecture", "hidden_size", "layers", "vocabulary")
    assert [getattr(read, field) for field in numbers] == [
        getattr(card, field) for field in numbers
    ]
    # What T5's kin was pretrained on is in no configuration.
    assert read.positions == card.positions or card.family == "mt5"


@pytest.mark.parametrize("name", SHAPES)
def test_lora_targets_are_linear_layers_of_the_model(name: str) -> None:
    card = ZOO.get(name)
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(**SHAPES[name]))
    linear = {
        path.rpartition(".")[2]
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    assert set(card.lora_targets) <= linear


@pytest.mark.parametrize("family", FAMILIES.things.values(), ids=lambda family: family.name)
def test_forms_are_absent_exactly_where_transformers_has_no_class(family: Family) -> None:
    forms = ("classify", "regress", "extract")
    if family.architecture != "encoder":
        # Whatever says words answers questions so.
        forms = ("classify", "regress")
    absent = [form for form in forms if family.name not in CLASSES[form]]
    assert list(family.absent_forms) == absent
