"""Trying models out, by the fake and by the predictor's own process behind Lambda's Invoke."""

from collections.abc import Callable

import pytest

from chalicelib.bootstrap import Ports
from chalicelib.contract.errors import ConflictError, RejectedImageError
from chalicelib.services.prediction_ports import Classified, Detected, Detection, Prediction
from infra.local.aws import EmbeddedAws
from tests import models
from tests.fake_predictor import FakePredictor
from tests.images import coloured
from tests.support import new_id

#: A pair that says the same, and one of another class.
SCORES = [[0.9, 0, 0], [0.8, 0, 0], [0, 0, 0.75]]
CORNERS = [[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.4], [0.25, 0.5, 1, 1]]
FOUND = Detected(
    (Detection("red", 0.9, (0, 0, 10, 20)), Detection("blue", 0.75, (5, 20, 15, 20))), width=20, height=40
)
SAID = Classified((Prediction("green", 1.0), Prediction("red", 0.0), Prediction("blue", 0.0)))
Leave = Callable[[str], str]


@pytest.fixture
def leave(ports: Ports, request: pytest.FixtureRequest) -> Leave:
    """Leaves a model of a kind, and returns the key of its results."""

    def left(kind: str) -> str:
        if isinstance(ports.predictor, FakePredictor):
            key = f"results-{kind}"
            ports.predictor.models[key] = FOUND if kind == "boxes" else SAID
            return key
        stack: EmbeddedAws = request.getfixturevalue("stack")
        objects = models.boxes(SCORES, CORNERS) if kind == "boxes" else models.colours()
        prefix = f"projects/{new_id()}/sessions/{new_id()}/1-1/"
        return models.put(stack.client("s3"), stack.outputs["Bucket"], prefix, objects)

    return left


def test_a_classifier_says_classes(ports: Ports, leave: Leave) -> None:
    """The likeliest class comes first, and the probabilities are those of its logits."""
    said = ports.predictor.predict(leave("colours"), coloured((0, 255, 0), (20, 40)))
    assert isinstance(said, Classified)
    assert said.predictions[0].label == "green"
    assert said.predictions[0].probability == pytest.approx(1, abs=1e-3)
    assert sorted(each.label for each in said.predictions) == ["blue", "green", "red"]


def test_a_detector_says_boxes(ports: Ports, leave: Leave) -> None:
    """Boxes are in pixels of the image, and of two that say the same there is one."""
    said = ports.predictor.predict(leave("boxes"), coloured((9, 9, 9), (20, 40)))
    assert isinstance(said, Detected)
    assert (said.width, said.height) == (20, 40)
    assert [each.label for each in said.detections] == ["red", "blue"]
    for found, wanted in zip(said.detections, FOUND.detections, strict=True):
        assert (found.score, *found.box) == pytest.approx((wanted.score, *wanted.box), abs=1e-5)


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty-file"), (b"no image at all", "unsupported-format")]
)
def test_what_is_no_image_is_refused(ports: Ports, leave: Leave, content: bytes, code: str) -> None:
    """The file is to blame, with the code that an upload of it has."""
    with pytest.raises(RejectedImageError) as caught:
        ports.predictor.predict(leave("colours"), content)
    assert caught.value.code == code


def test_a_model_that_is_gone_is_said_to_be(ports: Ports) -> None:
    """Results that nobody has are a conflict, as where they are asked for."""
    with pytest.raises(ConflictError) as caught:
        ports.predictor.predict(
            f"projects/{new_id()}/sessions/gone/results.json", coloured((1, 2, 3), (4, 4))
        )
    assert caught.value.code == "results-gone"
