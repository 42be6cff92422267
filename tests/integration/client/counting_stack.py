"""`python -m tests.integration.client.counting_stack FILE …`: infra.local, which notes what is posted.

Each object that S3 takes by a signed form becomes a line of the file: its key.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infra.local import front
from infra.local.__main__ import main

_answer = front.Front.__call__


def count(path: Path) -> None:
    """Notes the key of every object that is stored by a form, when it is."""

    def answer(self: front.Front, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST" or "multipart/form-data" not in environ.get(
            "CONTENT_TYPE", ""
        ):
            return _answer(self, environ, start_response)
        [key] = re.findall(rb'name="key"\r\n\r\n(.*?)\r\n', front._body(environ))

        def started(status: str, *rest: Any) -> Any:
            if status.startswith("20"):
                with path.open("a") as file:
                    file.write(key.decode() + "\n")
            return start_response(status, *rest)

        return _answer(self, environ, started)

    front.Front.__call__ = answer  # type: ignore[method-assign]


if __name__ == "__main__":
    count(Path(sys.argv.pop(1)))
    sys.exit(main())
