import pytest
import torch
from scenes import make_objects

from chalicelib.contract.manifest import Entry
from training_job.detection.evaluate import (
    average_precision,
    class_figures,
    confusion,
    mistakes,
    pairs,
)
from training_job.detection.model import Found

LEFT, RIGHT = (0.0, 0.0, 0.4, 0.5), (0.5, 0.0, 1.0, 1.0)
NAMES = ["cat", "dog"]
#: A cat that is found, a dog that is taken for a cat, and an image of nothing in which a dog is found.
OBJECTS = [make_objects(LEFT, RIGHT, labels=[1, 2]), make_objects()]


def found(*boxes: tuple[tuple[float, ...], float, int]) -> Found:
    ordered = sorted(boxes, key=lambda each: -each[1])
    return Found(
        torch.tensor([box for box, _, _ in ordered]).view(-1, 4),
        torch.tensor([score for _, score, _ in ordered]),
        torch.tensor([label for _, _, label in ordered], dtype=torch.int64),
    )


SEEN = [found((LEFT, 0.9, 1), (RIGHT, 0.8, 1), (RIGHT, 0.3, 2)), found((LEFT, 0.6, 2))]


def test_perfect_boxes_have_a_precision_of_one() -> None:
    """Every object found in its place, by its class: all three figures are 1."""
    perfect = [found((LEFT, 0.9, 1), (RIGHT, 0.8, 2)), found()]
    mean, mean50, classes = average_precision(perfect, OBJECTS)
    assert (mean, mean50) == pytest.approx((1, 1))
    assert classes == pytest.approx({1: 1, 2: 1})


def test_precision_falls_with_what_is_wrong() -> None:
    """The dog is found behind a surer box of nothing, so its precision is half; the cat's stays whole."""
    _, mean50, classes = average_precision(SEEN, OBJECTS, [0.5])
    assert classes == pytest.approx({1: 1, 2: 0.5}, abs=0.01)
    assert mean50 == pytest.approx(0.75, abs=0.01)


def test_a_loose_box_counts_at_a_half_alone() -> None:
    """A box with an IoU of 0.6 is right at 0.5 and wrong at most thresholds of the mean."""
    loose = [found(((0.0, 0.0, 0.4, 0.3), 0.9, 1))]
    mean, mean50, _ = average_precision(loose, [make_objects(LEFT)])
    assert mean50 == pytest.approx(1)
    assert mean == pytest.approx(0.3, abs=0.11)


def test_nothing_found_of_nothing_is_zero() -> None:
    """Without objects there is no precision: it is 0, and of no class."""
    assert average_precision([found()], [make_objects()]) == (0, 0, {})


def test_confusions_have_a_background() -> None:
    """Rows are true, columns predicted, the background last: a hit, a mix-up, and a false alarm."""
    matrix = confusion(pairs(SEEN, OBJECTS), NAMES)
    assert matrix.classes == ["cat", "dog", "background"]
    assert matrix.matrix == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_missed_objects_are_in_the_last_column() -> None:
    """An object without a sure box is missed: how surely, a weak box on it says."""
    weak, none = pairs([found((LEFT, 0.2, 1))], [make_objects(LEFT)]), pairs([found()], [make_objects(LEFT)])
    assert confusion(weak, NAMES).matrix == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert [each.confidence for each in (*weak, *none)] == pytest.approx([0.8, 1])


def test_an_object_is_found_once() -> None:
    """A second box on the same object is a box of nothing."""
    twice = pairs([found((LEFT, 0.9, 1), (LEFT, 0.8, 1))], [make_objects(LEFT)])
    assert confusion(twice, NAMES).matrix == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_the_own_class_comes_first() -> None:
    """Of two objects under a box it is taken for the one of its class, though the other fits better."""
    objects = [make_objects((0.0, 0.0, 0.4, 0.5), (0.0, 0.0, 0.4, 0.45), labels=[1, 2])]
    [first, missed] = pairs([found(((0.0, 0.0, 0.4, 0.5), 0.9, 2))], objects)
    assert (first.true, first.predicted) == (2, 2)
    assert (missed.true, missed.predicted) == (1, 0)


def test_class_figures_come_from_the_matrix() -> None:
    """Precision over what was predicted, recall over what is there, and 0 where there is neither."""
    cat, dog = class_figures(confusion(pairs(SEEN, OBJECTS), NAMES), {1: 0.8}, {1: 0.9})
    assert (cat.precision, cat.recall, cat.support) == (0.5, 1, 1)
    assert cat.f1 == pytest.approx(2 / 3)
    assert (dog.precision, dog.recall, dog.f1, dog.support) == (0, 0, 0, 1)
    assert (cat.average_precision, cat.average_precision50, dog.average_precision) == (0.8, 0.9, None)


def test_mistakes_are_in_pixels_the_surest_first() -> None:
    """Each wrong box with its image, both classes, and its place in the upright image."""
    size = {"sha256": "", "size_bytes": 1, "width": 200, "height": 100}
    entries = [Entry(image_id=each, file_name=f"{each}.png", label=[], **size) for each in "ab"]
    first, second = mistakes(pairs(SEEN, OBJECTS), entries, NAMES)
    assert (first.image_id, first.true, first.predicted) == ("a", "dog", "cat")
    assert first.box == [100, 0, 100, 100]
    assert (second.image_id, second.true, second.predicted) == ("b", "background", "dog")
    assert second.confidence == pytest.approx(0.6)
