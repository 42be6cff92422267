"""What a package is made for: one Lambda runtime on one processor."""

from dataclasses import dataclass
from typing import NamedTuple

#: Lambda's from Python 3.12 on run on Amazon Linux 2023: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
GLIBC_MINOR = 34
#: The oldest that wheels still name; manylinux2014 is another name of it.
_OLDEST_GLIBC_MINOR = 17
PYTHON = "3.13"


class Processor(NamedTuple):
    """What a processor is called by wheels, and by ELF headers."""

    wheel_name: str
    elf_machine: int


#: By the names that Lambda has for them.
PROCESSORS = {"x86_64": Processor("x86_64", 62), "arm64": Processor("aarch64", 183)}


@dataclass(frozen=True, slots=True)
class Target:
    """A version of Python, as "3.13", and a processor, as Lambda names it.

    Raises:
        ValueError: Lambda has no such processor.
    """

    python: str = PYTHON
    architecture: str = "x86_64"

    def __post_init__(self) -> None:
        if self.architecture not in PROCESSORS:
            raise ValueError(f"Lambda runs on {' or '.join(PROCESSORS)}, not on {self.architecture!r}")

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags of the wheels that run there."""
        name = PROCESSORS[self.architecture].wheel_name
        versions = range(GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)
        return (*(f"manylinux_2_{minor}_{name}" for minor in versions), f"manylinux2014_{name}")

    @property
    def runtime(self) -> str:
        """As Lambda names it."""
        return f"python{self.python}"

    @property
    def elf_machine(self) -> int:
        return PROCESSORS[self.architecture].elf_machine
