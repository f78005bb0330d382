"""The addresses of other programs that a container was given: by its variables and on its command line.

A log often says that a connection failed without saying to what. The pod itself then knows: one variable such
as ``DB_HOST``, or one URL among its arguments, is who was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from poddoctor.pod.containers import Container
from poddoctor.pod.pattern import lazy

from ._plausible import is_host

_DEFAULTS = {
    "http": "80",
    "https": "443",
    "redis": "6379",
    "rediss": "6379",
    "postgres": "5432",
    "postgresql": "5432",
    "mysql": "3306",
    "mariadb": "3306",
    "mongodb": "27017",
    "amqp": "5672",
    "amqps": "5671",
    "nats": "4222",
    "ldap": "389",
    "ldaps": "636",
}
_HOST = r"(?P<host>[A-Za-z\d](?:[\w.-]*[A-Za-z\d])?)"
_URL = lazy(
    rf"(?:^|[^\w+.])(?:jdbc:)?(?P<scheme>[a-z][\w+.]*):(?:[a-z]+:)*//(?:[^@/\s\"']*@)?{_HOST}(?::(?P<port>\d{{2,5}}))?(?![\w-])"
)
_PAIR = lazy(rf"^{_HOST}:(?P<port>\d{{2,5}})(?:[,/].*)?$")
_BARE = lazy(rf"^{_HOST}(?:,.*)?$")
_FLAG = lazy(r"^(?P<flag>--?[\w.-]+)=[\"']?(?P<value>\S+?)[\"']?$")
_CALLS = (
    lazy(rf"[\"']{_HOST}[\"'] ?, ?(?P<port>\d{{2,5}})\b"),
    lazy(rf"\bnc\s+(?:-\S+\s+(?:\d+\s+)?)*{_HOST}\s+(?P<port>\d+)"),
    lazy(rf"/dev/tcp/{_HOST}/(?P<port>\d+)"),
    lazy(
        rf"\b(?:pg_isready|psql|mysql|mysqladmin|redis-cli|mongosh?)\b[^\n;|&]*?(?:\s-h ?|--host[ =]){_HOST}"
        r"(?:[^\n;|&]*?(?:\s-[pP] ?|--port[ =])(?P<port>\d+))?"
    ),
    lazy(rf"\b(?:wait-for-it|wait-for|dockerize)\S*\s[^\n;]*?(?:tcp://|https?://)?{_HOST}:(?P<port>\d+)"),
)
_NAMES = lazy(
    r"(?i)(?:^|[_.-])(?:HOST|HOSTNAME|HOSTS|ADDR|ADDRESS|ADDRESSES|SERVER|SERVERS|ENDPOINTS?|URL|URI|DSN|BROKERS?|"
    r"SERVICE|UPSTREAM|BACKEND|PEERS?|NODES|TARGET|CONNECTION|DB|DATABASE)$"
)
_OWN = lazy(
    r"(?i)(?:^|[_.-])(?:LISTEN\w*|BIND|ADVERTISED?|PUBLIC|ROOT|BASE|EXTERNAL|SITE|CALLBACK|REDIRECT|CORS|ALLOWED|"
    r"ORIGINS?|POD|SELF|METRICS|HEALTH|PROBE|NO_PROXY|KUBERNETES|ISSUER|REPO\w*|REGISTRY|DOWNLOAD|SOURCE|GIT\w*)"
    r"(?:[_.-]|$)|^(?:HOSTNAME|HOST|APP_URL|SERVER_ADDRESS|ADDR|ADDRESS|URL_PREFIX)$"
)
_ASIDE = lazy(
    r"(?i)^(?:OTEL|DD|DATADOG|JAEGER|ZIPKIN|STATSD|SENTRY|NEW_RELIC|ELASTIC_APM|TRACING|HTTPS?_PROXY|PROXY|"
    r"PIP|NPM|MAVEN|GOPROXY)(?:_|$)"
)
_REFERENCE = lazy(r"\$\((\w+)\)|\$\{(\w+)\}|\$(\w+)")
# How a client speaks in a log, and how its variable, host, scheme or port is called.
_CLIENTS = (
    (lazy(r"(?i)redis|jedis|lettuce"), lazy(r"(?i)redis|valkey|cache|:6379$")),
    (
        lazy(r"(?i)psycopg|postgres|asyncpg|npgsql|\bpgx?\b|node_modules/pg"),
        lazy(r"(?i)postgres|(?:^|_)pg|db|database|sql|datasource|:5432$"),
    ),
    (lazy(r"(?i)mysql|mariadb"), lazy(r"(?i)mysql|maria|db|database|datasource|:3306$")),
    (
        lazy(r"(?i)hikari|jdbc|sqlalchemy|sequelize|typeorm|gorm"),
        lazy(r"(?i)db|database|sql|jdbc|datasource"),
    ),
    (lazy(r"(?i)mongo"), lazy(r"(?i)mongo|:27017$")),
    (lazy(r"(?i)amqp|rabbit|\bpika\b"), lazy(r"(?i)amqp|rabbit|broker|:5672$")),
    (lazy(r"(?i)kafka|bootstrap"), lazy(r"(?i)kafka|broker|bootstrap|:9092$")),
    (lazy(r"(?i)elastic|opensearch"), lazy(r"(?i)elastic|opensearch|:9200$")),
    (lazy(r"(?i)memcache"), lazy(r"(?i)memcache|:11211$")),
    (lazy(r"(?i)\bnats\b"), lazy(r"(?i)nats|:4222$")),
    (
        lazy(r"(?i)urllib|urlopen|requests\.|axios|\bfetch\b|\bwget\b|\bcurl\b|HTTPConnection|https?://"),
        lazy(r"(?i)^https?:|url|api|:80$|:443$|:8\d{3}$"),
    ),
)


@dataclass(frozen=True, slots=True)
class Given:
    """One address: host, port (empty when unknown), and the variable or field that gives it."""

    host: str
    port: str
    name: str
    source: str
    scheme: str = ""

    @property
    def traits(self) -> tuple[str, ...]:
        """What may tell which program it is."""
        return (self.name, self.host, f"{self.scheme}:", f":{self.port}")


def only(one: Container, entry: str, *, named: bool = False) -> Given | None:
    """The only address that fits what an entry speaks of; ``named``: no numbers, and not the pod itself."""
    found = fitting(one, entry, named=named)
    return found[0] if len(found) == 1 and found[0].host else None


def fitting(one: Container, entry: str, *, named: bool = False) -> list[Given]:
    """The addresses that may be meant, one for each host; that of an unknown value has an empty host."""
    found = [each for each in addresses(one) if not named or _is_name(each.host)]
    if len({each.host for each in found}) > 1:
        found = [each for each in found if not _ASIDE.search(each.name)]
    if len({each.host for each in found}) > 1:
        found = _spoken_of(found, entry)
    # The same host may be given twice, once with its port.
    return list({each.host: each for each in sorted(found, key=lambda one: bool(one.port))}.values())


def asked_by(words: Iterable[str], source: str) -> Given | None:
    """The only address that a command names."""
    found = [each for each in _of_words([str(word) for word in words], source) if _counts(each.host)]
    return found[0] if len({each.host for each in found}) == 1 else None


def _spoken_of(found: list[Given], entry: str) -> list[Given]:
    """Those that the entry's client would use, if it says which client it is."""
    for client, trait in _CLIENTS:
        if client.search(entry):
            fit = [each for each in found if any(trait.search(one) for one in each.traits if one)]
            if fit:
                return fit
    return found


