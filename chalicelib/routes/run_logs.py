"""The log of a run."""

import re
from typing import Annotated

from pydantic import Field

from ..bootstrap import services
from ..contract.errors import FieldError, UnprocessableError
from ..contract.ids import PATTERN
from ..schemas.data import Reason
from ..schemas.run_logs import LogAnswer, LogLineAnswer
from ..services.run_logs import Position
from .api import Answered, Api, Call, Query

api = Api(__name__)

#: The run, the attempt, Unix milliseconds, and how many lines of that millisecond were seen.
_CURSOR = re.compile(f"({PATTERN})-([1-9][0-9]{{0,3}})-([0-9]{{1,14}})-([0-9]{{1,6}})")
_Cursor = Annotated[str, Field(pattern=f"^{_CURSOR.pattern}$")]
_Limit = Annotated[int, Field(ge=1, le=1000)]


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/training/{sessionId}/logs",
    summary="What the containers of a run wrote, oldest first; asked again with nextCursor, while it runs.",
    query={
        "limit": Query(_Limit, 200, "Lines an answer, 1 to 1,000."),
        "cursor": Query(_Cursor, None, "nextCursor of the answer before."),
    },
    answers={200: LogAnswer},
    scope="read",
)
def logs(call: Call) -> Answered:
    session = call.admitted.session
    since = _position(call.query["cursor"], session.session_id)
    log = services().run_logs.read(session, since, call.query["limit"])
    answer = LogAnswer(
        items=[LogLineAnswer.of(each) for each in log.lines],
        next_cursor=_cursor(session.session_id, log.position) if log.position else None,
        has_more=log.has_more,
        missing=Reason(code=log.missing.code, message=log.missing.message) if log.missing else None,
    )
    return Answered(200, answer)


def _cursor(session_id: str, position: Position) -> str:
    return f"{session_id}-{position.attempt}-{position.at}-{position.seen}"


def _position(cursor: str | None, session_id: str) -> Position | None:
    """Raises `UnprocessableError` for a cursor of another run: a place there is none here."""
    found = _CURSOR.fullmatch(cursor or "")
    if found is None:
        return None
    if found[1] != session_id:
        wrong = [FieldError("?cursor", "this isn't a cursor of this run's log")]
        raise UnprocessableError("the query has wrong values", code="invalid-query", errors=wrong)
    return Position(*map(int, found.groups()[1:]))
