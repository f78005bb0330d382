"""What registries and runtimes say in the field, and what it means: one row for each text.

Each text is tried as the waiting message, as the back-off message of Kubernetes 1.32 and later, and as the
Failed event of earlier versions beside a bare back-off message.
"""

from __future__ import annotations

import pytest

from poddoctor import session

from .test_image import CONTAINERD, TRANSFER, first

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web:2"
GAR = "europe-west3-docker.pkg.dev/proj/shop/web:2"
ACR = "shopacr.azurecr.io/web:2"
HARBOR = "harbor.corp.example/shop/web:2"
DAEMON = "rpc error: code = Unknown desc = Error response from daemon: "
UNPACK = 'failed to pull and unpack image "{image}": '
REQUEST = CONTAINERD + 'failed to do request: Head "https://h.example/v2/shop/web/manifests/2": '
CRIO = "initializing source docker://{image}: "
OCI = "unable to pull image or OCI artifact: pull image err: initializing source docker://{image}: "

DENIED, TAG, REPOSITORY, RATE = (
    "image/credentials-rejected",
    "image/tag-not-found",
    "image/repository-not-found",
    "image/rate-limited",
)
DNS, AWAY, CERTIFICATE, ERROR = (
    "image/registry-dns-failure",
    "image/registry-unreachable",
    "image/registry-untrusted-certificate",
    "image/registry-error",
)
PROXY, BROKEN, UNPACKED, FULL = (
    "image/proxy-failed",
    "image/download-interrupted",
    "image/unpack-failed",
    "image/node-disk-full",
)
SHORT, PLATFORM, POLICY, FORMAT, HANDSHAKE = (
    "image/short-name-refused",
    "image/no-matching-platform",
    "image/refused-by-policy",
    "image/unsupported-manifest",
    "image/tls-handshake-failed",
)

