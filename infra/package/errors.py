"""What keeps a package from being made."""

from collections.abc import Sequence


class PackageError(Exception):
    """A package can't be made or must not be used; `problems` has a sentence for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)
