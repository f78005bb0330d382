"""Every ConfigMap and Secret that a pod refers to, in one walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poddoctor.model import POD, Body, Subject
from poddoctor.pod.containers import containers


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference. ``kind`` is ConfigMap or Secret; ``key`` is empty when the whole object is meant.

    ``subject`` is the container whose environment refers to it, or the pod for a volume; ``use`` says how, in
    words; ``path`` is the field.
    """

    kind: str
    name: str
    key: str
    subject: Subject
    use: str
    path: str

    @property
    def resource(self) -> str:
        """The plural resource name."""
        return f"{self.kind.lower()}s"


def references(pod: Body) -> Iterator[Reference]:
    """The references that must be met for the pod to start: optional ones are left out."""
    for container in containers(pod, "init", "sidecar", "app"):
        place = container.spec_path
        for one in container.spec.get("envFrom") or []:
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                source = one.get(field) or {}
                if source.get("name") and not source.get("optional"):
                    yield Reference(
                        kind, str(source["name"]), "", container.subject, "envFrom", f"{place}.envFrom"
                    )
        for one in container.spec.get("env") or []:
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                source = (one.get("valueFrom") or {}).get(field) or {}
                if source.get("name") and not source.get("optional"):
                    name, key = str(source["name"]), str(source.get("key") or "")
                    use = f"variable {one.get('name')}"
                    yield Reference(
                        kind, name, key, container.subject, use, f"{place}.env[{one.get('name')}]"
                    )
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        yield from _volume(volume)


def _volume(volume: Body) -> Iterator[Reference]:
    name = str(volume.get("name"))
    yield from _source("ConfigMap", volume.get("configMap"), "name", name)
    yield from _source("Secret", volume.get("secret"), "secretName", name)
    for one in (volume.get("projected") or {}).get("sources") or []:
        yield from _source("ConfigMap", one.get("configMap"), "name", name)
        yield from _source("Secret", one.get("secret"), "name", name)


def _source(kind: str, source: Body | None, field: str, volume: str) -> Iterator[Reference]:
    if not source or not source.get(field) or source.get("optional"):
        return
    name, path, use = str(source[field]), f"pod.spec.volumes[{volume}]", f"volume {volume}"
    items = source.get("items") or []
    if not items:
        yield Reference(kind, name, "", POD, use, path)
    for item in items:
        yield Reference(kind, name, str(item.get("key") or ""), POD, use, f"{path}.items")


def mount_at(container: Body, path: str) -> Body:
    """The volumeMount of a container at this path, empty when there is none."""
    wanted = "/" + path.strip("/")
    for one in container.get("volumeMounts") or []:
        if "/" + str(one.get("mountPath") or "").strip("/") == wanted:
            found: Body = one
            return found
    return {}


def source_of(pod: Body, volume: object) -> Reference | None:
    """The ConfigMap or Secret that a volume shows whole, optional or not."""
    for one in (pod.get("spec") or {}).get("volumes") or []:
        for kind, field, key in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
            source = one.get(field) or {}
            if one.get("name") == volume and source.get(key) and not source.get("items"):
                use, path = f"volume {volume}", f"pod.spec.volumes[{volume}]"
                return Reference(kind, str(source[key]), "", POD, use, path)
    return None
