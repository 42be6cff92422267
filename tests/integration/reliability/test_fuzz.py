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
#: names that can't be a class or a file's, common passwords, members that don't go together, a cursor of
#: another run's log, and an Idempotency-Key that was used for something else. No other operation may.
REFUSE_BY_DATA = (
    "change_password",
    "configure",
    "create_version",
    "delete_images",
    "make_key",
    "logs",
    "open_import",
    "open_upload",
    "register",
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

    def config(self, is_fixed: bool) -> str:
        """schemathesis.toml; with the ids of what is there, or without: sequences find their own."""
        ids = {f"path.{name}": each for name, each in self.world.ids.items()} if is_fixed else {}
        doomed = [
            '[[operations]]\ninclude-operation-id = "delete_project"',
            f'parameters = {{ "path.projectId" = "{self.doomed}" }}',
        ]
        refusing = (
            f'[[operations]]\ninclude-operation-id = "{each}"\n'
            f"[operations.checks.positive_data_acceptance]\nexpected-statuses = {json.dumps(ACCEPTED)}"
            for each in REFUSE_BY_DATA
        )
        refused = f"[checks.negative_data_rejection]\nexpected-statuses = {json.dumps(REFUSED)}"
        fixed = [f'"{name}" = "{each}"' for name, each in ids.items()]
        return "\n".join([refused, "[parameters]", *fixed, *(doomed if is_fixed else []), *refusing])


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
    times=100,
    soak=5_000,
    outcome="no 5xx; a documented status, form and content type; what breaks the document is refused,"
    " what fits it is taken",
)
def test_made_up_requests_find_what_is_documented(served: Served, times: int, tmp_path: Path) -> None:
    """Every operation, with values that fit its schema and values that don't, in an order that is fixed."""
    if times < 1000:
        assert _run(served, tmp_path, "fuzzing", 3) >= times
    else:
        alone = _run(served, tmp_path, "coverage,fuzzing", 80)
        assert alone + _run(served, tmp_path, "stateful", 50) >= times


def _run(served: Served, folder: Path, phases: str, examples: int) -> int:
    """Runs phases of schemathesis without a failure; returns how many requests it made."""
    (folder / "schemathesis.toml").write_text(served.config(is_fixed=phases != "stateful"))
    report = folder / f"{phases}.json"
    command = [
        Path(sys.executable).with_name("schemathesis"), "--no-color", "--config-file", "schemathesis.toml",
        "run", f"{served.url}/api/openapi.json", "--url", served.url,
        "--header", f"Authorization: Bearer {served.world.api.token}",
        "--checks", "all", "--mode", "all", "--phases", phases, "--max-examples", str(examples),
        "--generation-deterministic", "--continue-on-failure",
        "--report", "json", "--report-json-path", report,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:]
    counted = json.loads(report.read_text())
    # A sequence begins where something is made, and needn't come to all.
    assert counted["operations"]["tested"] == counted["operations"]["total"] or phases == "stateful"
    return int(counted["test_cases"]["generated"])
