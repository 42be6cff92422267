import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix as sklearn_matrix
from sklearn.metrics import log_loss, precision_recall_fscore_support
from tiny import CPU, make_config, make_dataset, make_entries
from torch import nn

from training_job import evaluate
from training_job.evaluate import (
    accuracy_of,
    class_figures,
    confusion_matrix,
    held_out,
    judge,
    loss_of,
    mistakes,
    predict,
)
from training_job.loader import EvalLoader


def test_confusion_matrix_by_hand() -> None:
    """Rows are true classes and columns predicted ones."""
    matrix = confusion_matrix(torch.tensor([1, 1, 0, 2]), torch.tensor([1, 0, 0, 0]), 3)
    assert matrix.tolist() == [[1, 1, 1], [0, 1, 0], [0, 0, 0]]


def test_held_out_figures_by_hand() -> None:
    """Of three images one is taken for another class; the loss is in nats."""
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    figures = held_out(logits, torch.tensor([0, 0, 1]))
    assert (figures.images, figures.accuracy) == (3, pytest.approx(2 / 3))
    assert figures.loss == pytest.approx(np.log(2))


def test_class_figures_by_hand() -> None:
    """Precision, recall, F1 and support of a class that is half found, and of one that never is."""
    first, second = class_figures(torch.tensor([[2, 2], [2, 0]]), ["a", "b"])
    assert (first.class_, first.precision, first.recall, first.f1, first.support) == ("a", 0.5, 0.5, 0.5, 4)
    assert (second.precision, second.recall, second.f1, second.support) == (0, 0, 0, 2)


def test_figures_are_scikit_learns() -> None:
    """On random predictions every figure is the one that scikit-learn computes."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 4, generator=generator)
    labels, predicted = torch.randint(0, 4, (200,), generator=generator), logits.argmax(1)
    matrix = confusion_matrix(predicted, labels, 4)
    np.testing.assert_array_equal(matrix, sklearn_matrix(labels, predicted))
    theirs = np.array(precision_recall_fscore_support(labels, predicted, zero_division=0))
    ours = [(each.precision, each.recall, each.f1, each.support) for each in class_figures(matrix, "abcd")]
    np.testing.assert_allclose(np.array(ours).T, theirs, rtol=1e-6)
    assert loss_of(logits, labels) == pytest.approx(log_loss(labels, logits.double().softmax(1)), rel=1e-4)
    assert accuracy_of(logits, labels) == pytest.approx(float((predicted == labels).float().mean()))


def test_judgement_holds_together() -> None:
    """The accuracy, the matrix's diagonal and the images that are named as mistakes agree."""
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    judgement = judge(logits, torch.tensor([0, 1, 1, 1]), make_entries(*"abbb"), ["a", "b"])
    assert judgement.scores.accuracy == 0.75
    assert judgement.scores.loss == pytest.approx(np.log(1 + np.exp(-2)) + 2 / 4)
    assert judgement.confusion_matrix.matrix == [[1, 0], [1, 2]]
    assert [each.file_name for each in judgement.misclassified] == ["1.png"]
    assert [each.support for each in judgement.per_class] == [1, 3]
    assert judgement.detection is None


def test_mistakes_are_sorted_by_confidence() -> None:
    """The misclassified images come with what they were taken for, the surest mistake first."""
    logits = torch.tensor([[0.0, 1.0], [5.0, 0.0], [0.0, 4.0], [0.0, 9.0]])
    labels = torch.tensor([0, 0, 0, 1])
    found = mistakes(logits, labels, make_entries(*"aaab"), ["a", "b"])
    assert [(each.file_name, each.true, each.predicted) for each in found] == [
        ("2.png", "a", "b"),
        ("0.png", "a", "b"),
    ]
    assert found[0].confidence == pytest.approx(0.982, abs=1e-3)


def test_mistakes_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more mistakes than the cap are kept, and those are the surest."""
    monkeypatch.setattr(evaluate, "MAX_MISTAKES", 2)
    logits = torch.tensor([[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])
    found = mistakes(logits, torch.zeros(3, dtype=torch.int64), make_entries(*"aaa"), ["a", "b"])
    assert [each.file_name for each in found] == ["1.png", "2.png"]


def test_predict_goes_through_all_images_in_order() -> None:
    """Logits come in the order of the images, and the share that is done grows to one."""
    dataset, shares = make_dataset(5), []
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()).train()
    logits = predict(model, EvalLoader.of(dataset, make_config(batch_size=2), CPU), shares.append)
    torch.testing.assert_close(logits, dataset.images.float().mean((1, 2)) / 255)
    assert shares == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]
    assert not model.training
