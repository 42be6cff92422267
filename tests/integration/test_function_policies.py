"""Each function's policy against the calls that the function makes, on the embedded AWS."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app import app
from chalicelib.contract.attributes import marshal
from infra.local import jobs as jobs  # a job waits RUNNABLE: imported for its effect on moto
from infra.local.aws import EmbeddedAws
from predictor.handler import handler
from predictor.handler import models as predictor_models
from tests import models
from tests.images import image
from tests.integration.conftest import PASSWORD, Api, forget
from tests.integration.logged import leave_log
from tests.integration.test_api_data import _ingest, _post
from tests.integration.test_api_training import _results
from tests.integration.test_recovery import EVENT
from tests.integration.test_removal import _later
from tests.integration.test_transfers import put_parts, zipped
from tests.policies import Policy, Recorder, template

#: Function -> its role. The rest of this module asks that there be no other.
ROLES = {
    "api": "ApiRole",
    "ingest": "IngestRole",
    "job_state": "JobStateRole",
    "recover": "RecoverRole",
    "sweep": "SweepRole",
    "remove": "RemoveRole",
    "rotate_keys": "RotateKeysRole",
    "predict": "PredictRole",
}
#: Statements that no call of ours uses, and who does.
NOT_OURS = {"Log": "Lambda writes the log", "TakeMessages": "Lambda takes the messages"}
LONG_AGO = "2020-01-01T00:00:00.000Z"


class Flows:
    """What a stage goes through, in the part of each function."""

    def __init__(self, nobody: Api, stack: EmbeddedAws, recorder: Recorder) -> None:
        self._nobody = nobody
        self._stack = stack
        self._function = recorder.function
        self._api = nobody

    def run(self) -> None:
        with self._function("api"):
            self._accounts()
            project = self._project()
            self._images(project)
            self._labels(project)
        self._uploads(project)
        with self._function("api"):
            self._training(project)
            self._transfers(project)
        self._jobs(project)
        self._removal(project)
        with self._function("rotate_keys"), _kept(self._stack):
            for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
                event = {"Step": step, "ClientRequestToken": _VERSION, "SecretId": "secret"}
                app.handler_map["rotate_keys"](event, None)

    def _call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self._api.call(method, path, body, **headers)
        assert answer.status < 300, answer.body
        return answer.json if answer.body else None

    def _accounts(self) -> None:
        name = f"u-{uuid4().hex[:12]}"
        user = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        self._call("POST", "/api/users", user)
        login = {"login": name, "password": PASSWORD}
        tokens = self._call("POST", "/api/auth/login", login)
        tokens = self._call("POST", "/api/auth/refresh", {"refreshToken": tokens["refreshToken"]})
        ending = {"refreshToken": tokens["refreshToken"], "everywhere": True}
        self._call("POST", "/api/auth/logout", ending)
        tokens = self._call("POST", "/api/auth/login", login)
        change = {"currentPassword": PASSWORD, "newPassword": f"{PASSWORD} {name}"}
        tokens = (
            Api(self._nobody.client, tokens["accessToken"])
            .call("POST", "/api/users/me/password", change)
            .json
        )
        self._api = Api(self._nobody.client, tokens["accessToken"])
        self._call("GET", "/api/users/me")

    def _project(self) -> str:
        path = self._api.project()
        self._call("GET", "/api/projects")
        self._call("PATCH", path, {"description": "changed"})
        return path

    def _images(self, project: str) -> None:
        files = [(f"{n}.png", image(n)) for n in range(8)]
        for _ in range(2):
            assert self._api.send_files(f"{project}/data/images", files).status == 201
        self._api.send_files(f"{project}/data/images", [("alias.png", image(0))])
        listed = self._call("GET", f"{project}/data/images?limit=50&status=accepted")["items"]
        self._call("GET", f"{project}/data/images/{listed[0]['imageId']}")

    def _labels(self, project: str) -> None:
        labels = {f"{n}.png": "ab"[n % 2] for n in range(8)}
        self._call("POST", f"{project}/data/labels", {"labels": labels})
        self._call("POST", f"{project}/data/splits", {"splits": {"0.png": "train"}})
        self._call("POST", f"{project}/data/classes/rename", {"renames": {"a": "c"}})
        self._call("GET", f"{project}/data/labels")
        self._call("GET", f"{project}/data/summary")
        doomed = self._call("GET", f"{project}/data/images?label=c")["items"][0]["imageId"]
        self._call("POST", f"{project}/data/images/delete", {"imageIds": [doomed]})

    def _uploads(self, project: str) -> None:
        """A new image, one that the project has by another name, and no image; again, with lost events."""
        contents = (image(20), image(1), b"no image", image(21), image(1), b"none either")
        files = [{"fileName": f"n{n}.png", "sizeBytes": 99, "contentType": "image/png"} for n in range(6)]
        with self._function("api"):
            files.append({"fileName": "big.png", "sizeBytes": 60_000_000, "contentType": "image/png"})
            upload = self._call(
                "POST", f"{project}/data/uploads", {"files": files}, Idempotency_Key=str(uuid4())
            )
            path = f"{project}/data/uploads/{upload['uploadId']}"
            self._call("POST", f"{path}/renew")
        keys = [each["key"] for each in upload["images"]]
        for key, content in zip(keys, contents, strict=True):
            assert _post(upload, key, content) == 204
        with self._function("ingest"):
            _ingest(self._api, *keys[:3])
        self._recover()
        with self._function("api"):
            found = self._call("GET", path)
            assert (found["accepted"], found["duplicate"], found["rejected"]) == (2, 2, 3)
            self._set("Images", project, f"upload#{upload['uploadId']}", ClosesAt=LONG_AGO)

    def _recover(self) -> None:
        with self._function("recover"):
            app.handler_map["recover"](EVENT, None)
            services, clock = _later(minutes=16)
            services.ingest.sweep(clock.now() + timedelta(minutes=1))

    def _training(self, project: str) -> None:
        self._call("PUT", f"{project}/training/configure", {"epochs": 1})
        self._call("GET", f"{project}/training/configure")
        version = self._call("POST", f"{project}/data/versions", {"name": "first"})["versionId"]
        self._call("GET", f"{project}/data/versions/{version}/compare")
        start, key = f"{project}/training/start", str(uuid4())
        self._call("POST", start, {"versionId": version}, Idempotency_Key=key)
        self._call("POST", start, {"versionId": version}, Idempotency_Key=key)
        empty = self._api.project()
        refused = self._api.call("POST", f"{empty}/training/start", Idempotency_Key=str(uuid4()))
        assert refused.status == 422
        session = self._call("POST", start)["sessionId"]
        self._call("GET", f"{project}/training")
        self._call("GET", f"{project}/training/{session}/status?history=true")
        leave_log(self._stack, session)
        assert self._call("GET", f"{project}/training/{session}/logs")["items"]
        self._call("POST", f"{project}/training/{session}/stop")
        base = f"projects/{_id(project)}/sessions/{session}"
        document = json.dumps(_results(f"{base}/artifacts/model.onnx")).encode()
        self._stack.client("s3").put_object(
            Bucket=self._stack.outputs["Bucket"], Key=f"{base}/results.json", Body=document
        )
        self._set("TrainingSessions", project, session, Status="completed", ResultsKey=f"{base}/results.json")
        self._call("GET", f"{project}/training/{session}/results")
        self._predict(project, session, base)

    def _predict(self, project: str, session: str, base: str) -> None:
        s3, bucket = self._stack.client("s3"), self._stack.outputs["Bucket"]
        key = models.put(s3, bucket, f"{base}/1-1/", models.colours())
        self._set("TrainingSessions", project, session, ResultsKey=key)
        path = f"{project}/training/{session}/predict"
        assert self._api.send_files(path, [("a.png", image(0))], "image").status == 200
        with self._function("predict"):
            said = handler({"resultsKey": key, "image": b64encode(image(0)).decode()}, None)
        assert said["predictions"]

    def _transfers(self, project: str) -> None:
        archive = zipped({"a.png": image(30)})
        announced = {"fileName": "data.zip", "sizeBytes": len(archive)}
        opened = self._call("POST", f"{project}/data/imports", announced)
        path, row = f"{project}/data/imports/{opened['importId']}", f"import#{opened['importId']}"
        put_parts(opened, archive)
        self._call("GET", path)
        self._call("POST", f"{path}/complete")
        # The process died after S3 had made one object of the parts, and before it said so.
        self._set("Images", project, row, Status="uploading")
        self._call("POST", f"{path}/complete")
        self._set("Images", project, row, HeartbeatAt=LONG_AGO)
        self._call("GET", path)
        self._set("Images", project, row, HeartbeatAt=LONG_AGO, BatchJobID=None)
        self._call("GET", path)
        started = self._call("POST", f"{project}/data/exports", {"format": "darkroom"})["exportId"]
        self._set("Images", project, f"export#{started}", Status="completed", ResultBytes=9)
        self._call("GET", f"{project}/data/exports/{started}")

    def _jobs(self, project: str) -> None:
        """A session in every state that an event or the sweep may meet."""
        path = f"{project}/training/start"
        gone, lost, silent = (self._call("POST", path)["sessionId"] for _ in range(3))
        transfer = self._call("POST", f"{project}/data/exports", {"format": "coco"})["exportId"]
        self._set("TrainingSessions", project, gone, JobID=None)  # SubmitJob's answer was lost
        self._set("Images", project, f"export#{transfer}", BatchJobID=None)
        with self._function("job_state"):
            _notify(project, gone, {"SESSION_ID": gone})
            _notify(project, gone, {"SESSION_ID": gone}, "RUNNABLE")  # a second job, whose session is over
            _notify(project, transfer, {"TRANSFER_ID": transfer, "TRANSFER_KIND": "export"})
        self._set("TrainingSessions", project, lost, JobID=None)
        self._set("TrainingSessions", project, silent, Status="running", StopRequestedAt=LONG_AGO)
        with self._function("sweep"):
            app.handler_map["sweep"](EVENT, None)
            _later(minutes=3)[0].oversight.sweep()

    def _removal(self, project: str) -> None:
        s3, bucket = self._stack.client("s3"), self._stack.outputs["Bucket"]
        s3.put_object(Bucket=bucket, Key=f"incoming/{_id(project)}/late/image", Body=b"late")
        for key in (
            f"transfers/{_id(project)}/late/archive",
            f"projects/{_id(project)}/sessions/late/model.onnx",
        ):
            s3.create_multipart_upload(Bucket=bucket, Key=key)
        waiting = self._call("POST", f"{project}/training/start")["sessionId"]
        self._stack.client("dynamodb").put_item(
            TableName=self._stack.outputs["TablePrefix"] + "TrainingMetrics",
            Item=marshal({"SessionID": waiting, "Epoch": 1}),
        )
        with self._function("api"):
            self._call("DELETE", project)
        # A run began in the moment of the deletion, which didn't see it.
        again = {"Status": "queued", "Active": "active", "StopRequestedAt": None}
        self._set("TrainingSessions", project, waiting, **again)
        with self._function("remove"):
            app.handler_map["remove"](EVENT, None)
            for hours in (2, 3, 4):
                services, clock = _later(hours=hours)
                services.removal.run(clock.now() + timedelta(minutes=4))

    def _set(self, table: str, project: str, row: str, **values: Any) -> None:
        """Writes to a row what time, or a container, would have; None takes an attribute away."""
        range_key = {"Images": "ImageID", "TrainingSessions": "SessionID"}[table]
        given = {name: value for name, value in values.items() if value is not None}
        sets = "SET " + ", ".join(f"#{name} = :{name}" for name in given) if given else ""
        removes = ", ".join(f"#{name}" for name in values if name not in given)
        self._stack.client("dynamodb").update_item(
            TableName=self._stack.outputs["TablePrefix"] + table,
            Key=marshal({"ProjectID": _id(project), range_key: row}),
            UpdateExpression=sets + (f" REMOVE {removes}" if removes else ""),
            ConditionExpression=f"attribute_exists({range_key})",
            ExpressionAttributeNames={f"#{name}": name for name in values},
            **(
                {"ExpressionAttributeValues": marshal({f":{n}": v for n, v in given.items()})}
                if given
                else {}
            ),
        )


_VERSION = str(uuid4())


def _id(project: str) -> str:
    return project.rsplit("/", 1)[1]


def _notify(project: str, name: str, variables: dict[str, str], status: str = "FAILED") -> None:
    """A job's failure, or another state, as Batch's event brings it through the queue."""
    environment = [{"name": key, "value": value} for key, value in variables.items()]
    environment.append({"name": "PROJECT_ID", "value": _id(project)})
    detail = {
        "jobId": "a-job",
        "jobName": name,
        "status": status,
        "container": {"environment": environment},
    }
    body = json.dumps({"detail": detail})
    app.handler_map["job_state"]({"Records": [{"messageId": "1", "body": body}]}, None)


@contextmanager
def _kept(stack: EmbeddedAws) -> Iterator[None]:
    """Puts the stack's signing keys back, for the tests that look at them."""
    client, secret = stack.client("secretsmanager"), stack.outputs["SigningSecret"]
    before = client.get_secret_value(SecretId=secret)["SecretString"]
    try:
        yield
    finally:
        client.put_secret_value(SecretId=secret, SecretString=before)


