"""The stack around an app: its API's limits, its queues, its schedules, its start and its end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import urllib3
from chalice import Chalice, Response

from infra.local.aws import client_of
from infra.local.batch import ROOT
from infra.local.schedules import expire, rate_seconds, repeat
from infra.local.server import MAX_BODY_BYTES, MAX_PAYLOAD_BYTES
from infra.local.stack import Stack, running_stack
from infra.local.tail import readable, tailing

HTTP = urllib3.PoolManager(retries=False)


@dataclass
class Seen:
    """What the handlers of the small app below were given."""

    events: list[dict[str, Any]] = field(default_factory=list)
    times: Counter = field(default_factory=Counter)


def _app(seen: Seen) -> Chalice:
    app = Chalice("small")
    app.api.binary_types = [*app.api.binary_types, "multipart/form-data"]

    @app.route("/echo", methods=["GET", "POST"], content_types=["application/json", "multipart/form-data"])
    def echo() -> Response:
        time.sleep(0.05)
        body = app.current_request.raw_body
        headers = {"Content-Type": "application/json", "Size": str(len(body))}
        return Response({"context": app.lambda_context.aws_request_id, "path": body[:20].decode()}, headers)

    @app.route("/long")
    def long() -> str:
        return "x" * (MAX_PAYLOAD_BYTES + 1)

    @app.on_sqs_message(queue_arn={"Fn::GetAtt": ["IngestQueue", "Arn"]}, batch_size=10)
    def ingest(event: Any) -> dict[str, Any]:
        failures = []
        for record in event.to_dict()["Records"]:
            seen.events.append(record)
            seen.times[record["body"]] += 1
            if "poison" in record["body"]:
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    @app.on_sqs_message(queue_arn={"Fn::GetAtt": ["JobStateQueue", "Arn"]})
    def job_state(event: Any) -> None:
        record = event.to_dict()["Records"][0]
        seen.times[record["body"]] += 1
        if "raise" in record["body"] and seen.times[record["body"]] == 1:
            raise RuntimeError("the first time it goes wrong")

    @app.schedule("rate(5 minutes)")
    def sweep(event: Any) -> None:
        seen.times[event.detail_type] += 1

    return app


def _until(holds: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def local(seen: Seen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    logs = tmp_path_factory.mktemp("logs")
    with running_stack(_app(seen), log_folder=logs, name="darkroom-stack", visibility_seconds=1) as stack:
        yield stack


def _send(stack: Stack, queue: str, bodies: list[str]) -> None:
    entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
    stack.aws.client("sqs").send_message_batch(QueueUrl=stack.aws.outputs[queue], Entries=entries)


def _bodies(stack: Stack, queue: str) -> list[str]:
    found = stack.aws.client("sqs").receive_message(
        QueueUrl=stack.aws.outputs[queue], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return sorted(message["Body"] for message in found.get("Messages", []))


def test_poison_does_not_hold_up_the_rest(local, seen):
    """Of ten messages three fail: seven are handled once, three end in the dead letters after five."""
    good, poison = [f"good {n}" for n in range(7)], [f"poison {n}" for n in range(3)]
    _send(local, "IngestQueueUrl", good + poison)
    _until(lambda: _bodies(local, "IngestDeadLetterQueueUrl") == poison)
    assert [seen.times[body] for body in good] == [1] * 7
    assert [seen.times[body] for body in poison] == [5] * 3


def test_a_record_looks_as_lambda_gives_it(local, seen):
    """A handler's record has the queue's ARN and says how often its message was received."""
    _send(local, "IngestQueueUrl", ["poison again"])
    _until(lambda: seen.times["poison again"] == 5)
    records = [record for record in seen.events if record["body"] == "poison again"]
    assert [record["attributes"]["ApproximateReceiveCount"] for record in records] == list("12345")
    assert records[0]["eventSourceARN"].endswith(":darkroom-stack-Ingest")


def test_a_batch_comes_again_when_its_handler_raises(local, seen, caplog):
    """A handler that raises keeps its messages in the queue, and the failure is in the log."""
    _send(local, "JobStateQueueUrl", ["raise once"])
    _until(lambda: seen.times["raise once"] == 2)
    assert "the first time it goes wrong" in caplog.text


def test_schedules_run_at_their_rate():
    """A scheduled run comes again and again, and a failing one does not end the others."""
    stop, runs = threading.Event(), []

    def run() -> None:
        runs.append(time.monotonic())
        if len(runs) == 3:
            stop.set()
        raise RuntimeError("each run fails")

    repeat(0.01, run, stop)
    assert len(runs) == 3


@pytest.mark.parametrize(
    ("expression", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200)]
)
def test_rates(expression, seconds):
    """A rate expression is its number of seconds."""
    assert rate_seconds(expression) == seconds


def test_a_cron_expression_is_refused():
    """A schedule that is no rate is refused at once, not passed over."""
    with pytest.raises(ValueError, match="cron"):
        rate_seconds("cron(0 12 * * ? *)")


def test_items_expire(local):
    """Items whose time is over are deleted; others, and tables that do not forget, keep theirs."""
    client, prefix = local.aws.client("dynamodb"), local.aws.outputs["TablePrefix"]
    past, future = {"N": "1000000000"}, {"N": str(int(time.time()) + 1000)}
    for key, expires in (("past", past), ("future", future)):
        client.put_item(TableName=prefix + "Users", Item={"UserID": {"S": key}, "ExpiresAt": expires})
        client.put_item(TableName=prefix + "Projects", Item={"ProjectID": {"S": key}, "ExpiresAt": expires})
    expire(local.aws)
    users = client.scan(TableName=prefix + "Users")["Items"]
    assert [item["UserID"]["S"] for item in users] == ["future"]
    assert client.scan(TableName=prefix + "Projects")["Count"] == 2


def test_requests_at_a_time_do_not_see_each_other(local):
    """Each of many simultaneous requests gets its own body back, and has a Lambda context of its own."""

    def echo(text: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        return HTTP.request("POST", f"{local.url}/api/echo", body=text, headers=headers).json()

    texts = [f"request {number}" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(echo, texts))
    assert [answer["path"] for answer in answers] == texts
    assert len({answer["context"] for answer in answers}) == 16


@pytest.mark.parametrize(
    ("kind", "size", "status"),
    [
        ("application/json", MAX_PAYLOAD_BYTES - 1000, 200),
        ("application/json", MAX_PAYLOAD_BYTES + 1, 413),
        ("application/json", MAX_BODY_BYTES + 1, 413),
        ("multipart/form-data; boundary=b", MAX_PAYLOAD_BYTES // 4 * 3 - 1000, 200),
        ("multipart/form-data; boundary=b", MAX_PAYLOAD_BYTES // 4 * 3 + 1, 413),
    ],
)
def test_a_body_has_the_limits_of_api_gateway_and_lambda(local, kind, size, status):
    """More than 10 MiB, or than 6 MiB as Lambda's payload, is answered 413 with a problem document."""
    response = HTTP.request("POST", f"{local.url}/api/echo", body=b"x" * size, headers={"Content-Type": kind})
    assert response.status == status
    if status == 413:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "request-too-large"