def _is_name(host: str) -> bool:
    return not host or (host != "localhost" and not all(part.isdigit() for part in host.split(".")))


def addresses(one: Container) -> list[Given]:
    """All addresses that the spec gives; one whose value is not in the spec has an empty host."""
    env = one.spec.get("env") or []
    values = {str(each.get("name")): str(each.get("value") or "") for each in env}
    found: list[Given] = []
    for each in env:
        name = str(each.get("name"))
        if _OWN.search(name):
            continue
        if each.get("valueFrom"):
            source = each["valueFrom"]
            if _NAMES.search(name) and not source.get("fieldRef") and not source.get("resourceFieldRef"):
                found.append(Given("", "", name, f"{one.spec_path}.env"))
            continue
        found += _of_value(_filled(values[name], values), name, values, f"{one.spec_path}.env")
    words = [str(word) for word in [*(one.spec.get("command") or ()), *(one.spec.get("args") or ())]]
    found += _of_words([_filled(word, values) for word in words], one.spec_path)
    return [each for each in found if not each.host or _counts(each.host)]


def _filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the variables put in that the spec itself gives."""
    return _REFERENCE.sub(lambda one: values.get(next(filter(None, one.groups())), "") or one[0], text)


def _of_value(value: str, name: str, values: Mapping[str, str], source: str) -> Iterator[Given]:
    if url := _URL.search(value):
        yield _from_url(url.groupdict(), name, source)
    elif pair := _PAIR.match(value):
        yield Given(pair["host"], pair["port"], name, source)
    elif _NAMES.search(name) and (bare := _BARE.match(value)):
        wanted = _port_name(name).lower()
        port = next((each for other, each in values.items() if other.lower() == wanted), "")
        yield Given(bare["host"], port if port.isdigit() else "", name, source)


def _port_name(name: str) -> str:
    head, sep, _ = name.rpartition("_")
    return f"{head}{sep}PORT" if sep else "PORT"


def _of_words(words: list[str], source: str) -> Iterator[Given]:
    """What the command line names: URLs anywhere, ``host:port`` as a word, a host after a flag for it."""
    for index, word in enumerate(words):
        seen = False
        before = words[index - 1] if index else ""
        flag = _FLAG.match(word)
        # One letter says too little: "-c" comes before a script as well.
        name = flag["flag"] if flag else before if before.startswith("-") and len(before) > 2 else ""
        name = name.lstrip("-")
        if name and _OWN.search(name):
            continue
        for url in _URL.finditer(word):
            seen = True
            yield _from_url(url.groupdict(), name, source)
        if seen:
            continue
        value = flag["value"] if flag else word
        if pair := _PAIR.match(value):
            yield Given(pair["host"], pair["port"], name, source)
        elif name and _NAMES.search(name) and (bare := _BARE.match(value)):
            yield Given(bare["host"], "", name, source)
    line = " ".join(words)
    for pattern in _CALLS:
        yield from (Given(each["host"], each["port"] or "", "", source) for each in pattern.finditer(line))


def _from_url(parts: Mapping[str, str | None], name: str, source: str) -> Given:
    scheme = parts.get("scheme") or ""
    return Given(
        parts.get("host") or "", parts.get("port") or _DEFAULTS.get(scheme, ""), name, source, scheme
    )


def _counts(host: str) -> bool:
    return not host.startswith(("0.", "127.")) and is_host(host)
