"""Configuring, starting, watching, stopping and collecting over the API."""

import json
from typing import Any

import pytest
import urllib3

from chalicelib.contract.attributes import marshal
from chalicelib.contract.objects import RESULTS, session_key
from chalicelib.contract.results import (
    Artifact,
    ClassFigures,
    ConfusionMatrix,
    DataWarning,
    DetectionFigures,
    HeldOut,
    Mistake,
    ModelDetails,
    Results,
    RunFigures,
    to_json,
)
from infra.local.aws import EmbeddedAws
from tests.images import image
from tests.integration.conftest import Api


@pytest.fixture
def trainable(api: Api) -> str:
    """The path of a project that can be trained on."""
    project = api.project()
    api.send_files(f"{project}/data/images", [(f"{n}.png", image(n)) for n in range(4)])
    labels = {f"{n}.png": "ab"[n % 2] for n in range(4)}
    assert api.call("POST", f"{project}/data/labels", {"labels": labels}).json["summary"]["updated"] == 4
    return project


def test_configuration_fills_in_defaults(api: Api) -> None:
    """What is left out gets a default that suits the rest; GET answers what PUT stored."""
    project = api.project()
    stored = api.call("PUT", f"{project}/training/configure", {"epochs": 3, "pretrained": False})
    assert stored.status == 200
    assert stored.json["epochs"] == 3
    assert stored.json["learningRate"] > 0
    assert stored.json["batchSize"] >= 1
    assert api.call("GET", f"{project}/training/configure").json == stored.json

    again = api.call("PUT", f"{project}/training/configure", {"batchSize": 8}).json
    assert again["configId"] != stored.json["configId"]
    assert api.call("GET", f"{project}/training/configure").json["batchSize"] == 8


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("learningRate", 0),
        ("learningRate", 11),
        ("learningRate", 5e-324),
        ("checkpointMinutes", 5e-324),
        ("validationSplit", 1e-200),
        ("learningRate", "0.1"),
        ("epochs", 0),
        ("epochs", 1001),
        ("epochs", 1.5),
        ("batchSize", 0),
        ("batchSize", True),
        ("architecture", "resnet999"),
        ("imageSize", 31),
        ("validationSplit", 0.6),
        ("labelSmoothing", 1),
        ("seed", -1),
        ("nonsense", 1),
    ],
)
def test_wrong_parameter_is_named(api: Api, parameter: str, value: Any) -> None:
    """A value out of its bounds, of the wrong type or with an unknown name is 422 with its pointer."""
    answer = api.call("PUT", f"{api.project()}/training/configure", {parameter: value})
    assert (answer.status, answer.problem()) == (422, "invalid-fields")
    assert [each["pointer"].split("/")[1] for each in answer.json["errors"]] == [parameter]


def test_start_queues_a_job(api: Api, trainable: str, stack: EmbeddedAws) -> None:
    """202 with the status URL; AWS Batch has one job, named by the session."""
    answer = api.call("POST", f"{trainable}/training/start")
    assert answer.status == 202
    session = answer.json["sessionId"]
    assert answer.json == {"sessionId": session, "status": "queued"}
    assert answer.headers["Location"] == f"{trainable}/training/{session}/status"
    assert int(answer.headers["Retry-After"]) > 0
    assert len(_jobs(stack, session)) == 1

    status = api.call("GET", answer.headers["Location"])
    assert {
        "sessionId",
        "status",
        "progress",
        "phase",
        "metrics",
        "etaSeconds",
        "startTime",
    } <= status.json.keys()
    assert {"endTime", "failure"} <= status.json.keys()
    assert api.call("GET", f"{trainable}/training").json["items"][0]["sessionId"] == session


def _jobs(stack: EmbeddedAws, session: str) -> list[dict[str, Any]]:
    found = stack.client("batch").list_jobs(
        jobQueue=stack.outputs["JobQueue"], filters=[{"name": "JOB_NAME", "values": [session]}]
    )
    return list(found["jobSummaryList"])


def test_start_with_the_same_key_starts_once(api: Api, trainable: str, stack: EmbeddedAws) -> None:
    """A repeated request answers the same session; the same key with another body is refused."""
    first = api.call("POST", f"{trainable}/training/start", Idempotency_Key="k1")
    again = api.call("POST", f"{trainable}/training/start", Idempotency_Key="k1")
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.call("GET", f"{trainable}/training").json["items"]) == 1

    other = api.call("POST", f"{trainable}/training/start", {"versionId": "v"}, Idempotency_Key="k1")
    assert (other.status, other.problem()) == (422, "idempotency-key-reused")
    assert api.call("POST", f"{trainable}/training/start", Idempotency_Key="k2").json != first.json


