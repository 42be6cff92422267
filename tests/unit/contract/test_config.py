"""The training configuration."""

import math
from dataclasses import fields
from typing import Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.config import ParameterError, TrainingConfig
from chalicelib.contract.naming import camel

#: Typed in from the documentation: name, smallest and largest legal value, one value beyond each.
BOUNDS = [
    ("learning_rate", 1e-12, 10, 0, 10.1),
    ("epochs", 1, 1000, 0, 1001),
    ("batch_size", 2, 1024, 1, 1025),
    ("image_size", 32, 1024, 31, 1025),
    ("weight_decay", 0, 1, -0.1, 1.1),
    ("momentum", 0, 0.999, -0.1, 1),
    ("backbone_rate", 0, 1, -0.1, 1.1),
    ("warmup_epochs", 0, 100, -1, 101),
    ("label_smoothing", 0, 0.999, -0.1, 1),
    ("mixup", 0, 2, -0.1, 2.1),
    ("cutmix", 0, 2, -0.1, 2.1),
    ("validation_split", 0.001, 0.5, 0, 0.51),
    ("seed", 0, 2**32 - 1, -1, 2**32),
    ("early_stopping_patience", 0, 1000, -1, 1001),
    ("ema_decay", 0, 0.9999, -0.1, 1),
    ("cache_gigabytes", 0, 1000, -0.1, 1001),
    ("nodes", 1, 16, 0, 17),
    ("checkpoint_minutes", 0.1, 1440, 0, 1441),
    ("max_runtime_minutes", 1, 10080, 0, 10081),
]
CHOICES = [each for each in fields(TrainingConfig) if get_origin(each.type) is Literal]
NUMBERS = {
    name: st.integers(low, high) if isinstance(low, int) and name.endswith(("s", "e", "seed", "patience"))
    and name not in ("warmup_epochs",) else st.floats(low, high)
    for name, low, high, *_ in BOUNDS
}  # fmt: skip


@pytest.mark.parametrize(("name", "low", "high", "below", "above"), BOUNDS)
def test_each_bound_holds(name, low, high, below, above):
    """The ends of a range are taken, and what lies beyond them is refused by the parameter's name."""
    for value in (low, high):
        assert getattr(TrainingConfig(**{name: value}), name) == value
    for value in (below, above, math.nan, math.inf):
        with pytest.raises(ValueError, match=camel(name)):
            TrainingConfig(**{name: value})


def test_every_number_has_its_bounds_tested():
    """No numeric parameter is missing in the table above."""
    numeric = {each.name for each in fields(TrainingConfig) if each.metadata["bounds"]}
    assert numeric == {name for name, *_ in BOUNDS}


@pytest.mark.parametrize("field", CHOICES, ids=lambda each: each.name)
def test_choices_are_closed(field):
    """Each choice is taken, and any other word is refused with the list of them."""
    for choice in get_args(field.type):
        assert getattr(TrainingConfig(**{field.name: choice}), field.name) == choice
    with pytest.raises(ValueError, match=get_args(field.type)[0]):
        TrainingConfig(**{field.name: "vgg16"})


@given(st.fixed_dictionaries({}, optional=NUMBERS), st.booleans(), st.sampled_from(["adamw", "sgd"]))
def test_whatever_is_legal_resolves(numbers, pretrained, optimizer):
    """A legal configuration resolves to one without gaps that keeps what was given and comes back."""
    config = TrainingConfig(**numbers, pretrained=pretrained, optimizer=optimizer)
    resolved = config.resolved()
    assert all(getattr(resolved, each.name) is not None for each in fields(resolved))
    assert all(getattr(resolved, name) == value for name, value in numbers.items())
    assert TrainingConfig.from_json(resolved.to_json()) == resolved
    assert resolved.resolved() == resolved


def test_defaults_suit_the_other_parameters():
    """Training from scratch gets another rate and more epochs, and SGD a decay of its own unless told."""
    fine = TrainingConfig().resolved()
    scratch = TrainingConfig(pretrained=False).resolved()
    assert scratch.learning_rate != fine.learning_rate
    assert scratch.epochs > fine.epochs
    assert TrainingConfig(optimizer="sgd").resolved().weight_decay < fine.weight_decay
    assert TrainingConfig(optimizer="sgd", weight_decay=0).resolved().weight_decay == 0


def test_transformer_takes_whole_patches():
    """vit_b_16 sees patches of 16 pixels: other sizes are refused by the parameter's name."""
    assert TrainingConfig(architecture="vit_b_16", image_size=96).resolved().image_size == 96
    assert TrainingConfig(architecture="resnet18", image_size=100).image_size == 100
    with pytest.raises(ParameterError, match=r"^imageSize is a multiple of 16") as caught:
        TrainingConfig(architecture="vit_b_16", image_size=100)
    assert caught.value.parameter == "imageSize"


def test_unknown_parameters_are_named():
    """A document with a parameter of another release is refused by its name."""
    with pytest.raises(ValueError, match="dropout"):
        TrainingConfig.from_json({"dropout": 0.5, "epochs": 3})


def test_every_parameter_is_explained():
    """Each parameter says what it means, since the API's documentation is made of that."""
    assert all(each.metadata["doc"] for each in fields(TrainingConfig))
