"""Lambda functions, each with execution environments that are kept warm."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .runtime_api import ExecutionEnvironment, FunctionError, FunctionTimeoutError

#: Lambda's, for a whole event, and for an answer: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
#: Of one function at a time; the next waits, where Lambda would start another.
MAX_ENVIRONMENTS = 2


class PayloadTooLargeError(Exception):
    """An event has more than Lambda takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """A function as Lambda's GetFunctionConfiguration has it.

    Attributes:
        name: of the function.
        arn: its ARN.
        handler: module and name in the code.
        variables: its environment variables.
        timeout_seconds: of one event.
        memory_mb: of one environment; it is told to the function, and not enforced.
    """

    name: str
    arn: str
    handler: str
    variables: Mapping[str, str]
    timeout_seconds: int
    memory_mb: int

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Configuration":
        return cls(
            name=found["FunctionName"],
            arn=found["FunctionArn"],
            handler=found["Handler"],
            variables=found.get("Environment", {}).get("Variables", {}),
            timeout_seconds=found["Timeout"],
            memory_mb=found["MemorySize"],
        )


@dataclass
class Function:
    """A function that can be invoked.

    Args:
        configuration: of the function.
        python: an interpreter that has the runtime's interface client.
        code: the folder where the zip was unpacked.
        outside: variables of the machine: where AWS is, and the credentials.
        log: takes the output of all environments.
        client: the runtime's interface client, a module.
    """

    configuration: Configuration
    python: Path
    code: Path
    outside: Mapping[str, str]
    log: Path
    client: str = "awslambdaric"
    _idle: list[ExecutionEnvironment] = field(default_factory=list)
    _all: list[ExecutionEnvironment] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_ENVIRONMENTS))

    def __call__(self, event: Any, _: Any = None) -> Any:
        """The answer to an event, as a handler would give it.

        Raises:
            FunctionError: the function raised, ended, or took too long.
            PayloadTooLargeError: the event is larger than Lambda takes.
        """
        payload = json.dumps(event).encode()
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLargeError
        with self._free:
            answer = self._answer(payload)
        if len(answer) > MAX_PAYLOAD_BYTES:
            raise FunctionError("Function.ResponseSizeTooLarge")
        return json.loads(answer)

    def _answer(self, payload: bytes) -> bytes:
        environment = self._environment()
        try:
            return environment.invoke(payload, self.configuration.timeout_seconds)
        except FunctionTimeoutError:
            environment.close()
            raise
        finally:
            with self._lock:
                self._idle.append(environment)

    def close(self) -> None:
        for environment in self._all:
            environment.close()

    def _environment(self) -> ExecutionEnvironment:
        with self._lock:
            while self._idle:
                environment = self._idle.pop()
                if environment.is_alive:
                    return environment
            made = self.start()
            self._all.append(made)
            return made

    def start(self) -> ExecutionEnvironment:
        """A new environment, which nobody else invokes."""
        command = [str(self.python), "-m", self.client, self.configuration.handler]
        return ExecutionEnvironment(command, self._variables(), self.code, self.log, self.configuration.arn)

    def _variables(self) -> dict[str, str]:
        """Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
        name = self.configuration.name
        return {
            **self.outside,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.configuration.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "LAMBDA_TASK_ROOT": str(self.code),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONDONTWRITEBYTECODE": "1",  # the code is read-only in Lambda
            # A number of the template is text in the environment.
            **{variable: str(value) for variable, value in self.configuration.variables.items()},
        }
