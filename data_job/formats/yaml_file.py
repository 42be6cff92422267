"""YAML from strangers: text, lists and maps only; no aliases, which a small file can unfold to gigabytes."""

from typing import Any

import yaml

from .checks import RefusedError


class _Loader(yaml.BaseLoader):
    """Scalars stay text: a class `007` or `no` keeps its name."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise RefusedError("yaml-alias", "the YAML has an alias (*name): write out what it stands for")
        return super().compose_node(parent, index)


def load(content: bytes) -> Any:
    """The document; a mistake in it raises RefusedError, with its line."""
    try:
        # Safe: the loader is BaseLoader, which makes nothing but str, list and dict.
        return yaml.load(content, _Loader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RefusedError("bad-yaml", f"this isn't YAML ({error.problem}): mend it", line=line) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RefusedError("bad-yaml", "the file isn't YAML that can be read: mend it") from error