def test_start_without_data_says_what_is_missing(api: Api) -> None:
    """422 with the counts, and no session."""
    project = api.project()
    api.send_files(f"{project}/data/images", [(f"{n}.png", image(n)) for n in range(3)])
    api.call("POST", f"{project}/data/labels", {"labels": {"0.png": "a", "1.png": "a", "2.png": "b"}})
    answer = api.call("POST", f"{project}/training/start")
    assert (answer.status, answer.problem()) == (422, "not-trainable")
    assert answer.json["counts"] == {"labelled": 3, "classes": {"a": 2, "b": 1}, "splits": {}}
    assert api.call("GET", f"{project}/training").json["items"] == []


def test_stop_ends_a_queued_run(api: Api, trainable: str) -> None:
    """A run that hasn't begun ends at once; a second stop answers the same."""
    session = api.call("POST", f"{trainable}/training/start").json["sessionId"]
    for _ in range(2):
        answer = api.call("POST", f"{trainable}/training/{session}/stop")
        assert (answer.status, answer.json["status"]) == (202, "stopped")
    results = api.call("GET", f"{trainable}/training/{session}/results")
    assert (results.status, results.problem()) == (409, "run-stopped")


def test_results_before_the_end_say_when_to_ask(api: Api, trainable: str) -> None:
    """409 with Retry-After while the run goes on."""
    session = api.call("POST", f"{trainable}/training/start").json["sessionId"]
    answer = api.call("GET", f"{trainable}/training/{session}/results")
    assert (answer.status, answer.problem()) == (409, "run-not-over")
    assert int(answer.headers["Retry-After"]) > 0


def test_unchanged_status_costs_no_body(api: Api, trainable: str) -> None:
    """With its ETag an unchanged status is 304 and empty; a change gives another ETag."""
    session = api.call("POST", f"{trainable}/training/start").json["sessionId"]
    path = f"{trainable}/training/{session}/status"
    first = api.call("GET", path)
    second = api.call("GET", path, If_None_Match=first.headers["ETag"])
    assert (second.status, second.body) == (304, b"")
    api.call("POST", f"{trainable}/training/{session}/stop")
    assert api.call("GET", path, If_None_Match=first.headers["ETag"]).status == 200


def _set(stack: EmbeddedAws, project: str, session: str, **values: Any) -> None:
    """Writes to the session's row as the container would."""
    key = marshal({"ProjectID": project.rsplit("/", 1)[1], "SessionID": session})
    stack.client("dynamodb").update_item(
        TableName=stack.outputs["TablePrefix"] + "TrainingSessions",
        Key=key,
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
        ExpressionAttributeNames={f"#{name}": name for name in values},
        ExpressionAttributeValues={f":{name}": value for name, value in marshal(values).items()},
    )


def test_failed_run_gives_its_reason(api: Api, trainable: str, stack: EmbeddedAws) -> None:
    """Status and results both say why."""
    session = api.call("POST", f"{trainable}/training/start").json["sessionId"]
    reason = {"code": "non-finite-loss", "message": "the loss became infinite in epoch 3"}
    _set(stack, trainable, session, Status="failed", FailureReason=reason)
    assert api.call("GET", f"{trainable}/training/{session}/status").json["failure"] == reason
    answer = api.call("GET", f"{trainable}/training/{session}/results")
    assert (answer.status, answer.problem(), answer.json["failure"]) == (409, "run-failed", reason)


def test_history_gives_every_epoch(api: Api, trainable: str, stack: EmbeddedAws) -> None:
    """`?history=true` adds each epoch's metrics, in order."""
    session = api.call("POST", f"{trainable}/training/start").json["sessionId"]
    names = (
        "TrainLoss",
        "TrainAccuracy",
        "ValLoss",
        "ValAccuracy",
        "LearningRate",
        "ImagesPerSecond",
        "EpochSeconds",
    )
    for epoch in (2, 10, 1):
        values = {"SessionID": session, "Epoch": epoch, "CreatedAt": "now", "ExpiresAt": 2**31}
        stack.client("dynamodb").put_item(
            TableName=stack.outputs["TablePrefix"] + "TrainingMetrics",
            Item=marshal(values | dict.fromkeys(names, epoch / 10)),
        )
    _set(stack, trainable, session, Metrics={"epoch": 10})
    path = f"{trainable}/training/{session}/status"
    history = api.call("GET", f"{path}?history=true").json["history"]
    assert [each["epoch"] for each in history] == [1, 2, 10]
    assert history[2]["valAccuracy"] == 1.0
    assert "history" not in api.call("GET", path).json


def _completed(api: Api, project: str, stack: EmbeddedAws, without: tuple[str, ...] = ()) -> Any:
    """What the API answers of a run whose results lack some members."""
    session = api.call("POST", f"{project}/training/start").json["sessionId"]
    project_id = project.rsplit("/", 1)[1]
    key, results_key = (session_key(project_id, session, name) for name in ("artifacts/model.onnx", RESULTS))
    document = {name: value for name, value in _results(key).items() if name not in without}
    s3, bucket = stack.client("s3"), stack.outputs["Bucket"]
    s3.put_object(Bucket=bucket, Key=results_key, Body=json.dumps(document).encode())
    s3.put_object(Bucket=bucket, Key=key, Body=b"weights")
    _set(stack, project, session, Status="completed", ResultsKey=results_key)
    return session, api.call("GET", f"{project}/training/{session}/results")


