"""A base image made of Debian's packages alone, where no registry of images can be reached."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from .buildah import Buildah

#: Debian 13, as below the default base: Python 3.13.
SUITE = "trixie"
_MIRROR = "http://deb.debian.org/debian"
_PACKAGES = ("ca-certificates", "python3", "python3-venv", "python-is-python3")
_LOCAL_CERTIFICATES = Path("usr/local/share/ca-certificates")


def debian_base(buildah: Buildah, name: str, mirror: str = _MIRROR) -> None:
    """Makes the image `name`, which trusts the certificate authorities that this machine was given.

    Raises:
        subprocess.CalledProcessError: debootstrap, which needs root, or buildah failed.
    """
    with TemporaryDirectory(prefix="darkroom-base-") as folder:
        root = Path(folder, "root")
        packages = f"--include={','.join(_PACKAGES)}"
        subprocess.run(["debootstrap", "--variant=minbase", packages, SUITE, str(root), mirror], check=True)
        _trust(root)
        shutil.rmtree(root / "var/cache/apt")
        archive = Path(folder, "root.tar")
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        Path(folder, "Dockerfile").write_text('FROM scratch\nADD root.tar /\nCMD ["python"]\n')
        buildah.build(["--tag", name], Path(folder))


def _trust(root: Path) -> None:
    for certificate in sorted((Path("/") / _LOCAL_CERTIFICATES).glob("*.crt")):
        shutil.copy(certificate, root / _LOCAL_CERTIFICATES)
    subprocess.run(["chroot", str(root), "update-ca-certificates"], check=True)