def test_an_answer_has_lambdas_limit(local):
    """An answer of more than 6 MiB never reaches the client: it gets a 502."""
    response = HTTP.request("GET", f"{local.url}/api/long")
    assert (response.status, response.json()["code"]) == (502, "answer-too-large")


def test_an_unknown_path_is_a_problem_document(local):
    """A path without a route is answered 404 with a code and a request id."""
    response = HTTP.request("GET", f"{local.url}/nowhere")
    problem = response.json()
    assert (response.status, problem["code"]) == (404, "not-found")
    assert problem["requestId"] == response.headers["x-amzn-RequestId"]


def test_a_binary_body_arrives_as_it_was_sent(local):
    """The bytes of a binary type survive the way through Lambda's event."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = HTTP.request("POST", f"{local.url}/api/echo", body=b"a" * 20 + b"\xff\x00", headers=headers)
    assert response.headers["Size"] == "22"


def test_a_chunked_body_is_refused(local):
    """A body without a length is answered 411 rather than read wrongly."""
    body = iter([b"{}"])
    assert HTTP.request("POST", f"{local.url}/api/echo", body=body, chunked=True).status == 411


def test_the_environment_is_put_back(tmp_path):
    """What the stack sets in os.environ is gone after it, and what stood there is back."""
    app = _app(Seen())  # Chalice itself notes its version in the environment
    before = dict(os.environ)
    with running_stack(app, log_folder=tmp_path, name="darkroom-environment") as stack:
        assert os.environ["AWS_ENDPOINT_URL"] == stack.aws.endpoint_url
        assert os.environ["TABLE_PREFIX"] == "darkroom-environment-"
    assert dict(os.environ) == before


APP = """
from chalice import Chalice
app = Chalice("small")
@app.route("/")
def index():
    return {"hello": "world"}
