"""Runs the Jobs of a Kubernetes file by podman, as a cluster would, as far as one machine goes.

kubelet.py FILE [COMPLETIONS]

What the pod's template asks for is given: environment, mounts, user, groups, capabilities, a read-only root. Pods that
fail are made again as podFailurePolicy and backoffLimit say. Secrets and ConfigMaps are what kubectl made of them,
./made-secret.json and ./made-configmap.json; volumes are folders under ./volumes. What it does not know stops it. A
CronJob is one Job of it.
"""

import base64
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml


def only(mapping, *known):
    """The mapping, of which every key is known."""
    unknown = set(mapping) - set(known)
    assert not unknown, f"not known here: {unknown}"
    return mapping


def volume(source, group):
    """The folder that a volume is on this machine."""
    if "persistentVolumeClaim" in source:
        folder = Path("volumes") / source["persistentVolumeClaim"]["claimName"]
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, 0, group)
        folder.chmod(0o2770)
        return folder.resolve()
    if "secret" in source:
        secret = only(source["secret"], "secretName", "defaultMode")
        name, mode = secret["secretName"], secret["defaultMode"]
        made = json.loads(Path("made-secret.json").read_text())
        files = {key: base64.b64decode(value) for key, value in made["data"].items()}
    else:
        name, mode = source["configMap"]["name"], 0o644
        made = json.loads(Path("made-configmap.json").read_text())
        files = {key: value.encode() for key, value in made["data"].items()}
    assert made["metadata"]["name"] == name
    folder = Path("volumes") / f"{made['kind']}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for key, content in files.items():
        (folder / key).write_bytes(content)
        os.chown(folder / key, 0, group)
        (folder / key).chmod(mode)
    return folder.resolve()


def command(job, index, template):
    """The command for podman that is this pod, without its name."""
    labels = {"batch.kubernetes.io/job-name": job, "job-name": job}
    annotations = {"batch.kubernetes.io/job-completion-index": str(index)}
    spec = only(template["spec"], "restartPolicy", "automountServiceAccountToken", "securityContext", "containers", "volumes")
    pod = only(spec["securityContext"], "runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "seccompProfile")
    (container,) = spec["containers"]
    only(container, "name", "image", "args", "env", "securityContext", "resources", "volumeMounts")
    own = only(container["securityContext"], "readOnlyRootFilesystem", "allowPrivilegeEscalation", "capabilities")
    assert pod["runAsNonRoot"] and pod["runAsUser"] != 0
    assert own == {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

    words = ["--read-only", "--read-only-tmpfs=false", "--security-opt=no-new-privileges", "--cap-drop=ALL"]
    words += [f"--user={pod['runAsUser']}:{pod['runAsGroup']}", f"--group-add={pod['fsGroup']}"]
    words += [f"--memory={container['resources']['limits']['memory'].replace('Mi', 'm')}"]
    env = {}
    for variable in container["env"]:
        if "value" in variable:
            env[variable["name"]] = variable["value"]
            continue
        path = variable["valueFrom"]["fieldRef"]["fieldPath"]
        kind, key = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path).groups()
        env[variable["name"]] = {"labels": labels, "annotations": annotations}[kind][key]
    words += [f"--env={name}={value}" for name, value in env.items()]
    folders = {source["name"]: volume(source, pod["fsGroup"]) for source in spec["volumes"]}
    for mount in container["volumeMounts"]:
        mode = "ro" if mount.get("readOnly") else "rw"
        words += [f"--volume={folders[mount['name']]}:{mount['mountPath']}:{mode}"]
    args = [re.sub(r"\$\((\w+)\)", lambda found: env[found[1]], arg) for arg in container["args"]]
    return [*words, container["image"], *args]


def action(spec, code):
    """What the policy says of a container that ended with this exit code."""
    for rule in spec.get("podFailurePolicy", {"rules": []})["rules"]:
        codes = rule.get("onExitCodes")
        if codes and (code in codes["values"]) == (codes["operator"] == "In"):
            return rule["action"]
    return "Count"


def run(job, index, spec):
    """Whether the pods of this index, one after the other, come to a good end."""
    limit = spec.get("backoffLimitPerIndex", spec.get("backoffLimit"))
    words = command(job, index, spec["template"])
    for attempt in range(limit + 1):
        name = f"{job}-{index}-{attempt}"
        code = subprocess.run(["podman", "run", f"--name={name}", *words], stdin=subprocess.DEVNULL).returncode
        print(f"{name}: exit code {code}", file=sys.stderr, flush=True)
        if code == 0:
            return True
        if action(spec, code) in ("FailJob", "FailIndex"):
            return False
    return False


def main(file, completions=None):
    good = True
    for document in yaml.safe_load_all(Path(file).read_text()):
        name, spec = document["metadata"]["name"], document["spec"]
        if document["kind"] == "CronJob":
            name, spec = f"{name}-1", spec["jobTemplate"]["spec"]
        elif document["kind"] != "Job":
            continue
        count = int(completions or spec.get("completions", 1))
        with ThreadPoolExecutor(spec.get("parallelism", 1)) as pods:
            good &= all(list(pods.map(lambda index: run(name, index, spec), range(count))))
    return 0 if good else 1


sys.exit(main(*sys.argv[1:]))