@pytest.fixture(scope="module")
def recorder(nobody: Api, stack: EmbeddedAws) -> Recorder:
    recorder = Recorder()
    forget()
    predictor_models.cache_clear()
    with recorder.listening(predictor_models()._store.s3):
        Flows(nobody, stack, recorder).run()
    return recorder


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    return template()["Resources"]


@pytest.mark.parametrize("function", ROLES)
def test_a_function_may_do_what_it_does(function, recorder, resources, stack):
    """Every call of a function on its ways is allowed by its own policy."""
    assert recorder.needed[function]
    assert Policy(resources[ROLES[function]], stack).missing(recorder.needed[function]) == set()


@pytest.mark.parametrize("function", ROLES)
def test_a_function_may_do_nothing_that_it_does_not(function, recorder, resources, stack):
    """Every action on every resource of a policy is needed, or is Lambda's own for the function."""
    unused = Policy(resources[ROLES[function]], stack).unused(recorder.needed[function])
    assert {(sid, right) for sid, right in unused if sid not in NOT_OURS} == set()


def test_there_is_no_other_function_and_no_other_role(resources):
    """What is asked above is asked of every function that the app has, and of every role of Lambda's."""
    handlers = {each.name for each in (*app.event_sources, *app.pure_lambda_functions)}
    assert handlers | {"api", "predict"} == set(ROLES)
    lambdas = {
        name
        for name, each in resources.items()
        if each.get("Type") == "AWS::IAM::Role" and "lambda.amazonaws.com" in json.dumps(each)
    }
    assert lambdas == set(ROLES.values())
