"""`python -m data_job`: carries out the import or the export that the environment names."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from chalicelib.adapters.aws import Aws
from chalicelib.contract.errors import UnavailableError
from chalicelib.contract.logs import log_json_lines
from chalicelib.contract.records import Failure

from .job import JobEnvironment, aws_ports, carry_out
from .progress import NotOursError

_LOG = logging.getLogger("data_job")
#: As sysexits.h has it for "try again". The job definition's retry strategy knows it: it has five rules, and
#: none to spare for the 143 that a shell would say of SIGTERM.
_TRY_AGAIN = 75


def main() -> int:
    log_json_lines(os.environ)
    signal.signal(signal.SIGTERM, _leave)
    job = JobEnvironment.read(os.environ)
    ports = aws_ports(job, Aws())
    with TemporaryDirectory(prefix="darkroom-data-") as folder:
        return exit_code(
            lambda: carry_out(ports, job.project_id, job.kind, job.transfer_id, job.attempt, Path(folder))
        )


def exit_code(work: Callable[[], Failure | None]) -> int:
    """Does the work, and says how it went in the way that the job definition's retry strategy knows.

    Returns:
        0: completed, or not this attempt's business. 1: the transfer says why it failed, and another
        attempt would fail as well. 75: AWS was busy, or, from `_leave`, the machine goes.
    """
    try:
        failure = work()
    except NotOursError as error:
        _LOG.info("%s", error)
        return 0
    except UnavailableError as error:
        _LOG.warning("%s", error.detail)
        return _TRY_AGAIN
    if failure:
        _LOG.error("%s: %s", failure.code, failure.message)
    return 1 if failure else 0


def _leave(_: int, __: FrameType | None) -> None:
    """The machine goes. The next attempt finds everything that this one has done, so there is no goodbye."""
    os._exit(_TRY_AGAIN)


if __name__ == "__main__":
    sys.exit(main())
