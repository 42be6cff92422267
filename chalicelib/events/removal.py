"""The removal of what deleted projects leave."""

from datetime import UTC, datetime, timedelta

from chalice.app import Blueprint, CloudWatchEvent, Rate

from ..bootstrap import services
from ..logs import about, invocation

blueprint = Blueprint(__name__)

#: Less than the time between two ticks, so that they never work on one project at once.
WORK = timedelta(minutes=4)


@blueprint.schedule(Rate(5, unit=Rate.MINUTES), name="remove")
def remove(event: CloudWatchEvent) -> None:
    """Works on deleted projects; what is left when the time is over, the next tick goes on with."""
    with about(functionRequestId=invocation(event.context)):
        services().removal.run(datetime.now(UTC) + WORK)
