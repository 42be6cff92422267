"""The log of a container."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
IDS = {"SESSION_ID": "s", "PROJECT_ID": "p", "REQUEST_ID": "r", "AWS_BATCH_JOB_ID": "j"}
SHOWN = {"sessionId": "s", "projectId": "p", "requestId": "r", "jobId": "j", "attempt": "2"}
SET_UP = "import logging, os, threading, warnings\nfrom chalicelib.contract.logs import log_json_lines\n"


def _lines(code: str) -> list[dict]:
    """What a process logs whose code this is."""
    environment = IDS | {"AWS_BATCH_JOB_ATTEMPT": "2", "PYTHONPATH": str(ROOT), "UNKNOWN": "x"}
    command = [sys.executable, "-c", f"{SET_UP}log_json_lines(os.environ)\n{code}"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    return [json.loads(each) for each in ended.stdout.splitlines()]


def test_a_line_says_whose_it_is():
    """Each event is a line with its time, level, message, the ids, and the figures that belong to it."""
    more = "extra={'fields': {'metrics': {'epoch': 1}}}"
    [line] = _lines(f"logging.getLogger('training_job.sink').info('epoch %d', 1, {more})")
    assert line.pop("time").endswith("Z")
    own = {"level": "INFO", "message": "epoch 1", "logger": "training_job.sink", "metrics": {"epoch": 1}}
    assert line == own | SHOWN


@pytest.mark.parametrize(
    ("code", "level", "words"),
    [
        ("1 / 0", "CRITICAL", "ZeroDivisionError: division by zero"),
        ("t = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()", "CRITICAL", "ZeroDivisionError"),
        ("warnings.warn('beware')", "WARNING", "beware"),
        ("try: 1 / 0\nexcept ZeroDivisionError: logging.getLogger('data_job').exception('x')", "ERROR", "x"),
        ("logging.getLogger('a library').warning('slow')", "WARNING", "slow"),
    ],
)
def test_whatever_happens_is_one_line(code, level, words):
    """What ends the process or a thread, warnings, tracebacks and libraries' lines come in the same form."""
    [line] = _lines(code)
    assert (line["level"], words in line["message"]) == (level, True)
    assert SHOWN.items() <= line.items()
    assert ("Traceback" in line.get("exception", "")) == ("1 / 0" in code)


def test_an_end_on_purpose_is_no_event():
    """Neither an exit nor a library's information is logged."""
    assert _lines("logging.getLogger('a library').info('x')\nraise SystemExit(3)") == []
