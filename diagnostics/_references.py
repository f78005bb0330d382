"""Every ConfigMap and Secret that a pod refers to, in one walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from poddoctor.model import POD, Body, Subject
from poddoctor.pod.containers import containers


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference. ``kind`` is ConfigMap or Secret; ``key`` is empty when the whole object is meant.

    ``subject`` is the container whose environment refers to it, or the pod for a volume; ``use`` says how, in
    words; ``path`` is the field. ``at`` and ``of`` are the JSON pointers of the key and of the object's name
    below the pod's spec, without the leading slash.
    """

    kind: str
    name: str
    key: str
    subject: Subject
    use: str
    path: str
    at: str = field(default="", compare=False)
    of: str = field(default="", compare=False)

    @property
    def resource(self) -> str:
        """The plural resource name."""
        return f"{self.kind.lower()}s"


def references(pod: Body) -> Iterator[Reference]:
    """The references that must be met for the pod to start: optional ones are left out."""
    for container in containers(pod, "init", "sidecar", "app"):
        place = container.spec_path
        listed = "initContainers" if container.kind in ("init", "sidecar") else "containers"
        position = _position(pod, listed, container.name)
        for index, one in enumerate(container.spec.get("envFrom") or []):
            for ref, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                source = one.get(ref) or {}
                if source.get("name") and not source.get("optional"):
                    of = f"{listed}/{position}/envFrom/{index}/{ref}/name"
                    path = f"{place}.envFrom"
                    yield Reference(kind, str(source["name"]), "", container.subject, "envFrom", path, of=of)
        for index, one in enumerate(container.spec.get("env") or []):
            for ref, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                source = (one.get("valueFrom") or {}).get(ref) or {}
                if source.get("name") and not source.get("optional"):
                    name, key = str(source["name"]), str(source.get("key") or "")
                    use = f"variable {one.get('name')}"
                    path = f"{place}.env[{one.get('name')}]"
                    at = f"{listed}/{position}/env/{index}/valueFrom/{ref}"
                    yield Reference(kind, name, key, container.subject, use, path, f"{at}/key", f"{at}/name")
    for index, volume in enumerate((pod.get("spec") or {}).get("volumes") or []):
        yield from _volume(volume, f"volumes/{index}")


def _position(pod: Body, listed: str, name: str) -> int:
    """Where the container stands in its list: the containers of a pod have names of their own."""
    names = [str(one.get("name")) for one in (pod.get("spec") or {}).get(listed) or []]
    return names.index(name) if name in names else len(names)


def _volume(volume: Body, at: str) -> Iterator[Reference]:
    name = str(volume.get("name"))
    yield from _source("ConfigMap", volume.get("configMap"), "name", name, f"{at}/configMap")
    yield from _source("Secret", volume.get("secret"), "secretName", name, f"{at}/secret")
    for index, one in enumerate((volume.get("projected") or {}).get("sources") or []):
        below = f"{at}/projected/sources/{index}"
        yield from _source("ConfigMap", one.get("configMap"), "name", name, f"{below}/configMap")
        yield from _source("Secret", one.get("secret"), "name", name, f"{below}/secret")


def _source(kind: str, source: Body | None, called: str, volume: str, at: str) -> Iterator[Reference]:
    if not source or not source.get(called) or source.get("optional"):
        return
    name, path, use = str(source[called]), f"pod.spec.volumes[{volume}]", f"volume {volume}"
    items = source.get("items") or []
    if not items:
        yield Reference(kind, name, "", POD, use, path, of=f"{at}/{called}")
    for index, item in enumerate(items):
        pointers = f"{at}/items/{index}/key", f"{at}/{called}"
        yield Reference(kind, name, str(item.get("key") or ""), POD, use, f"{path}.items", *pointers)


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
        for kind, source_field, key in (
            ("ConfigMap", "configMap", "name"),
            ("Secret", "secret", "secretName"),
        ):
            source = one.get(source_field) or {}
            if one.get("name") == volume and source.get(key) and not source.get("items"):
                use, path = f"volume {volume}", f"pod.spec.volumes[{volume}]"
                return Reference(kind, str(source[key]), "", POD, use, path)
    return None
