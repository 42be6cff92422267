"""What stops a deployment. Each says in one sentence what happened, and names the one command that goes on.

DeployError
├── UsageError               a stage's name, or a parameter of it, that can't be (exit code 2)
├── AccountError             no credentials, no region, expired, not allowed, out of reach
├── NameTakenError           a bucket or a table of that name is there already, and not the stack's
├── StackStateError          the stack is in a state that no update leaves
├── NewerVersionError        the stack was made by a newer checkout
├── FailedError              CloudFormation or CodeBuild tried, and failed
├── SmokeTestError           it is up, and doesn't answer as it should
├── NotConfirmedError        the person said no, or couldn't be asked
└── LeftoversError           destroy ended, and something is still there
"""


class DeployError(Exception):
    """Base of all; never raised itself.

    Args:
        sentence: what happened.
        command: what to type to go on.
    """

    exit_code = 1

    def __init__(self, sentence: str, command: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.command = command


class UsageError(DeployError):
    exit_code = 2


class AccountError(DeployError):
    pass


class NameTakenError(DeployError):
    pass


class StackStateError(DeployError):
    pass


class NewerVersionError(DeployError):
    pass


class FailedError(DeployError):
    pass


class SmokeTestError(DeployError):
    pass


class NotConfirmedError(DeployError):
    pass


class LeftoversError(DeployError):
    pass
