"""Trying a run's model over HTTP, with the predictor as a process of its own behind Lambda's Invoke."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders

from chalicelib import bootstrap
from infra.local.aws import EmbeddedAws
from infra.local.functions import Function
from tests import models
from tests.images import coloured, image, png_bomb
from tests.integration.conftest import Answer, Api, counted
from tests.integration.test_api_training import _set

GREEN = coloured((0, 255, 0), (20, 40))
BOXES: dict[str, Any] = {"scores": [[0, 0.75, 0]], "corners": [[0.25, 0.5, 1, 1]]}


@pytest.fixture
def run(api: Api, stack: EmbeddedAws) -> str:
    """The path of a run that has not begun."""
    project = api.project()
    files = [(f"{n}.png", image(n)) for n in range(8)]
    assert api.send_files(f"{project}/data/images", files).status == 201
    api.call("POST", f"{project}/data/labels", {"labels": {f"{n}.png": "ab"[n % 2] for n in range(8)}})
    return f"{project}/training/{api.call('POST', f'{project}/training/start').json['sessionId']}"


def complete(stack: EmbeddedAws, run: str, objects: dict[str, bytes]) -> None:
    """Leaves a model, as the container would."""
    project, session = run.split("/training/")
    prefix = f"projects/{project.rsplit('/', 1)[1]}/sessions/{session}/1-1/"
    key = models.put(stack.client("s3"), stack.outputs["Bucket"], prefix, objects)
    _set(stack, project, session, Status="completed", ResultsKey=key)


def ask(api: Api, run: str, *contents: bytes) -> Answer:
    return api.send_files(f"{run}/predict", [("a.png", each) for each in contents], "image")


@contextmanager
def answering(status: int, document: Any, headers: dict[str, str]) -> Iterator[list[str]]:
    """Lambda answers every Invoke so; yields the calls, as botocore sends them."""
    calls: list[str] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        calls.append(request.url)
        body = json.dumps(document).encode()
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), Body(body))

    client = bootstrap.aws().functions
    client.meta.events.register_first("before-send.lambda.Invoke", answer)
    try:
        yield calls
    finally:
        client.meta.events.unregister("before-send.lambda.Invoke", answer)


class Body(BytesIO):
    """As urllib3 hands it on."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def test_a_classifier_answers_with_probabilities(api: Api, run: str, stack: EmbeddedAws) -> None:
    """The likeliest class first, nothing of a detector's answer; one call of DynamoDB and one of Lambda."""
    complete(stack, run, models.colours())
    with counted() as calls:
        answer = ask(api, run, GREEN)
    assert (answer.status, dict(calls)) == (200, {"dynamodb": 1, "lambda": 1})
    assert answer.json.keys() == {"predictions"}
    assert answer.json["predictions"][0] == {"label": "green", "probability": pytest.approx(1, abs=1e-3)}
    assert sum(each["probability"] for each in answer.json["predictions"]) == pytest.approx(1)


def test_a_detector_answers_with_boxes(api: Api, run: str, stack: EmbeddedAws) -> None:
    """Boxes in pixels of the image, and its size."""
    complete(stack, run, models.boxes(**BOXES))
    box = [5, 20, 15, 20]
    found = {"detections": [{"label": "green", "score": 0.75, "box": box}], "width": 20, "height": 40}
    assert ask(api, run, GREEN).json == found


def test_a_run_without_a_model_is_a_conflict(api: Api, run: str, stack: EmbeddedAws) -> None:
    """Before its end with when to ask again, after its failure with the reason, as of the results."""
    answer = ask(api, run, GREEN)
    assert (answer.status, answer.problem(), answer.headers["Retry-After"]) == (409, "run-not-over", "5")
    project, session = run.split("/training/")
    _set(stack, project, session, Status="failed", FailureReason={"code": "c", "message": "m"})
    answer = ask(api, run, GREEN)
    assert (answer.status, answer.problem()) == (409, "run-failed")


