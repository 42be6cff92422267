"""A deploy that is killed, in a process of its own, and started again."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from infra.deploy import __main__ as command
from infra.deploy.stage import Stage
from tests.deploying import small_parts, small_template
from tests.deployments import NUMBER, REGION, World

ROOT = Path(__file__).parents[3]
#: What `make deploy` runs, with a package and sources that are made already.
_PROGRAM = """
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from infra.deploy.__main__ import main
from infra.deploy.parts import Parts
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
folder, digest, tag, *arguments = sys.argv[1:]
folder = Path(folder)
package = SimpleNamespace(
    zip=folder / "deployment.zip", template=folder / "template.json", sha256=digest, is_compiled=True,
    predictor=SimpleNamespace(path=folder / "predictor.zip", sha256="of-the-predictor"),
)
sources = SimpleNamespace(path=folder / "images.zip", tag=tag)
sys.exit(main(arguments, parts=Parts(
    package=lambda _: package,
    sources=lambda _: sources,
    for_stage=lambda template, _: template,
    stages=folder / "stages",
)))
"""


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """Answers the smoke test as the API does."""

    @Request.application
    def answer(request: Request) -> Response:
        if request.path.endswith("/openapi.json"):
            return Response(json.dumps({"info": {"title": "Darkroom", "version": "1"}}))
        return Response("{}", status=401)

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Deploys:
    """Runs of one deployment, one after the other."""

    def __init__(self, world: World, stage: Stage, folder: Path, api: str) -> None:
        self._world, self._stage, self._folder = world, stage, folder
        self._parts = small_parts(folder, small_template(api), stage.name)

    def run(self, operation: str = "", number: int = 0) -> tuple[int, str]:
        """Exit code and output of a run, to which a signal was sent when AWS had done an operation."""
        process = self._start()

        def kill(seen: str) -> None:
            if seen.startswith(operation) and operation:
                self._world.gate.after = lambda _: None
                os.kill(process.pid, number)

        self._world.gate.after = kill
        output, _ = process.communicate(timeout=60)
        self._world.gate.after = lambda _: None
        return process.returncode, " ".join(output.split())

    def _start(self) -> "subprocess.Popen[str]":
        outside = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        tag, digest = self._parts.sources({}).tag, self._parts.package("").sha256
        command = [sys.executable, "-c", _PROGRAM, str(self._folder), digest, tag]
        arguments = ["deploy", "--stage", self._stage.name, "--yes", "--smoke-seconds", "20"]
        return subprocess.Popen(
            [*command, *arguments], cwd=ROOT, env=outside | self._world.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def test_a_build_that_is_refused_hides_no_url(shell, stage, api, tmp_path, monkeypatch, capsys):
    """A new account may have no builds at all: the API is up and shown, and then the refusal."""
    project = {
        "Type": "AWS::CodeBuild::Project",
        "Properties": {
            "Name": {"Fn::Sub": "${AWS::StackName}-images"},
            "Environment": {"ComputeType": "BUILD_GENERAL1_MEDIUM"},
            "Source": {"Type": "S3", "Location": "nowhere/yet"},
        },
    }
    template = small_template(api, ImageBuild=project)
    template["Outputs"]["ImageBuild"] = {"Value": {"Ref": "ImageBuild"}}
    template["Outputs"]["TrainingRepository"] = {"Value": "none"}
    refusal = {"__type": "AccountLimitExceededException", "message": "Cannot have more than 0 builds"}
    answers = shell.gate.answers | {"CodeBuild_20161006.StartBuild": lambda _: (400, refusal)}
    monkeypatch.setattr(shell.gate, "answers", answers)
    code = command.main(
        ("deploy", "--stage", stage, "--yes", "--smoke-seconds", "20"),
        parts=small_parts(tmp_path, template, stage),
    )
    shown = capsys.readouterr()
    assert code == 1
    assert shown.out.endswith(f"\n{api}\n")
    assert "AWS refuses StartBuild: Cannot have more than 0 builds" in " ".join(shown.err.split())


def test_a_deploy_that_is_killed_goes_on_when_it_is_started_again(world, api, tmp_path):
    """Whether by Ctrl-C or SIGKILL, at whatever step: the next run does the rest, and nothing twice."""
    stage = Stage(name="interrupted", account=NUMBER, region=REGION)
    deploys = Deploys(world, stage, tmp_path, api)
    again = "the next run goes on from there. To go on: make deploy STAGE=interrupted"

    code, said = deploys.run(f"PUT /{stage.artifact_bucket}", signal.SIGINT)
    assert (code, again in said) == (130, True)
    assert deploys.run("CreateChangeSet", signal.SIGKILL)[0] == -signal.SIGKILL
    assert _status(world, stage) == "REVIEW_IN_PROGRESS"
    code, said = deploys.run(f"PUT /{stage.artifact_bucket}/functions/", signal.SIGINT)
    assert (code, again in said) == (130, True)
    assert deploys.run("ExecuteChangeSet", signal.SIGINT)[0] == 130

    # moto is done at once where AWS takes minutes: as if it were at work until it was asked a third time.
    world.status(stage.stack_name, "CREATE_IN_PROGRESS")
    world.gate.seen.clear()
    world.gate.before = lambda _: _asked_thrice(world) and world.status(stage.stack_name, "CREATE_COMPLETE")
    code, said = deploys.run()
    assert code == 0, said
    assert "CREATE_IN_PROGRESS is under way in the stack: waiting for its end" in said
    assert "the stack is up to date" in said
    assert said.endswith(f"Darkroom 1 answers {api}")
    assert not [each for each in world.gate.seen if each.startswith(f"PUT /{stage.artifact_bucket}/")]


def _asked_thrice(world: World) -> bool:
    return world.gate.seen.count("DescribeStacks") == 3


def _status(world: World, stage: Stage) -> str:
    [stack] = world.client("cloudformation").describe_stacks(StackName=stage.stack_name)["Stacks"]
    return str(stack["StackStatus"])
