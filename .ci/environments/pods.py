"""Prints what `podman kube play` takes from a Kubernetes file with a Job or CronJob.

pods.py claim FILE: its claim of a volume.
pods.py FILE POD JOB INDEX: the pod POD that a cluster makes of the template, for this index of the Job JOB.
"""

import json
import os
import re
import sys
from pathlib import Path

import yaml


def claim(file):
    (found,) = [document for document in documents(file) if document["kind"] == "PersistentVolumeClaim"]
    return found


def pod(file, name, job, index):
    """The template, with what the Job controller adds to it, and the fake API's address."""
    (job_spec,) = [job_of(document) for document in documents(file) if document["kind"] in ("Job", "CronJob")]
    spec = job_spec["template"]["spec"]
    for volume in spec["volumes"]:
        if "secret" in volume:
            volume["secret"]["optional"] = False  # the default, which podman 4.3 does not know
    metadata = {
        "name": name,
        "labels": {"batch.kubernetes.io/job-name": job},
        "annotations": {"batch.kubernetes.io/job-completion-index": index},
    }
    for container in spec["containers"]:
        # podman does not expand $(NAME).
        values = {entry["name"]: value(entry, metadata) for entry in container["env"]}
        container["args"] = [re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], arg) for arg in container["args"]]
        container["env"].append({"name": "RELEVANCE_BASE_URL", "value": os.environ["BASE_URL"]})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def value(entry, metadata):
    if "value" in entry:
        return entry["value"]
    kind, key = re.fullmatch(r"metadata\.(\w+)\['(.*)'\]", entry["valueFrom"]["fieldRef"]["fieldPath"]).groups()
    return metadata[kind][key]


def documents(file):
    return yaml.safe_load_all(Path(file).read_text())


def job_of(document):
    spec = document["spec"]
    return spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec


arguments = sys.argv[1:]
print(json.dumps(claim(arguments[1]) if arguments[0] == "claim" else pod(*arguments)))
