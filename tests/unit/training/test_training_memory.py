"""What a process may take of its machine: memory, and a GPU."""

import platform
from pathlib import Path

import pytest

from training_job.config import JobEnvironment
from training_job.memory import available_bytes, return_freed

SESSION = {"TABLE_PREFIX": "t-", "BUCKET": "b", "PROJECT_ID": "p", "SESSION_ID": "s", "GENERATION": "1"}
JOB = {"AWS_BATCH_JOB_ID": "j", "AWS_BATCH_JOB_ATTEMPT": "1"}


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.max": "9000", "memory.stat": "anon 2000\nfile 6000"}, 7000),
        ({"memory/memory.limit_in_bytes": "9000", "memory/memory.stat": "rss 1\ntotal_rss 2000"}, 7000),
        ({"memory.max": "9000", "memory.stat": "anon 9001"}, 0),
    ],
)
def test_what_a_container_holds_is_not_available(files: dict[str, str], left: int, tmp_path: Path) -> None:
    """Its limit, less what can't be written out and dropped; by cgroup v2 and v1."""
    (tmp_path / "memory").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(f"{content}\n")
    assert available_bytes(tmp_path) == left


@pytest.mark.parametrize("limit", [None, "max"])
def test_without_a_limit_the_machine_counts(limit: str | None, tmp_path: Path) -> None:
    """No container, or one that may take all there is."""
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    assert 1e8 < available_bytes(tmp_path) < 1e14


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide by themselves")
def test_freed_memory_is_given_back() -> None:
    """Of small pieces that lie between ones in use, which keep it from going back by itself."""
    pieces = [bytearray(b"\1") * 50_000 for _ in range(1200)]
    pieces = pieces[::100]
    before = _resident_bytes()
    return_freed()
    assert _resident_bytes() < before - 30e6
    assert len(pieces) == 12


@pytest.mark.parametrize(("variable", "device"), [({}, "auto"), ({"TRAINING_DEVICE": "cuda"}, "cuda")])
def test_the_device_is_free_unless_the_job_definition_says(variable: dict[str, str], device: str) -> None:
    """Only where the job definition asks for it, a missing GPU is a failure."""
    environment = JobEnvironment.read(SESSION | JOB | variable)
    assert environment.training_device == device
