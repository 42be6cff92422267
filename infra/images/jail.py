"""What a container's runtime does, by util-linux alone: an image's command as process 1 of a namespace.

As the job definitions ask for it: the image's own user, its files read-only, and a writable volume where
the image declares one. Network and devices are the machine's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Arguments: the image's files, what is mounted at its volume, the volume, user:group, and then env's.
_SCRIPT = """
root=$1 scratch=$2 volume=$3 user=$4
shift 4
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount --bind "$scratch" "$root$volume"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" /usr/bin/env "$@"
"""
_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


def jailed(
    root: Path,
    configuration: Mapping[str, Any],
    command: Sequence[str],
    variables: Mapping[str, str],
    scratch: Path,
) -> list[str]:
    """The command line that runs `command` in an image; whoever runs it is root.

    Args:
        root: the image's files.
        configuration: `config` of the OCI image specification.
        command: replaces the image's own.
        variables: beside the image's own.
        scratch: an empty folder, which anybody may write to from now on.
    """
    [volume] = configuration["Volumes"]
    scratch.chmod(0o1777)
    environment = [*configuration["Env"], *(f"{name}={value}" for name, value in variables.items())]
    return [
        *_UNSHARE, "sh", "-euc", _SCRIPT, "jail", str(root), str(scratch), volume, configuration["User"],
        "--ignore-environment", f"--chdir={configuration['WorkingDir']}",
        *environment, *configuration["Entrypoint"], *command,
    ]  # fmt: skip