"""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m infra.local` with the app of a folder; kills what a test left running."""
    (tmp_path / "app.py").write_text(APP)
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "infra.local", *arguments], cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_when_it_is_ready_and_ends_when_told(command, number):
    """It prints one line with both addresses, serves the app, and ends at once with exit code 0."""
    process = command("--port", "0")
    assert process.stdout
    line = process.stdout.readline()
    found = re.fullmatch(
        r"Darkroom is ready at (http://127.0.0.1:\d+) \(embedded AWS at http://127.0.0.1:\d+\)\n", line
    )
    assert found, process.communicate()
    assert HTTP.request("GET", f"{found[1]}/api/").json() == {"hello": "world"}
    start = time.monotonic()
    process.send_signal(number)
    assert process.communicate(timeout=10) == ("", "")
    assert (process.returncode, time.monotonic() - start < 3) == (0, True)


def test_the_jobs_logs_can_be_watched(tmp_path):
    """What jobs write from now on is shown, and what stood in their logs before is not."""
    (tmp_path / "old.log").write_text("before\n")
    shown = BytesIO()
    with tailing(tmp_path, shown):
        for name in ("old.log", "new.log"):
            with (tmp_path / name).open("a") as log:
                log.write(f"{name}\n")
        _until(lambda: len(shown.getvalue().split()) == 2)
    assert sorted(shown.getvalue().split()) == [b"new.log", b"old.log"]


def test_the_jobs_logs_are_shown_in_words():
    """An event is its time, level, message and figures, without the ids; any other line stays as it is."""
    event = {"time": "2026-01-31T08:15:00.123Z", "level": "INFO", "message": "epoch 1", "sessionId": "S"}
    assert readable(json.dumps(event | {"metrics": {"epoch": 1, "valLoss": 0.123456}}).encode()) == (
        b"08:15:00 INFO    epoch 1 epoch=1 valLoss=0.1235"
    )
    assert readable(json.dumps(event | {"exception": "Traceback\n  line"}).encode()).splitlines() == [
        b"08:15:00 INFO    epoch 1",
        b"Traceback",
        b"  line",
    ]
    for line in (b"no event", b"{}", b"[1]", b"5", b""):
        assert readable(line) == line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_job_outlives_the_command(command, number, tmp_path):
    """A running job ends with the stack, however the stack ends."""
    process = command("--port", "0")
    assert process.stdout
    endpoint = process.stdout.readline().rstrip(")\n").rpartition(" ")[2]
    batch = client_of("batch", endpoint)
    code = "import os, time; open(os.environ['PID_FILE'], 'w').write(f'{os.getpid()}\\n'); time.sleep(60)"
    batch.submit_job(
        jobName="job",
        jobQueue="darkroom-local-training",
        jobDefinition="darkroom-local-training",
        containerOverrides={
            "command": ["python", "-c", code],
            "environment": [{"name": "PID_FILE", "value": str(tmp_path / "pid")}],
        },
    )
    _until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
    pid = int((tmp_path / "pid").read_text())
    process.send_signal(number)
    process.wait(timeout=10)
    _until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_port_that_is_taken_is_one_clear_line(command):
    """On a port that is taken it says so in one line and ends with exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = command("--port", str(port))
        out, error = process.communicate(timeout=10)
    assert (process.returncode, out) == (1, "")
    assert error == f"cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_an_import_does_not_wait_behind_a_training(local):
    """While a job of one queue runs, one of the other begins and ends."""
    batch, jobs = local.aws.client("batch"), {}
    for queue, code in (("JobQueue", "import time; time.sleep(60)"), ("DataJobQueue", "print()")):
        definition = local.aws.outputs[queue.replace("Queue", "Definition")]
        overrides = {"command": ["python", "-c", code]}
        jobs[queue] = batch.submit_job(
            jobName=queue,
            jobQueue=local.aws.outputs[queue],
            jobDefinition=definition,
            containerOverrides=overrides,
        )["jobId"]

    def states() -> dict[str, str]:
        found = batch.describe_jobs(jobs=list(jobs.values()))["jobs"]
        return {each["jobName"]: each["status"] for each in found}

    _until(lambda: states() == {"JobQueue": "RUNNING", "DataJobQueue": "SUCCEEDED"})
    local.runner.kill(jobs["JobQueue"])
    _until(lambda: states()["JobQueue"] == "FAILED")