@pytest.mark.parametrize(
    ("contents", "status", "code"),
    [
        ([b"no image"], 422, "unsupported-format"),
        ([b""], 422, "empty-file"),
        ([GREEN[:60]], 422, "undecodable"),
        ([png_bomb(7000)], 422, "too-many-pixels"),
        ([GREEN, GREEN], 422, "several-images"),
        ([], 400, "files-missing"),
        ([bytes(4_600_000)], 413, "request-too-large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_images_are_the_senders_to_mend(
    api: Api, run: str, stack: EmbeddedAws, contents: list[bytes], status: int, code: str
) -> None:
    """Each is refused with the code that an upload of it has, and none by a failure."""
    complete(stack, run, models.colours())
    answer = ask(api, run, *contents)
    assert (answer.status, answer.problem()) == (status, code)


def test_json_is_another_media_type(api: Api, run: str) -> None:
    """The image comes in a form, and in nothing else."""
    assert api.call("POST", f"{run}/predict", {}).status == 415


def test_another_users_run_is_not_there(api: Api, nobody: Api, run: str, stack: EmbeddedAws) -> None:
    """A stranger, and a project of one's own with a stranger's session, are 404."""
    complete(stack, run, models.colours())
    stranger = nobody.register()
    assert ask(stranger, run, GREEN).status == 404
    assert ask(stranger, f"{stranger.project()}/training/{run.rsplit('/', 1)[1]}", GREEN).status == 404


def test_a_model_that_was_changed_is_not_run(api: Api, run: str, stack: EmbeddedAws) -> None:
    """What isn't the file whose hash the results have is never loaded."""
    objects = models.colours()
    complete(stack, run, objects)
    project, session = run.split("/training/")
    key = f"projects/{project.rsplit('/', 1)[1]}/sessions/{session}/1-1/model.onnx"
    changed = models.boxes(**BOXES | {"scores": [[1, 0, 0]]})["model.onnx"]
    complete(stack, run, objects | {"model.onnx": objects["model.onnx"] + b" "})  # a file of its own
    stack.client("s3").put_object(Bucket=stack.outputs["Bucket"], Key=key, Body=changed)
    answer = ask(api, run, GREEN)
    assert (answer.status, answer.problem()) == (409, "model-changed")


def test_a_process_that_dies_is_replaced(api: Api, run: str, stack: EmbeddedAws) -> None:
    """The request that it dies with is told to come again, and the next one is answered."""
    complete(stack, run, models.colours())
    assert ask(api, run, GREEN).status == 200
    predictor = stack.functions[stack.predictor]
    assert isinstance(predictor, Function)
    alive = [each.process.pid for each in predictor._all if each.is_alive]
    assert alive
    for process_id in alive:
        os.kill(process_id, signal.SIGKILL)
    assert ask(api, run, GREEN).status in {200, 503}  # whether its end was seen before
    assert ask(api, run, GREEN).status == 200


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        ({"errorType": "Sandbox.Timedout", "errorMessage": "timed out"}, 503, "prediction-ended"),
        ({"errorMessage": "2026-01-01 id Task timed out after 60.00 seconds"}, 503, "prediction-ended"),
        ({"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"}, 503, "prediction-ended"),
        ({"errorType": "KeyError", "errorMessage": "'image'"}, 500, "internal-error"),
    ],
)  # fmt: skip
def test_what_ends_the_function_is_told(
    api: Api, run: str, stack: EmbeddedAws, outcome: dict[str, str], status: int, code: str
) -> None:
    """A function that took too long, or died, is asked again later; one that raised is our fault."""
    complete(stack, run, models.colours())
    with answering(200, outcome, {"X-Amz-Function-Error": "Unhandled"}):
        answer = ask(api, run, GREEN)
    assert (answer.status, answer.problem()) == (status, code)
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_a_throttled_function_is_asked_again_later(api: Api, run: str, stack: EmbeddedAws) -> None:
    """Lambda's 429 is 503 with when to come again, after one attempt: nobody waits in vain."""
    complete(stack, run, models.colours())
    reason = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "message": "Rate Exceeded."}
    with answering(429, reason, {"x-amzn-ErrorType": "TooManyRequestsException"}) as calls:
        answer = ask(api, run, GREEN)
    assert (answer.status, answer.headers["Retry-After"], len(calls)) == (503, "5", 1)
