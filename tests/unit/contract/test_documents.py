"""Object keys, results and names."""

from dataclasses import replace

import pytest

from chalicelib.contract import objects
from chalicelib.contract.naming import camel, pascal
from chalicelib.contract.records import INGEST_FAILED, Configuration
from chalicelib.contract.results import (
    Artifact,
    ClassFigures,
    ConfusionMatrix,
    Mistake,
    ModelDetails,
    Results,
    to_json,
)
from chalicelib.schemas.training import ResultsAnswer
from tests.support import NOW, make_image


@pytest.fixture
def results() -> Results:
    details = ModelDetails(
        architecture="resnet18",
        parameters=11,
        size_bytes=44,
        input_size=[3, 224, 224],
        classes=["cat", "dog"],
        summary="",
        framework="torch",
        dataset_hash="h",
        pretrained=True,
        train_images=8,
        val_images=2,
        epochs_trained=3,
        best_epoch=2,
    )
    return Results(
        accuracy=0.5,
        loss=0.7,
        confusion_matrix=ConfusionMatrix(classes=["cat", "dog"], matrix=[[1, 0], [1, 0]]),
        per_class=[ClassFigures(class_="cat", precision=0.5, recall=1, f1=2 / 3, support=1)],
        misclassified=[Mistake(image_id="I", file_name="a", true="dog", predicted="cat", confidence=0.9)],
        model_details=details,
        artifacts=[Artifact(format="onnx", key="projects/P/model.onnx", sha256="s", size_bytes=4)],
        warnings=[],
    )


def test_results_are_what_the_api_answers(results):
    """The document, with URLs for keys, is exactly what the API's model takes and gives."""
    document = to_json(results)
    document["artifacts"][0]["url"] = document["artifacts"][0].pop("key")
    document["misclassified"][0]["thumbnailUrl"] = "u"
    assert ResultsAnswer.model_validate(document).model_dump(by_alias=True) == document
    assert document["perClass"][0]["class"] == "cat"
    assert document["confusionMatrix"]["matrix"] == [[1, 0], [1, 0]]


def test_an_incoming_key_comes_apart():
    """The key under which a file lands gives back its three ids, and begins with the upload's prefix."""
    key = objects.incoming_key("P", "U", "I")
    assert key == "incoming/P/U/I"
    assert key.startswith(objects.incoming_prefix("P", "U"))
    assert objects.IncomingKey.parse(key) == objects.IncomingKey("P", "U", "I")


@pytest.mark.parametrize("key", ["", "incoming/P/U", "incoming/P/U/I/J", "projects/P/U/I", "/incoming/P/U/I"])
def test_other_keys_are_no_incoming_keys(key):
    """A key of another form is None, not an error."""
    assert objects.IncomingKey.parse(key) is None


def test_keys_of_a_project_stand_below_it():
    """Images, thumbnails and what runs leave behind are told apart by their prefix."""
    assert objects.image_key("P", "I") == "projects/P/images/I"
    assert objects.thumbnail_key("P", "I") == "projects/P/thumbnails/I"
    assert objects.session_key("P", "S", objects.RESULTS) == "projects/P/sessions/S/results.json"


@pytest.mark.parametrize(
    ("snake", "json", "attribute"),
    [("project_id", "projectId", "ProjectID"), ("etag", "etag", "ETag"), ("f1", "f1", "F1")],
)
def test_a_name_has_three_spellings(snake, json, attribute):
    """Python's, JSON's and DynamoDB's spelling of one name."""
    assert (camel(snake), pascal(snake)) == (json, attribute)


def test_only_our_own_failures_may_be_retried():
    """A file that was refused for what it is stays refused."""
    image = make_image("P")
    failed = replace(image, reject_reason={"code": INGEST_FAILED, "message": ""})
    refused = replace(image, reject_reason={"code": "undecodable", "message": ""})
    assert [each.may_be_retried for each in (image, failed, refused)] == [False, True, False]


def test_a_configuration_is_read_back_whole():
    """The three columns and the other parameters make one document again."""
    stored = Configuration(
        project_id="P",
        config_id="C",
        learning_rate=0.1,
        epochs=2,
        batch_size=4,
        other_parameters={"seed": 7},
        created_at=NOW,
    )
    assert stored.to_json() == {"learningRate": 0.1, "epochs": 2, "batchSize": 4, "seed": 7}
