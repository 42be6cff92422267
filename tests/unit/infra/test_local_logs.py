"""What follows a job's log file, where somebody clears the folder meanwhile."""

import threading
import time
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.local import awslogs
from infra.local.appended import Appended
from infra.local.awslogs import shipping
from infra.local.tail import tailing


def test_a_deleted_log_ends_nobody_who_follows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had is shipped and shown, and another job's lines after it."""
    monkeypatch.setattr(awslogs, "_LOOK_SECONDS", 0.01)
    events: list[dict[str, object]] = []
    stream = SimpleNamespace(put_log_events=events.extend, events=events)
    log, out = tmp_path / "one-1.log", BytesIO()
    log.touch()
    with shipping(log, stream), tailing(tmp_path, out):
        log.write_bytes(b"one\n")
        _until(lambda: events and out.getvalue() == b"one\n")
        log.unlink()
        time.sleep(0.05)
        (tmp_path / "two-1.log").write_bytes(b"two\n")
        _until(lambda: out.getvalue() == b"one\ntwo\n")
        assert "awslogs" in [each.name for each in threading.enumerate()]
    assert [each["message"] for each in events] == ["one"]
    assert "awslogs" not in [each.name for each in threading.enumerate()]


def test_a_file_that_is_gone_has_no_more_lines(tmp_path: Path) -> None:
    """Also where it goes between being found and being opened."""
    assert Appended(tmp_path / "none.log").lines() == []


def _until(is_so) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
