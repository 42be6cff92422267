"""The one judgement of a data set, for start and for the summary."""

import pytest

from chalicelib.services.readiness import judge

TWO = {"cat": 2, "dog": 2}


def judged(classes=TWO, splits=None, *, images=None, task_type="classification"):
    labelled = sum(classes.values())
    return judge(task_type, labelled if images is None else images, labelled, classes, splits or {})


def codes(reasons) -> list[str]:
    return [each.code for each in reasons]


def test_two_classes_of_two_images_are_ready():
    """The smallest data set that can be trained on has no problem and no warning."""
    readiness = judged()
    assert readiness.ready
    assert readiness.problems == readiness.warnings == []


@pytest.mark.parametrize("classes", [{}, {"cat": 9}, {"cat": 2, "dog": 1}, {"a": 1, "b": 1, "c": 1}], ids=str)
def test_less_is_not_trainable(classes):
    """Under two classes of two images there is one problem, with what to do about it."""
    readiness = judged(classes)
    assert not readiness.ready
    assert codes(readiness.problems) == ["not-trainable"]
    assert readiness.problems[0].hint


def test_a_thousand_classes_are_the_most():
    """One class more is a problem of its own."""
    classes = {str(number): 2 for number in range(1000)}
    assert judged(classes).ready
    assert codes(judged(classes | {"one more": 2}).problems) == ["too-many-classes"]


@pytest.mark.parametrize(
    ("classes", "ready"), [({"cat": 2}, True), ({"cat": 1, "dog": 1}, False), ({}, False)]
)
def test_one_class_in_two_images_is_enough_for_detection(classes, ready):
    """A detector tells a class from the background, so one is enough; it needs an image to validate with."""
    readiness = judged(classes, task_type="detection")
    assert readiness.ready == ready
    assert codes(readiness.problems) == ([] if ready else ["not-trainable"])


@pytest.mark.parametrize(
    ("task_type", "learnable", "ready"),
    [
        ("classification", 1, False),
        ("classification", 2, True),
        ("classification", None, True),
        ("detection", 0, False),
        ("detection", 1, True),
    ],
)
def test_classes_need_images_to_train_on(task_type, learnable, ready):
    """Classes whose images are all kept for val or test don't count; where nobody counted, nobody knows."""
    readiness = judge(task_type, 4, 4, TWO, {}, learnable)
    assert codes(readiness.problems) == ([] if ready else ["too-few-trained-classes"])


def test_no_classes_are_one_problem():
    """An empty project lacks classes, and not images of theirs to train on besides."""
    assert codes(judge("classification", 0, 0, {}, {}, learnable=0).problems) == ["not-trainable"]


def test_no_detector_is_advised_to_weigh_classes():
    """The advice on imbalance names a parameter that the project's task has."""
    [warning] = judged({"cat": 20, "dog": 2}, task_type="detection").warnings
    assert "classWeights" not in warning.message


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({}, []),
        ({"train": 3}, []),
        ({"test": 3}, []),
        ({"val": 3}, []),
        ({"train": 2, "val": 2}, []),
        ({"train": 1, "val": 1, "test": 2}, []),
        ({"train": 4}, ["no-validation-images"]),
        ({"train": 1, "test": 3}, ["no-validation-images"]),
        ({"val": 4}, ["no-training-images"]),
        ({"test": 4}, ["no-training-images"]),
        ({"val": 1, "test": 3}, ["no-training-images"]),
    ],
    ids=str,
)
def test_splits_leave_something_on_both_sides(splits, expected):
    """Of four labelled images, those without a split go where none was given; without such, none does."""
    assert codes(judged(splits=splits).problems) == expected


def test_warnings_hinder_nothing():
    """Unlabelled images, classes of one image and a large imbalance are said, and training may start."""
    readiness = judged({"cat": 20, "dog": 2, "newt": 1}, images=25)
    assert readiness.ready
    assert codes(readiness.warnings) == ["unlabelled-images", "single-image-classes", "imbalanced-classes"]
    assert "2 of 25" in readiness.warnings[0].message
    assert "newt" in readiness.warnings[1].message