def test_results_are_the_documents_with_urls(api: Api, trainable: str, stack: EmbeddedAws) -> None:
    """Every member of the container's document comes back, with a URL in place of each key."""
    session, answer = _completed(api, trainable, stack)
    assert answer.status == 200
    answered, document = answer.json, _results("")
    [artifact] = answered.pop("artifacts")
    assert urllib3.request("GET", artifact.pop("url")).data == b"weights"
    [signed] = document.pop("artifacts")
    assert signed.pop("key") == ""
    assert artifact == signed
    assert "/thumbnails/i" in answered["misclassified"][0].pop("thumbnailUrl")
    assert answered.pop("dataset")["hash"]
    assert answered == document
    refused = api.call("POST", f"{trainable}/training/{session}/stop")
    assert (refused.status, refused.problem()) == (409, "run-is-over")


def test_results_of_an_older_container_are_answered(api: Api, trainable: str, stack: EmbeddedAws) -> None:
    """Members that were added later are null in the results of a run that was before them."""
    _, answer = _completed(api, trainable, stack, without=("test", "detection", "run"))
    assert answer.status == 200
    assert answer.json["test"] is answer.json["detection"] is answer.json["run"] is None


def _results(artifact_key: str) -> dict[str, Any]:
    details = ModelDetails(
        architecture="resnet18", parameters=1, size_bytes=4, input_size=[3, 32, 32], classes=["a", "b"],
        summary="layers", framework="torch", dataset_hash="h", pretrained=False, train_images=2, val_images=2,
        epochs_trained=1, best_epoch=0, onnx_max_difference=1e-6,
    )  # fmt: skip
    mistake = Mistake(
        image_id="i", file_name="i.png", true="b", predicted="a", confidence=0.9, box=[1, 2, 3, 4]
    )
    figures = ClassFigures(class_="a", precision=0.5, recall=1.0, f1=0.67, support=1, average_precision50=0.5)
    results = Results(
        accuracy=0.5,
        loss=0.7,
        test=HeldOut(images=2, accuracy=0.5, loss=0.6),
        confusion_matrix=ConfusionMatrix(classes=["a", "b"], matrix=[[1, 0], [1, 0]]),
        per_class=[figures],
        misclassified=[mistake],
        model_details=details,
        artifacts=[Artifact(format="onnx", key=artifact_key, sha256="s", size_bytes=7)],
        warnings=[DataWarning(code="small-classes", message="few images", count=1, examples=["a"])],
        detection=DetectionFigures(map50=0.5, map=0.3),
        run=RunFigures(
            device="cpu", devices=1, attempts=2, batch_size=8, images_per_second=10.5,
            peak_memory_bytes=1, cache_bytes=2, cache_place="memory",
        ),
    )  # fmt: skip
    document: dict[str, Any] = to_json(results)
    return document


def test_detection_is_judged_like_the_rest(api: Api) -> None:
    """A detection project without data is refused for the data; its default architecture is a detector."""
    project = api.project("detection")
    answer = api.call("POST", f"{project}/training/start")
    assert (answer.status, answer.problem()) == (422, "not-trainable")
    configuration = api.call("GET", f"{project}/training/configure").json
    assert configuration["architecture"] == "ssdlite_mobilenet_v2"


def test_deleting_a_project_ends_its_runs(api: Api, trainable: str, stack: EmbeddedAws) -> None:
    """Nobody could stop a run of a project that can't be reached: its job ends with it."""
    session = api.call("POST", f"{trainable}/training/start").json["sessionId"]
    assert api.call("DELETE", trainable).status == 204
    [job] = _jobs(stack, session)
    assert job["status"] == "FAILED"
    assert api.call("GET", f"{trainable}/training/{session}/status").problem() == "project-not-found"


def test_an_earlier_attempt_leaves_no_epochs_behind(api: Api, trainable: str, stack: EmbeddedAws) -> None:
    """After a retry the history shows the epochs of the present attempt only."""
    session = api.call("POST", f"{trainable}/training/start").json["sessionId"]
    for epoch in (1, 2, 3):
        names = ("TrainLoss", "TrainAccuracy", "ValLoss", "ValAccuracy")
        item = {
            "SessionID": session,
            "Epoch": epoch,
            "CreatedAt": "now",
            "ExpiresAt": 2**31,
            "LearningRate": 1,
        }
        more = dict.fromkeys((*names, "ImagesPerSecond", "EpochSeconds"), 0.5)
        stack.client("dynamodb").put_item(
            TableName=stack.outputs["TablePrefix"] + "TrainingMetrics", Item=marshal(item | more)
        )
    _set(stack, trainable, session, Status="running", Metrics={"epoch": 1})
    history = api.call("GET", f"{trainable}/training/{session}/status?history=true").json["history"]
    assert [each["epoch"] for each in history] == [1]
