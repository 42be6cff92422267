"""`python -m training_job`: trains the session that the environment names."""

import os
import signal
import sys
from types import FrameType

from chalicelib.contract.logs import log_json_lines


def _leave(number: int, frame: FrameType | None) -> None:
    """Until there is something to keep. As process 1 of a container, SIGTERM would have no effect at all."""
    del frame
    os._exit(128 + number)


def main() -> int:
    """See `claim.main`."""
    signal.signal(signal.SIGTERM, _leave)
    log_json_lines(os.environ)
    from .launch import Launch, is_launched

    has_agent = is_launched(os.environ)
    # Seconds of imports, in which the machine may be reclaimed, or the agent die.
    from torch import cuda

    if has_agent or (launch := Launch.read(os.environ, cuda.device_count())).is_alone:
        from . import claim

        return claim.main()
    return launch.run(os.environ)


if __name__ == "__main__":
    sys.exit(main())
