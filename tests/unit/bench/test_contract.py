"""The simulated AWS keeps what the embedded one keeps: the adapters' own contract, over it."""

from tests.contract.test_images import *  # noqa: F403
from tests.contract.test_projects import *  # noqa: F403
from tests.contract.test_sessions import *  # noqa: F403
from tests.contract.test_users import *  # noqa: F403