TEXTS = [
    # Amazon ECR
    (ECR, CONTAINERD + "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials", DENIED),
    (ECR, DAEMON + 'Get "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/v2/shop/web/manifests/2": no basic auth credentials', DENIED),
    (ECR, CONTAINERD + "unexpected status from HEAD request to https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/v2/shop/web/manifests/2: 403 Forbidden", DENIED),
    (ECR, "rpc error: code = Unknown desc = " + CONTAINERD + "unexpected status code [manifests 2]: 403 Forbidden", DENIED),
    (ECR, DAEMON + "denied: Your authorization token has expired. Reauthenticate and try again.", DENIED),
    (ECR, DAEMON + "repository 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web not found: name unknown: The repository with name 'shop/web' does not exist in the registry with id '123456789012'", REPOSITORY),
    (ECR, CRIO + "reading manifest 2 in 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web: name unknown: The repository with name 'shop/web' does not exist in the registry with id '123456789012'", REPOSITORY),
    (ECR, CONTAINERD + "{image}: not found", TAG),
    (ECR, DAEMON + "pull access denied for 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web, repository does not exist or may require 'docker login': denied: Your authorization token has expired. Reauthenticate and try again.", DENIED),
    (ECR, UNPACK + 'failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com/x": dial tcp 52.218.0.1:443: i/o timeout', AWAY),
    # Google
    (GAR, CONTAINERD + "unexpected status from HEAD request to https://europe-west3-docker.pkg.dev/v2/proj/shop/web/manifests/2: 403 Forbidden", DENIED),
    (GAR, CONTAINERD + "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://europe-west3-docker.pkg.dev/v2/token?scope=repository%3Aproj%2Fshop%2Fweb%3Apull&service=europe-west3-docker.pkg.dev: 403 Forbidden", DENIED),
    (GAR, DAEMON + 'Head "https://europe-west3-docker.pkg.dev/v2/proj/shop/web/manifests/2": denied: Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "projects/proj/locations/europe-west3/repositories/shop" (or it may not exist)', DENIED),
    (GAR, CRIO + 'reading manifest 2 in europe-west3-docker.pkg.dev/proj/shop/web: denied: Unauthenticated request. Unauthenticated requests do not have permission "artifactregistry.repositories.downloadArtifacts" on resource "projects/proj/locations/europe-west3/repositories/shop" (or it may not exist)', DENIED),
    ("gcr.io/proj/web:2", DAEMON + "Get https://gcr.io/v2/proj/web/manifests/2: unknown: Unable to parse json key.", "image/pull-failed"),
    ("gcr.io/proj/web:2", CRIO + "reading manifest 2 in gcr.io/proj/web: denied: Token exchange failed for project 'proj'. Caller does not have permission 'storage.buckets.get'.", DENIED),
    ("gcr.io/proj/web:2", DAEMON + 'manifest for gcr.io/proj/web:2 not found: manifest unknown: Failed to fetch "2" from request "/v2/proj/web/manifests/2".', TAG),
    # Azure
    (ACR, CONTAINERD + "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://shopacr.azurecr.io/oauth2/token?scope=repository%3Aweb%3Apull&service=shopacr.azurecr.io: 401 Unauthorized", DENIED),
    (ACR, CONTAINERD + "failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://shopacr.azurecr.io/oauth2/token: 401 Unauthorized", DENIED),
    (ACR, "rpc error: code = Unknown desc = " + CONTAINERD + "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized", DENIED),
    (ACR, DAEMON + 'Head "https://shopacr.azurecr.io/v2/web/manifests/2": unauthorized: authentication required, visit https://aka.ms/acr/authorization for more information.', DENIED),
    (ACR, DAEMON + "denied: client with IP '20.1.2.3' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.", "image/address-refused"),
    (ACR, CRIO + "Requesting bearer token: received unexpected HTTP status: 403 Forbidden", DENIED),
    # Quay, GitHub, GitLab, Harbor, Docker Hub
    ("quay.io/shop/web:2", CONTAINERD + "unexpected status from HEAD request to https://quay.io/v2/shop/web/manifests/2: 401 UNAUTHORIZED", DENIED),
    ("quay.io/shop/web:2", OCI + "reading manifest 2 in quay.io/shop/web: unauthorized: access to the requested resource is not authorized; artifact err: get manifest: build image source: reading manifest 2 in quay.io/shop/web: unauthorized: access to the requested resource is not authorized", "image/repository-not-found"),
    ("quay.io/shop/web:2", CRIO + "unable to retrieve auth token: invalid username/password: unauthorized: Invalid Username or Password", DENIED),
    ("quay.io/shop/web:2", CRIO + "reading manifest 2 in quay.io/shop/web: manifest unknown: Tag 2 was deleted or has expired. To pull, revive via time machine", TAG),
    ("ghcr.io/shop/web:2", CONTAINERD + "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?scope=repository%3Ashop%2Fweb%3Apull&service=ghcr.io: 403 Forbidden", DENIED),
    ("ghcr.io/shop/web:2", DAEMON + 'Head "https://ghcr.io/v2/shop/web/manifests/2": denied: denied', DENIED),
    ("ghcr.io/shop/web:2", CRIO + "Requesting bearer token: invalid status code from registry 403 (Forbidden)", DENIED),
    ("registry.gitlab.com/shop/web:2", CONTAINERD + "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://gitlab.com/jwt/auth?scope=repository%3Ashop%2Fweb%3Apull&service=container_registry: 403 Forbidden", DENIED),
    ("registry.gitlab.com/shop/web:2", DAEMON + 'Head "https://registry.gitlab.com/v2/shop/web/manifests/2": denied: access forbidden', DENIED),
    ("registry.gitlab.com/shop/web:2", CRIO + "unable to retrieve auth token: invalid username/password: unauthorized: HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect", DENIED),
    (HARBOR, DAEMON + "unauthorized: unauthorized to access repository: shop/web, action: pull: unauthorized to access repository: shop/web, action: pull", DENIED),
    (HARBOR, DAEMON + "unauthorized: project shop not found: project shop not found", REPOSITORY),
    (HARBOR, DAEMON + "unknown: repository shop/web not found", REPOSITORY),
    (HARBOR, CRIO + "reading manifest 2 in harbor.corp.example/shop/web: unknown: repository shop/web not found", REPOSITORY),
    (HARBOR, DAEMON + "unknown: artifact shop/web:2 not found", TAG),
    (HARBOR, CONTAINERD + "unexpected status from HEAD request to https://harbor.corp.example/v2/shop/web/manifests/2: 412 Precondition Failed", POLICY),
    (HARBOR, DAEMON + "unknown: current image with 52 vulnerabilities cannot be pulled due to configured policy in 'Prevent images with vulnerability severity of \"High\" or higher from running.' To continue with pull, please contact your project administrator", POLICY),
    ("shop/web:2", CONTAINERD + "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", REPOSITORY),
    ("shop/web:2", TRANSFER + "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", REPOSITORY),
    ("shop/web:2", CRIO + "reading manifest 2 in docker.io/shop/web: requested access to the resource is denied", REPOSITORY),
    ("shop/web:2", OCI + "reading manifest 2 in docker.io/shop/web: manifest unknown; artifact err: get manifest: build image source: reading manifest 2 in docker.io/shop/web: manifest unknown", TAG),
    ("shop/web:2", CONTAINERD + "unexpected status from HEAD request to https://registry-1.docker.io/v2/shop/web/manifests/2: 429 Too Many Requests\ntoomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit", RATE),
    (GAR, DAEMON + "toomanyrequests: Quota exceeded for quota metric 'Requests per project per region'", RATE),
    (ECR, CRIO + "reading manifest 2 in x: toomanyrequests: Rate exceeded", RATE),
    # Names, networks, proxies, certificates
    ("h.example/shop/web:2", REQUEST + "dial tcp: lookup h.example on 10.0.0.10:53: server misbehaving", DNS),
    ("h.example/shop/web:2", REQUEST + "dial tcp: lookup h.example: i/o timeout", DNS),
    ("h.example/shop/web:2", CRIO + 'pinging container registry h.example: Get "https://h.example/v2/": dial tcp: lookup h.example on 10.0.0.10:53: no such host', DNS),
    ("h.example/shop/web:2", REQUEST + "dial tcp 10.1.2.3:443: connect: no route to host", AWAY),
    ("h.example/shop/web:2", REQUEST + "net/http: TLS handshake timeout", AWAY),
    ("h.example/shop/web:2", DAEMON + 'Get "https://h.example/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)', AWAY),
    ("h.example/shop/web:2", DAEMON + 'Get "https://h.example/v2/": context deadline exceeded', AWAY),
    ("h.example/shop/web:2", 'RegistryUnavailable: pinging container registry h.example: Get "https://h.example/v2/": dial tcp 10.1.2.3:443: connect: connection refused', AWAY),
    ("h.example/shop/web:2", REQUEST + "proxyconnect tcp: dial tcp 10.9.9.9:3128: connect: connection refused", PROXY),
    ("h.example/shop/web:2", REQUEST + "proxyconnect tcp: dial tcp: lookup proxy.corp on 10.0.0.10:53: no such host", PROXY),
    ("h.example/shop/web:2", REQUEST + "Proxy Authentication Required", PROXY),
    ("h.example/shop/web:2", DAEMON + 'Head "https://h.example/v2/shop/web/manifests/2": Forbidden', PROXY),
    ("h.example/shop/web:2", REQUEST + "tls: failed to verify certificate: x509: certificate is valid for *.corp.example, not h.example", CERTIFICATE),
    ("h.example/shop/web:2", REQUEST + "x509: certificate relies on legacy Common Name field, use SANs instead", CERTIFICATE),
    ("h.example/shop/web:2", REQUEST + "x509: cannot validate certificate for 10.0.0.5 because it doesn't contain any IP SANs", CERTIFICATE),
    ("h.example/shop/web:2", DAEMON + 'Get "https://h.example/v2/": x509: certificate signed by unknown authority', CERTIFICATE),
    ("h.example/shop/web:2", REQUEST + "remote error: tls: bad certificate", HANDSHAKE),
    ("h.example/shop/web:2", REQUEST + "remote error: tls: handshake failure", HANDSHAKE),
    ("h.example/shop/web:2", REQUEST + "remote error: tls: certificate required", HANDSHAKE),
    ("h.example/shop/web:2", REQUEST + "http: server gave HTTP response to HTTPS client", "image/registry-speaks-http"),
    ("h.example/shop/web:2", DAEMON + "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value: \"<html><body>Blocked</body></html>\"", ERROR),
    ("h.example/shop/web:2", UNPACK + "failed to copy: httpReadSeeker: failed open: unexpected status code https://h.example/v2/shop/web/blobs/sha256:00: 502 Bad Gateway", ERROR),
    ("h.example/shop/web:2", DAEMON + "received unexpected HTTP status: 503 Service Unavailable", ERROR),
    # Downloads that break off, and what the node makes of what it got
    ("h.example/shop/web:2", REQUEST + "EOF", BROKEN),
    ("h.example/shop/web:2", UNPACK + 'failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://h.example/x": read tcp 10.0.0.1:5->10.0.0.2:443: read: connection reset by peer', BROKEN),
    ("h.example/shop/web:2", UNPACK + "failed to extract layer sha256:00: failed to get reader from content store: unexpected EOF", BROKEN),
    ("h.example/shop/web:2", UNPACK + 'failed commit on ref "layer-sha256:00": unexpected commit digest sha256:11, expected sha256:00: failed precondition', BROKEN),
    ("h.example/shop/web:2", UNPACK + 'failed commit on ref "layer-sha256:00": "layer-sha256:00" failed size validation: 17 != 42: failed precondition', BROKEN),
    ("h.example/shop/web:2", UNPACK + "failed to copy: httpReadSeeker: failed open: content at https://h.example/v2/shop/web/blobs/sha256:00 not found: not found", BROKEN),
    ("h.example/shop/web:2", UNPACK + "failed to copy: context canceled", BROKEN),
    ("h.example/shop/web:2", "reading blob sha256:00: fetching blob: received unexpected HTTP status: 504 Gateway Timeout", ERROR),
    ("h.example/shop/web:2", "rpc error: code = Canceled desc = " + UNPACK + 'failed to resolve reference "{image}": failed to do request: Head "https://h.example/v2/": context canceled', BROKEN),
    ("h.example/shop/web:2", UNPACK + "failed to extract layer sha256:00: write /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/x: no space left on device: unknown", FULL),
    ("h.example/shop/web:2", UNPACK + "failed to copy: failed to send write: write /var/lib/containerd/io.containerd.content.v1.content/ingest/0/data: no space left on device: unknown", FULL),
    ("h.example/shop/web:2", DAEMON + "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device", FULL),
    ("h.example/shop/web:2", 'writing blob: adding layer with blob "sha256:00": processing tar file(write /x: no space left on device): exit status 1', FULL),
    ("h.example/shop/web:2", UNPACK + 'failed to extract layer sha256:00: mount callback failed on /var/lib/containerd/tmpmounts/m1: failed to Lchown "/x" for UID 1, GID 2: lchown /x: invalid argument: unknown', UNPACKED),
    ("h.example/shop/web:2", UNPACK + "failed to extract layer sha256:00: failed to mount /var/lib/containerd/tmpmounts/m1: input/output error: unknown", UNPACKED),
    ("h.example/shop/web:2", "rpc error: code = NotFound desc = " + UNPACK + 'failed to unpack image on snapshotter overlayfs: lease "5577006791947779410": not found', UNPACKED),
    ("h.example/shop/web:2", "rpc error: code = NotFound desc = " + UNPACK + 'failed to prepare extraction snapshot "extract-1 sha256:00": parent snapshot sha256:11 does not exist: not found', UNPACKED),
    ("h.example/shop/web:2", "rpc error: code = NotFound desc = " + UNPACK + "unable to initialize unpacker: lease does not exist: not found", UNPACKED),
    ("h.example/shop/web:2", DAEMON + "failed to register layer: exit status 22: unpigz: abort: zlib version less than 1.2.3", UNPACKED),
    # What the runtime will not take
    ("shop/web:2", "rpc error: code = NotFound desc = " + UNPACK + "no match for platform in manifest: not found", PLATFORM),
    ("shop/web:2", "rpc error: code = NotFound desc = " + UNPACK + "failed to unpack image on snapshotter overlayfs: no match for platform in manifest sha256:00: not found", PLATFORM),
    ("shop/web:2", CRIO + 'choosing an image from manifest list docker://{image}: no image found in manifest list for architecture arm64, variant "v8", OS linux', PLATFORM),
    ("shop/web:2", DAEMON + "no matching manifest for linux/arm64/v8 in the manifest list entries", PLATFORM),
    ("shop/web:2", DAEMON + 'image operating system "windows" cannot be used on this platform: operating system is not supported', PLATFORM),
    ("shop/web:2", UNPACK + "failed to unpack image on snapshotter overlayfs: mismatched image rootfs and manifest layers: unknown", FORMAT),
    ("shop/web:2", DAEMON + 'Encountered remote "application/vnd.cncf.helm.config.v1+json"(unknown) when fetching', FORMAT),
    ("shop/web:2", CRIO + "registry docker.io is blocked in /etc/containers/registries.conf or /etc/containers/registries.conf.d", POLICY),
    ("shop/web:2", "SignatureValidationFailed: Source image rejected: A signature was required, but no signature exists", "image/signature-rejected"),
    ("shop/web:2", 'short-name "shop/web:2" did not resolve to an alias and no unqualified-search registries are defined in "/etc/containers/registries.conf"', SHORT),
    ("shop/web:2", "rpc error: code = Unknown desc = short name mode is enforcing, but image name shop/web:2 returns ambiguous list", SHORT),
    ("shop/web:2", DAEMON + "hcsshim::ImportLayer failed in Win32: The container operating system does not match the host operating system. (0xc0370101)", PLATFORM),
    ("shop/web:2", "pull QPS exceeded", "image/pulls-throttled"),
]  # fmt: skip


