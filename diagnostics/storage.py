"""Stage storage: from the pod to the one object that is wrong: claim, class, volume, attachment, driver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from poddoctor.model import Read, Snapshot, Symptom, SymptomKind

from . import _binding, _mounting

_CLAIM = (
    "claim",
    "volume",
    "size",
    "modes",
    "class",
    "unset",
    "empty",
    "ephemeral",
    "plain",
    "mode",
    "claim_owner",
)
_CLASSES = ("existing", "nearest", "other", "default")
_MOUNT = (
    "node",
    "why",
    "problem",
    "what",
    "volume",
    "kind",
    "pv",
    "claim",
    "csi_driver",
    "server",
    "filesystem",
    "path",
    "expected",
    "type",
    "create",
    "driver",
    "short",
    "account",
    "device",
    "options",
    "contains",
    "mount_options",
    "foreign_option",
    "object",
    "provider_class",
    "absent_class",
    "lacking",
)
_DRIVER = (
    "driver_set",
    "driver_namespace",
    "driver_pod",
    "driver_pod_state",
    "driver_pod_missing",
    "driver_label",
    "driver_affinity",
    "driver_taint",
    "driver_taint_key",
    "driver_taint_effect",
    "driver_tolerates",
)
SYMPTOMS: Mapping[str, SymptomKind] = {
    "storage.claim-named": SymptomKind(
        "The scheduler or the kubelet says in words that claims hold the pod up."
    ),
    "storage.claim-missing": SymptomKind(
        "The pod names a claim that does not exist.",
        ("claim", "volume", "nearest", "akin", "unlike", "existing", "template", "elsewhere"),
    ),
    "storage.claims-unbound": SymptomKind(
        "A claim is not bound, and the claims cannot be read.", ("claims",)
    ),
    "storage.ephemeral-claim-missing": SymptomKind(
        "The claim of a generic ephemeral volume was not made, or belongs to something else.",
        ("claim", "volume", "why", "foreign"),
    ),
    "storage.ephemeral-claim-refused": SymptomKind(
        "The controller says why it made no claim for the volume."
    ),
    "storage.driver-unknown": SymptomKind("No CSI driver has the name of the provisioner."),
    "storage.driver-named": SymptomKind(
        "The kubelet or a controller says that the driver is not registered."
    ),
    "storage.claim-lost": SymptomKind("A bound claim has lost its volume.", (*_CLAIM, "pv")),
    "storage.claim-terminating": SymptomKind(
        "A claim is being deleted.", (*_CLAIM, "since", "holder", "holders", "finalizers")
    ),
    "storage.claim-in-use": SymptomKind(
        "A claim for one pod only is used by another pod.", (*_CLAIM, "holder", "holder_node")
    ),
    "storage.class-missing": SymptomKind(
        "A claim asks for a storage class that does not exist.", (*_CLAIM, *_CLASSES)
    ),
    "storage.class-missing-said": SymptomKind(
        "The volume controller says that the class is not found.", ("claim",)
    ),
    "storage.class-unset": SymptomKind(
        "A claim without a class finds neither a default class nor a volume.",
        (*_CLAIM, *_CLASSES, "how", "fitting"),
    ),
    "storage.no-volume-fits": SymptomKind(
        "None of the volumes that were made by hand fits the claim.",
        (*_CLAIM, "closest", "why", "problem", "offered", "offered_mode", "label", "unlabel", "count"),
    ),
    "storage.named-volume-unusable": SymptomKind(
        "A claim names a volume that does not exist, is taken or does not fit.",
        (*_CLAIM, "pv", "nearest", "why", "problem"),
    ),
    "storage.provisioning-failed": SymptomKind(
        "The provisioner could not make the volume.", (*_CLAIM, "provisioner", "why", "refusal", "shared")
    ),
    "storage.provisioner-silent": SymptomKind(
        "A claim waits for a provisioner that does not answer.",
        (*_CLAIM, "provisioner", "since", "driver_absent", "nearest", "alternatives", "unheard"),
    ),
    "storage.provisioning": SymptomKind(
        "A volume is being made.",
        (*_CLAIM, "provisioner", "since", "driver_absent", "nearest", "alternatives", "unheard"),
    ),
    "storage.claim-without-scheduler": SymptomKind(
        "A claim waits for the scheduler, which spec.nodeName passes by.", _CLAIM
    ),
    "storage.volume-attached-elsewhere": SymptomKind(
        "A volume for one node only is attached to another node.",
        (*_MOUNT, "holder", "holder_node", "node_state", "case"),
    ),
    "storage.attaching": SymptomKind("A volume is being attached to the node.", (*_MOUNT, "since")),
    "storage.attach-failed": SymptomKind("A volume could not be attached to the node.", _MOUNT),
    "storage.driver-missing": SymptomKind(
        "The node lacks the CSI driver of a volume.",
        (*_MOUNT, "drivers", "registered", "quiet", *_DRIVER),
    ),
    "storage.mount-overdue": SymptomKind(
        "A volume from outside the node is not mounted long after it should be, without an error.",
        ("node", "what", "since", "fs_group"),
    ),
    "storage.permission-change": SymptomKind(
        "The kubelet gives the files of a volume, one by one, to the pod's group.",
        ("node", "what", "since", "files", "fs_group", "policy"),
    ),
    "storage.mount-overdue-said": SymptomKind("The kubelet says which volumes it still waits for."),
    "storage.mount-late": SymptomKind("The kubelet has not yet got what the volume shows.", _MOUNT),
    "storage.mount-failed": SymptomKind("A volume could not be mounted on the node.", _MOUNT),
}


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The claims of a pod that waits, and what they refer to; nothing for a pod that has started."""
    yield from _binding.reads(snapshot)
    yield from _mounting.reads(snapshot)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What is wrong with the pod's volumes."""
    yield from _binding.examine(snapshot)
    yield from _mounting.examine(snapshot)
