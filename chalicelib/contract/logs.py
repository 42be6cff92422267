"""The log of a container: a JSON line an event, and in each line whose it is.

The names are those of the functions' log and of API Gateway's, so that one query follows a request
through all of them: `filter requestId = "…"`.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

#: variable of the container -> name in its lines
_IDENTITY = {
    "PROJECT_ID": "projectId",
    "SESSION_ID": "sessionId",
    "TRANSFER_ID": "transferId",
    "REQUEST_ID": "requestId",
    "AWS_BATCH_JOB_ID": "jobId",
    "AWS_BATCH_JOB_ATTEMPT": "attempt",
    "RANK": "rank",
}
#: Of the container's own modules; of its libraries what is a warning at least.
_OWN = ("training_job", "data_job")


class JsonLines(logging.Formatter):
    """One line for each event: time, level, message, logger, whose it is, and `extra={"fields": …}`."""

    def __init__(self, identity: Mapping[str, str]) -> None:
        super().__init__()
        self._identity = dict(identity)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _rfc3339(record.created),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            **self._identity,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_json_lines(variables: Mapping[str, str], stream: TextIO = sys.stdout) -> None:
    """Sets up this process's log, warnings and what ends it or a thread of it unforeseen included.

    Args:
        variables: of the container; what of them says whose a line is stands in every line.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        JsonLines({name: variables[each] for each, name in _IDENTITY.items() if each in variables})
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for name in _OWN:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_the_end
    threading.excepthook = lambda each: _log_the_end(each.exc_type, each.exc_value, each.exc_traceback)


def _log_the_end(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger("unforeseen").critical(
            "%s: %s", kind.__name__, error, exc_info=(kind, error or kind(), trace)
        )


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