@pytest.mark.parametrize("form", ["message", "back-off", "event"])
@pytest.mark.parametrize(("image", "text", "cause"), TEXTS)
def test_texts_of_the_field(image: str, text: str, cause: str, form: str) -> None:
    text = text.replace("{image}", image)
    if form == "message":
        found = first(text, image=image)
    elif form == "back-off":
        message = f'Back-off pulling image "{image}": ErrImagePull: {text}'
        found = first(message, reason="ImagePullBackOff", image=image)
    else:
        event = f'Failed to pull image "{image}": {text}'
        found = first(
            f'Back-off pulling image "{image}"', reason="ImagePullBackOff", image=image, event=event
        )
    assert found == cause


@pytest.mark.parametrize(
    "image",
    [
        "registry.k8s.io/sig-storage/snapshot-controller:v9",
        "shop/lease:2",
        "ghcr.io/shop/eof:1",
        "shop/forbidden:1",
        "shop/x509-certificate:3",
        "shop/connection-refused:429",
        "shop/denied:1",
        "shop/token:404",
        "shop/short-name:1",
        "shop/quarantine:1",
        "shop/unauthorized:503",
        "proxyconnect.example/tls/input-output:1",
    ],
)
def test_the_name_of_the_image_is_no_reason(image: str) -> None:
    full = image if "." in image.partition("/")[0] else f"docker.io/{image}"
    for text in (
        CONTAINERD + f"{full}: not found",
        f"rpc error: code = NotFound desc = {TRANSFER}{full}: not found",
        f'Back-off pulling image "{image}": ErrImagePull: {CONTAINERD}{full}: not found',
    ):
        assert first(text.replace("{image}", full), image=image) == TAG
    assert (
        first(f'Back-off pulling image "{image}"', reason="ImagePullBackOff", image=image)
        == "image/pull-failed"
    )


@pytest.mark.parametrize("name", ["image/never-pulled", "sandbox/security-profile-missing"])
def test_init_containers_are_patched_where_they_stand(name: str) -> None:
    cause = next(one for one in session.causes([]) if one.id == name)
    patches = [step.run for step in cause.steps if '"name":"{container}"' in step.run]
    assert patches
    assert all('"{list}":[{"name":"{container}"' in run for run in patches)
