"""Makes sure that there is a kind cluster for the e2e tests: the current context's, or a new one.

``KIND_NODE_IMAGE`` chooses the node image, for example one that was built or loaded offline.
"""

from __future__ import annotations

import os
import subprocess
import sys


def main() -> int:
    asked = subprocess.run(
        ["kubectl", "get", "nodes", "-o", "jsonpath={.items[*].spec.providerID}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "kind://" in asked.stdout:
        return 0
    if asked.returncode == 0:
        sys.stderr.write(
            "the current context is a cluster that kind did not make: e2e breaks nodes, so it stops here\n"
        )
        return 1
    image = os.environ.get("KIND_NODE_IMAGE")
    command = ["kind", "create", "cluster", "--name", "poddoctor", "--wait", "180s"]
    return subprocess.call([*command, *(["--image", image] if image else [])])


if __name__ == "__main__":
    sys.exit(main())
