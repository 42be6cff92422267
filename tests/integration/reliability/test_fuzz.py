"""Requests that make no sense, and some that do, against the API over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.server import Server
from infra.local.stack import serving
from tests.integration.conftest import Api
from tests.integration.reliability.foreign import World

#: These may answer 422 to a request that fits its schema, for what no schema says: what the project has,
#: names that can't be a class or a file's, members that don't go together. No other operation may.
REFUSE_BY_DATA = (
    "configure",
    "create_version",
    "delete_images",
    "make_key",
    "rename_classes",
    "send_images",
    "start",
    "start_export",
    "store_labels",
    "store_splits",
)
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]
REFUSED = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429"]


@dataclass(frozen=True, slots=True)
class Served:
    """The API over HTTP, with a project that has one of everything, and another to be deleted."""

    url: str
    world: World
    doomed: str

    @property
    def config(self) -> str:
        """schemathesis.toml."""
        ids = (f'"path.{name}" = "{each}"' for name, each in self.world.ids.items())
        refusing = (
            f'[[operations]]\ninclude-operation-id = "{each}"\n'
            f"[operations.checks.positive_data_acceptance]\nexpected-statuses = {json.dumps(ACCEPTED)}"
            for each in REFUSE_BY_DATA
        )
        return "\n".join(
            [
                f"[checks.negative_data_rejection]\nexpected-statuses = {json.dumps(REFUSED)}",
                "[parameters]",
                *ids,
                '[[operations]]\ninclude-operation-id = "delete_project"',
                f'parameters = {{ "path.projectId" = "{self.doomed}" }}',
                *refusing,
            ]
        )


@pytest.fixture(scope="module")
def served(nobody: Api) -> Iterator[Served]:
    from app import app

    world = World.of(nobody.register())
    server = Server(app, "127.0.0.1", 0)
    with serving(server):
        doomed = world.api.project().rsplit("/", 1)[1]
        yield Served(f"http://127.0.0.1:{server.server_port}", world, doomed)
    server.server_close()


@pytest.mark.injects(
    "a request that schemathesis made of the OpenAPI document, with every one of its checks",
    times=150,
    soak=5_000,
    outcome="no 5xx; a documented status, form and content type; what breaks the document is refused,"
    " what fits it is taken",
)
def test_made_up_requests_find_what_is_documented(served: Served, times: int, tmp_path: Path) -> None:
    """Every operation, with values that fit its schema and values that don't, in an order that is fixed."""
    soak = times > 1000
    (tmp_path / "schemathesis.toml").write_text(served.config)
    report = tmp_path / "report.json"
    command = [
        Path(sys.executable).with_name("schemathesis"), "--no-color", "--config-file", "schemathesis.toml",
        "run", f"{served.url}/api/openapi.json", "--url", served.url,
        "--header", f"Authorization: Bearer {served.world.api.token}",
        "--checks", "all", "--mode", "all", "--phases", "coverage,fuzzing,stateful" if soak else "fuzzing",
        "--max-examples", "50" if soak else "4", "--generation-deterministic", "--continue-on-failure",
        "--report", "json", "--report-json-path", report,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    (tmp_path / "output.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stdout[-20_000:]
    counted = json.loads(report.read_text())
    assert counted["operations"]["tested"] == counted["operations"]["total"]
    assert counted["test_cases"]["generated"] >= times
