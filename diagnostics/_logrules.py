"""What log lines of many programs mean: a table of patterns, each with the fact that it states.

A rule says what was observed (a refused connection, a missing variable) and picks its particulars out of the
text. Whether it is why the container ended is judged where the log is read. Rules are tried only when one of
their words occurs in the log at all, so that most cost a substring test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from poddoctor.pod.pattern import lazy

from ._logtext import NOISE, PLAIN, WEAK, Line
from ._plausible import plausible


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern: ``words`` (lower case, any one must occur), the regular expression, fixed attributes."""

    what: str
    words: tuple[str, ...]
    pattern: str
    fixed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a rule saw: the line it is on, and its particulars."""

    what: str
    line: Line
    attributes: Mapping[str, str]


def _rule(what: str, words: str, pattern: str, **fixed: str) -> Rule:
    return Rule(what, tuple(words.split("|")), pattern, fixed)


_V = (
    r"(?P<variable>(?<![A-Za-z0-9_])(?!(?:INFO|WARN|WARNING|ERROR|FATAL|DEBUG|NOTICE|CRITICAL|TRACE|SEVERE|NOTE|PANIC|EMERG|ALERT|"
    r"EMERGENCY|EXCEPTION|MISSING|REQUIRED|ENVIRONMENT|VARIABLE|VARIABLES|MUST|FAILED|FAILURE|ABORT|ABORTING|EXITING)\b)"
    r"(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z][A-Z0-9]{3,})(?![A-Za-z0-9_]))"
)
_Q = r"[\"'`“‘]"
_PATH = r"(?P<path>(?:\.{0,2}/)[^\s\"'`’:,;()]+)"
_FILE = r"(?P<path>[^\s\"'`’:,;()]+)"
# Order decides among rules that hold for the same line: the more precise before the more general.
RULES: tuple[Rule, ...] = (
    # ---- Kubernetes API
    _rule(
        "kubernetes-api-forbidden",
        "is forbidden: user|cannot ",
        r"is forbidden: User \\?\"(?:system:serviceaccount:(?P<account_namespace>[\w.-]+):(?P<service_account>[\w.-]+)|(?P<user>[^\"\\]+))\\?\" "
        r"cannot (?P<verb>\w+) (?:resource )?\\?\"?(?P<resource>[\w./-]+)\\?\"?(?: in API group \\?\"(?P<api_group>[\w.-]*)\\?\")?"
        r"(?: in the namespace \\?\"(?P<scope_namespace>[\w.-]+)\\?\"|(?P<scope> at the cluster scope))?",
    ),
    # ---- certificates and TLS
    _rule(
        "certificate-expired",
        "expired|not yet valid|nottimevalid",
        r"[Cc]ertificate has expired or is not yet valid: current time (?P<clock>[\w:.+-]+) is before (?P<not_before>[\w:.+-]+)|[Cc]ertificate (?:[\"'`]?(?P<path>/[^\s\"'`]+)[\"'`]? )?(?:has expired|is expired|expired|has expired or is not yet valid)|CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|"
        r"CertificateExpiredException(?:: NotAfter: (?P<not_after>[^\n]{8,40}))?|CertificateNotYetValid|NotTimeValid|"
        r"certificate verify failed: certificate has expired|sslv3 alert certificate expired|certificate is not yet valid|invalid peer certificate: (?:Expired|NotValidYet)",
    ),
    _rule(
        "dependency-tls-failed",
        "http response to https|wrong_version_number|wrong version number|does not support ssl|tls handshake|ssl is not enabled|plaintext|http request was sent to https|unsupported or unrecognized ssl",
        r"server gave HTTP response to HTTPS client|WRONG_VERSION_NUMBER|wrong version number|server does not support SSL|"
        r"first record does not look like a TLS handshake|SSL is not enabled on the server|Unsupported or unrecognized SSL message|"
        r"plain HTTP request was sent to HTTPS port|The server does not support SSL connections",
        problem="plain",
    ),
    _rule(
        "dependency-tls-failed",
        "certificate is valid for|hostname|does not match|ip sans|name mismatch|namemismatch|alternative certificate|subject alternative|altnames|alt names",
        r"certificate is valid for (?P<valid_for>[^\n]+?), not (?P<host>[\w.-]+)|cannot validate certificate for (?P<host2>[\w.:-]+) because|"
        r"Hostname/IP does not match certificate's altnames: (?:Host: (?P<host3>[\w.-]+?)\. )?|ERR_TLS_CERT_ALTNAME_INVALID|Hostname mismatch, certificate is not valid for '(?P<host4>[\w.-]+)'|"
        r"RemoteCertificateNameMismatch|no alternative certificate subject name matches target host name '(?P<host5>[\w.-]+)'|"
        r"No subject alternative (?:DNS )?names? (?:matching|present)|certificate subject name '[^']*' does not match target host name '(?P<host6>[\w.-]+)'|certificate not valid for name|"
        r"server certificate for \"[^\"]*\" does not match host name \"(?P<host7>[\w.-]+)\"",
        problem="name",
    ),
    _rule(
        "dependency-tls-failed",
        "unknown authority|certificate_verify_failed|certificate verify failed|pkix path|self_signed|self signed|self-signed|first certificate|issuer_cert|untrustedroot|partialchain|unknownissuer|unknown ca|issuer certificate|unable to verify",
        r"certificate signed by unknown authority|CERTIFICATE_VERIFY_FAILED|certificate verify failed|PKIX path (?:building|validation) failed|"
        r"SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|self[- ]signed certificate|unable to verify the first certificate|"
        r"UNABLE_TO_(?:GET_ISSUER_CERT_LOCALLY|VERIFY_LEAF_SIGNATURE)|unable to get (?:local )?issuer certificate|UntrustedRoot|PartialChain|UnknownIssuer|unknown ca\b",
        problem="untrusted",
    ),
    _rule(
        "dependency-tls-failed",
        "handshake_failure|handshake failure|protocol_version|ssl connection could not|no required ssl certificate|bad certificate|certificate required|sslhandshakeexception|handshake failed|tlsv1 alert",
        r"handshake_failure|handshake failure|alert protocol version|protocol_version|The SSL connection could not be established|"
        r"bad certificate|certificate required|SSLHandshakeException: (?!PKIX)[^\n]+|(?:TLS|SSL) handshake failed|No required SSL certificate was sent",
        problem="handshake",
    ),
    # ---- credentials
    _rule(
        "dependency-rejected-credentials",
        "password authentication failed|no pg_hba.conf|no password supplied|peer authentication failed",
        r"password authentication failed for user \\?\"(?P<user>[^\"\\]+?)(?P<line_feed>(?:; |\s*\n|\\n|\\r)+)?\\?\"|no pg_hba\.conf entry for host[^\n]*?user \\?\"(?P<unencrypted_user>[^\"\\]+)\\?\"[^\n]*?(?:no encryption|SSL off)|no pg_hba\.conf entry for host[^\n]*?user \\?\"(?P<user2>[^\"\\]+)\\?\"|no password supplied|"
        r"[Pp]eer authentication failed for user \\?\"(?P<user3>[^\"\\]+)",
        service_kind="PostgreSQL",
    ),
    _rule(
        "dependency-rejected-credentials",
        "role ",
        r"FATAL: +role \\?\"(?P<user>[^\"\\]+)\\?\" does not exist",
        service_kind="PostgreSQL",
    ),
    _rule(
        "dependency-rejected-credentials",
        "access denied for user",
        r"Access denied for user '(?P<user>[^']*)'@'[^']*'",
        service_kind="MySQL",
    ),
    _rule(
        "dependency-rejected-credentials",
        "noauth|wrongpass|invalid username-password|invalid password|without any password",
        r"NOAUTH|WRONGPASS|invalid username-password pair|ERR invalid password|AUTH <password> called without any password|AUTH failed",
        service_kind="Redis",
    ),
    _rule(
        "dependency-rejected-credentials",
        "access_refused|login was refused|accessrefused|authentication failure",
        r"ACCESS_REFUSED|[Ll]ogin was refused|ProbableAuthenticationError|PLAIN login refused: user '(?P<user>[^']+)'",
        service_kind="RabbitMQ",
    ),
    _rule(
        "dependency-rejected-credentials",
        "authentication failed|authenticationfailed|saslauth|auth failed|login failed for user|ora-01017|scram",
        r"SaslAuthenticationException|SASL [Aa]uthentication failed|AuthenticationFailed|[Aa]uthentication failed\b(?:[^\n]*user(?:name)? [\"']?(?P<user>[\w.@-]+))?|"
        r"Login failed for user '(?P<user2>[^']+)'|ORA-01017|auth error: sasl conversation|unable to authenticate using mechanism",
    ),
    _rule(
        "dependency-rejected-credentials",
        "401|403|gated repo|token|access key id you provided|signature we calculated|invalidclienttokenid|signaturedoesnotmatch|security token|invalid_client|invalidaccesskeyid|bad credentials|unauthorized|invalid api key|unauthenticated",
        r"AWS Access Key Id you provided does not exist|request signature we calculated does not match|InvalidClientTokenId|SignatureDoesNotMatch|InvalidAccessKeyId|security token included in the request is (?:invalid|expired)|ExpiredToken|"
        r"\binvalid_client\b|[Bb]ad credentials|[Ii]nvalid API [Kk]ey|\bcode = Unauthenticated|"
        r"401 (?:Client Error: )?Unauthorized(?: for url: (?P<url>\S+))?|(?:status|code|HTTP)[ :=]+401\b|https?://\S+: 40[13] (?:Forbidden|Unauthorized)|x-api-key|\b401 Client Error\b|[Gg]ated ?[Rr]epo",
    ),
    # Whose token it was is not said: that of the program, or of who asked it for something.
    _rule(
        "dependency-rejected-credentials",
        "token",
        r"(?i)\b(?:api|access|auth\w*|bearer|tunnel|registration|refresh|oauth2?|agent|cluster|join) tokens? (?:is |are |was |has |provided )*(?:not valid|invalid|expired|revoked|rejected)|"
        r"\binvalid (?:api|access|auth\w*|bearer|tunnel|registration|refresh|oauth2?|agent|cluster|join) token\b",
        unsure="yes",
    ),
    # A refusal of a remote API is none of a file.
    _rule(
        "dependency-rejected-credentials",
        "/v1/auth/|error making api request",
        r"/v1/(?:auth|\w+/data)/[\w./-]+[\s\S]{0,60}?Code: 40[0-3]\. Errors",
        refuser="Vault",
    ),
    _rule(
        "dependency-rejected-credentials",
        "permission denied for|googleapi: error 40|possibly missing permission|code: 403|when calling the|permission denied (publickey|locate credentials|nocredentials|assumerole|denied on resource|permission_denied|permissiondenied|does not have|is not authorized|accessdenied|default credentials|iam",
        r"googleapi: Error 40[13]:|Possibly missing permission|NoCredentialsError|[Uu]nable to locate credentials|NoCredentialProviders|[Cc]ould not (?:find|load) (?:the )?(?:default )?credentials|Unable to load (?:AWS )?credentials|failed to refresh cached credentials|"
        r"\((?:AccessDenied\w*|Unauthorized\w*|Forbidden|40[13])\) when calling|Code: 403\. Errors:|assumed-role/(?P<node_role>[^/\s]+)/i-[0-9a-f]+ is not authorized to perform: (?P<action3>[\w-]+:\w+)|not authorized to perform: (?P<action>[\w-]+:\w+)|Not authorized to perform (?P<action2>sts:\w+)|PermissionDenied: 403|\b403 [^\n]{0,40}(?:denied|does not have|permission)|Permission '?[\w.]+'? denied on resource|"
        r"code = PermissionDenied|PERMISSION_DENIED: |AuthorizationFailed: |StatusCode[=:] ?403\b|DefaultCredentialsError",
        refuser="The cloud's API",
    ),
    _rule(
        "dependency-rejected-credentials",
        "permission denied for",
        r"permission denied for (?:table|relation|schema|database|sequence|function|view|tablespace|language) \"?(?P<object>[\w.-]+)",
        service_kind="PostgreSQL",
    ),
    _rule(
        "dependency-rejected-credentials",
        "permission denied (publickey",
        r"(?:(?P<user>[\w.-]+)@(?P<host>[\w.-]+): )?Permission denied \(publickey",
        service_kind="The SSH server",
    ),
    # ---- the database itself
    _rule(
        "database-schema-mismatch",
        "does not exist|unknown database|no such table|doesn't exist|ns_not_found|cannot open database",
        r"database \\?\"(?P<database>[^\"\\]+)\\?\" does not exist|Unknown database '(?P<database2>[^']+)'|Cannot open database \"(?P<database3>[^\"]+)\"|"
        r"relation \\?\"(?P<table>[^\"\\]+)\\?\" does not exist|no such table: (?P<table2>[\w.]+)|Table '(?P<table3>(?!mysql\.)[\w.-]+)' doesn't exist|column \\?\"?(?P<column>[\w.]+)\\?\"? (?:of relation \S+ )?does not exist|"
        r"type \\?\"(?P<table4>[\w.]+)\\?\" does not exist",
    ),
    _rule(
        "database-schema-mismatch",
        "already exists|duplicate column|duplicatecolumn|duplicatetable",
        r"(?:relation|type|constraint|index) \\?\"(?P<existing>[^\"\\]+)\\?\" already exists|column \\?\"(?P<existing2>[^\"\\]+)\\?\" of relation \\?\"[^\"\\]+\\?\" already exists|Table '(?P<existing3>[\w.-]+)' already exists|Duplicate (?:column|key) name '(?P<existing4>\w+)'|table \"?(?P<existing5>\w+)\"? already exists",
    ),
    _rule(
        "database-schema-mismatch",
        "migration checksum mismatch|migration not",
        r"(?P<problem>Migration checksum mismatch for migration version [\w.]+|Detected (?:resolved|applied) migration not (?:resolved locally|applied to database): [\w.]+)",
    ),
    _rule(
        "database-schema-mismatch",
        "unknown migration",
        r"(?P<problem>database contains unknown migrations?[^\n]{0,80})",
    ),
    _rule(
        "database-schema-mismatch",
        "migration|database needs|database has not|the database|version compat|dirty database|revision identified|schema-validation|migrate|schema version",
        r"(?:[Dd]etected (?:failed|resolved)|[Ff]ailed|[Uu]napplied|[Pp]ending) migrations?\b[^\n]*|[Mm]igration (?:of \S+ \S+ to version \S+ [^\n]{0,60}|\S+ )failed\b[^\n]*|[Mm]igrations? (?:are pending|(?:have )?failed|checksum mismatch)[^\n]*|Dirty database version (?P<version>\d+)|Can't locate revision identified by '(?P<version2>\w+)'|Schema-validation: missing (?:table|column) \[(?P<table>[^\]]+)\]|"
        r"(?:[Dd]atabase|\b(?:DB|db|SQL|sql))[^\n]{0,40} [Ss]chema version (?:mismatch|\S+ is (?:newer|older|not supported))[^\n]*|[Dd]atabase schema version[^\n]*|FlywayValidateException[^\n]*|PendingMigrationError|[Dd]atabase has not (?:yet )?been (?:initiali[sz]|migrat)[^\n]*|[Dd]atabase (?:needs|requires|must be) (?:bootstrapp|initiali[sz]|migrat|upgrad)[^\n]*|[Nn]eed to (?:upgrade|migrate|initiali[sz]e) the database[^\n]*|sql schema version compatibility check failed[^\n]*|P3009|P3018",
    ),
    # ---- the cluster's API
    _rule(
        "kubernetes-kind-missing",
        "no matches for kind|no kind match|could not find the requested resource|is a crd|crd installed|crds installed|crds are installed|no kind is registered",
        r"no matches for kind \\?\"(?P<kind>\w+)\\?\" in (?:version|group) \\?\"(?P<api_version>[\w./-]+)\\?\"|no matches for (?P<api_version2>[\w.-]+/[\w.-]*)[,:] ?(?:Resource|Kind)=(?P<kind2>\w+)|"
        r"the server could not find the requested resource(?: \((?:get|list|watch|post) (?P<resource>[\w.-]+)\))?|[Ii]f kind is a CRD, it should be installed|CRDs? (?:is |are )?installed",
    ),
    _rule(
        "kubernetes-api-unreachable",
        "/api|:443|connection to the server|connect to the server|kubernetes_service|apiserver|api server|in-cluster|leaderelection|kubernetes.default",
        r"https://(?P<host>[\w.\[\]:-]+?)(?::(?P<port>\d+))?/(?:apis/[\w.-]+/v\d\w*|api/v1/(?:namespaces|nodes|pods|services|endpoints|configmaps|secrets|events|persistentvolume\w*|serviceaccounts)\b|apis?\?timeout|version\b)[^\s]*?\\?\"?:? [^\n]{0,160}?(?:i/o timeout|no route to host|connection refused|context deadline exceeded|network is unreachable|no such host|TLS handshake timeout|connection reset|Client\.Timeout|EOF$)|"
        r"(?:host='(?P<host2>[\w.]+)', port=(?P<port2>\d+)\): Max retries exceeded with url: /apis?/[\w.-]*v\d[^\n]*)|(?:[Uu]nable|[Ff]ailed|[Cc]ould not) (?:to )?(?:reach|connect to|contact|communicate with) (?:the )?(?:[Kk]ubernetes )?(?:API ?[Ss]erver|Kubernetes API|apiserver)[^\n]*|"
        r"Unable to connect to the server: [^\n]*|unable to load in-cluster configuration[^\n]*|[Tt]he connection to the server \S+ was refused|failed to get (?:the )?server (?:groups|version|API)[^\n]*(?:timeout|refused|unreachable|no route)[^\n]*",
    ),
    _rule(
        "leader-election-lost",
        "leader election lost|leaderelection lost|lost leader|lost the lease|stopped leading|leadership lost|lost leadership|no longer the leader|lost master|renew lease",
        r"leader ?election lost|lost (?:the )?(?:leader ?election|lease|leadership|leader lock|master)|leadership lost|stopped leading|no longer (?:the )?leader|failed to renew lease",
    ),
    _rule(
        "sysctl-too-low",
        "max virtual memory areas|vm.max_map_count|somaxconn|max_map_count",
        r"max virtual memory areas (?P<sysctl_name>vm\.max_map_count) \[(?P<have>\d+)\] is too low, increase to at least \[(?P<wanted>\d+)\]|(?P<sysctl_name2>(?:vm|net|kernel|fs)\.[\w.]+)[^\n]{0,60}?(?:is )?too (?:low|small)[^\n]*",
    ),
    _rule(
        "dns-loop",
        "detected for zone",
        r"Loop \((?P<loop_from>[^)]+)\) detected for zone \\?\"(?P<zone>[^\"\\]*)",
    ),
    _rule(
        "license-rejected",
        "licen",
        r"(?i:licen[sc]e)(?: key| file| token)?[^\n]{0,60}?(?i:has expired|is expired|expired|not valid|is invalid|invalid|not found|is missing|is required|could not be (?:validated|verified|found|read)|verification failed|validation failed|exceeded)|"
        r"(?i:invalid|expired|missing|no valid|could not (?:find|load|validate|verify)|failed to (?:validate|verify|load|read)|unable to (?:validate|verify|load|read)|no) (?:a |an |the |enterprise |product )*(?i:licen[sc]e)\b(?! (?:field|header|notice|text|agreement|plugin))",
    ),
    _rule(
        "license-rejected",
        "licen|eula",
        r"(?i:must accept the (?:\w+ )?(?:licen[sc]e|eula)[^\n]*|(?:licen[sc]e agreement|\(eula\)) must be accepted[^\n]*|licen[sc]e (?:agreement )?(?:has|was) not (?:been )?accepted[^\n]*)",
        accept="accepted",
    ),
    # ---- data directories
    _rule(
        "data-directory-incompatible",
        "initialized by postgresql|incompatible with server",
        r"(?:The data directory|database cluster) was initialized by PostgreSQL version (?P<data_version>[\d.]+), which is not compatible with this version (?P<program_version>[\d.]+)|"
        r"database files are incompatible with server",
        problem="version",
    ),
    _rule(
        "data-directory-incompatible",
        "exists but is not empty|data directory has files|is not empty",
        r"directory \"(?P<path>[^\"]+)\" exists but is not empty|--initialize specified but the data directory has files in it|data directory has files in it",
        problem="not-empty",
    ),
    _rule(
        "data-directory-incompatible",
        "wrong ownership|invalid permissions|must be owned by|could not change permissions of directory",
        r"data directory \"(?P<path>[^\"]+)\" has (?:wrong ownership|invalid permissions)|could not change permissions of directory \"(?P<path2>[^\"]+)\"",
        problem="owner",
    ),
    _rule(
        "data-directory-incompatible",
        "cannot upgrade from|upgrade after a crash|cannot downgrade|invalid mysql server|redo log was created|rdb format version|featurecompatibility|wrong mongod version|downgrade a node|unsupported redo log|unsupported version of|version of data|upgrade problem",
        r"Cannot (?:upgrade|downgrade) (?:a node )?from (?:version )?\[?(?P<data_version>[\d.]+)\]? to (?:version )?\[?(?P<program_version>[\d.]+)\]?|"
        r"cannot downgrade a node from version \[(?P<data_version2>[\d.]+)\] to version \[(?P<program_version2>[\d.]+)\]|Invalid MySQL server (?:up|down)grade|This redo log was created (?:with|before)|Upgrade after a crash is not supported(?:\. The redo log was created with (?:\w+ )?(?P<data_version4>\d[\d.]*\d))?|Can't handle RDB format version (?P<data_version3>\d+)|"
        r"UPGRADE PROBLEM|Wrong mongod version|[Uu]nsupported redo log format|invalid featureCompatibilityVersion",
        problem="version",
    ),
    _rule(
        "data-directory-incompatible",
        "lock file|unable to lock|node locks|lock db directory|already running|another instance|dbpath|locked by another",
        r"lock file \"(?P<path>[^\"]+)\" already exists|Unable to lock (?P<path2>\S+?),? error: ?11|failed to obtain node locks?(?![^\n]*AccessDenied)|lock DB directory: resource temporarily unavailable|"
        r"Another (?:mongod )?instance is already running on the (?P<path3>\S+) directory|DBPathInUse|(?P<path4>/\S+) is locked by another|Cannot lock file (?P<path5>/\S+)\. Another server instance",
        problem="locked",
    ),
    _rule(
        "data-directory-incompatible",
        "privilege tables",
        r"Can't open and lock privilege tables: Table 'mysql\.[\w]+' doesn't exist",
        problem="damaged",
    ),
    _rule(
        "data-directory-incompatible",
        "inconsistentclusterid|page expected to be|freepages|pg_notify|bad file format reading|database disk image is malformed|not a database|could not locate a valid checkpoint|invalid primary checkpoint|does not appear to be a postgresql|wrong magic",
        r"InconsistentClusterIdException|Page expected to be: \d+, but self identifies|could not open directory \"pg_\w+\": No such file|Bad file format reading the append only file|database disk image is malformed|file is not a database|"
        r"could not locate a valid checkpoint record|Wrong signature trying to load DB from file",
        problem="damaged",
    ),
    _rule(
        "data-directory-incompatible",
        "invalid cluster.id",
        r"Invalid cluster\.id in: (?P<path>\S+?)\. Expected (?P<program_cluster>[\w-]+), but read (?P<data_cluster>[\w-]+)",
        problem="foreign",
    ),
    _rule(
        "data-directory-incompatible",
        "is not in the form of topic-partition",
        r"Found directory (?P<path>/\S+)/(?P<stray>[^/\s,]+), '[^']+' is not in the form of topic-partition",
        problem="stray",
    ),
    _rule(
        "data-directory-incompatible",
        "docker images are configured to store|required feature flag not enabled",
        r"these Docker images are configured to store database data in[\s\S]{0,600}?PostgreSQL data in:\s*(?P<old_path>/\S+)|these Docker images are configured to store database data in|required feature flag not enabled! It must be enabled before upgrading",
        problem="version",
    ),
    _rule(
        "data-directory-incompatible",
        "saved cluster name",
        r"Saved cluster name [^\n]+ != configured name [^\n]+",
        problem="foreign",
    ),
    _rule(
        "data-directory-incompatible",
        "cannot boot server|version of the data|inconsistentbrokerid|inconsistent broker",
        r"Cannot boot server version (?P<program_version>\d+) on data directory built by version (?P<data_version>\d+)|"
        r"version of the data \((?P<data_version2>[\d.]+)\) is (?:higher|newer) than the \w+ ?image version \((?P<program_version2>[\d.]+)\)",
        problem="version",
    ),
    # ---- runtime versions
    _rule(
        "runtime-version-mismatch",
        "unsupportedclassversion|class file version",
        r"UnsupportedClassVersionError: (?P<module>[\w/.$]+)[^\n]*?class file version (?P<wanted>\d+)[\d.]*\)[^\n]*?up to (?P<have>\d+)",
        runtime="Java",
        class_files="yes",
    ),
    _rule(
        "runtime-version-mismatch",
        "incompatible with this module|node_module_version|unsupported engine|ebadengine|node.js version|node version",
        r"The engine \"(?P<engine>\w+)\" is incompatible with this module\. Expected version \"(?P<wanted>[^\"]+)\"\. Got \"(?P<have>[^\"]+)\"|"
        r"using\s+NODE_MODULE_VERSION (?P<wanted2>\d+)\. This version of Node\.js requires\s+NODE_MODULE_VERSION (?P<have2>\d+)|"
        r"Node\.js version (?P<have3>v?[\d.]+) (?:is not supported|detected)[^\n]*?(?:requires[^\n]*?(?P<wanted3>v?\d[\d.]*))?|"
        r"[Rr]equires (?:a )?Node(?:\.js)? (?:version )?(?P<wanted4>[><=^~v ]*\d[\w.]*)|You are using Node(?:\.js)? (?P<have5>[\d.]+)\.",
        runtime="Node.js",
    ),
    _rule(
        "runtime-version-mismatch",
        "your ruby version",
        r"Your Ruby version is (?P<have>[\d.]+), but your Gemfile specified (?P<wanted>[^\s]+(?: ?[\d.]+)?)",
        runtime="Ruby",
    ),
    _rule(
        "runtime-version-mismatch",
        "php version",
        r"require a PHP version \"(?P<wanted>[^\"]+)\"\. You are running (?P<have>[\d.]+)",
        runtime="PHP",
    ),
    _rule(
        "runtime-version-mismatch",
        "python",
        r"(?i)requires (?:a )?(?:different )?python(?: version)?:? [\"'(]?(?P<wanted>[><=~! ]*3[\d.]*)[^\n]*?(?:(?:running|using|have|found|got) (?:python )?(?P<have>3[\d.]+))?|Python (?P<wanted2>3\.\d+)(?:\+| or (?:later|newer|higher)) is required",
        runtime="Python",
    ),
    _rule(
        "runtime-version-mismatch",
        "microsoft.netcore.app|aspnetcore.app|install or update .net",
        r"[Ff]ramework:? '(?P<module>Microsoft\.\w+\.App)',? version '(?P<wanted>[\d.]+)'[^\n]*",
        runtime=".NET",
    ),
    # ---- the machine's limits
    _rule(
        "process-limit",
        "fork|native thread|new thread|pthread_create|os thread|newosproc|spawn",
        r"(?:[Cc]an't|[Cc]annot|[Uu]nable to|could not) fork|fork: (?:retry: )?(?:Resource temporarily unavailable|Cannot allocate)|unable to create (?:new )?native thread|can't start new thread|pthread_create failed|"
        r"failed to create new OS thread|newosproc|spawn \S+ EAGAIN|os\.fork\(\)[\s\S]{0,80}?Resource temporarily unavailable|(?:[Ff]ork|Popen|subprocess)[\s\S]{0,400}?BlockingIOError: \[Errno 11\]|fork\(\) failed",
    ),
    _rule(
        "file-descriptors-exhausted",
        "file watchers|inotify|too many open files",
        r"System limit for number of file watchers reached|inotify (?:instances|watch(?:es)?)[^\n]*(?:reached|exhausted|limit)|(?:user limit|limit) on (?:the )?(?:total )?(?:number of )?inotify[^\n]*|failed to create (?:fsnotify|inotify) watcher: too many open files|"
        # What is opened to be watched, or to be followed, is counted apart from files.
        r"\b(?:watch\w*|fsnotify|inotify\w*|tailers?|target manager)\b[^\n]{0,60}?(?:too many open files|EMFILE)",
        limit="inotify",
    ),
    _rule(
        "file-descriptors-exhausted",
        "too many open files|emfile|enfile|errno 24",
        r"(?i)too many open files|\bEMFILE\b|\bENFILE\b|\[Errno 24\]",
        limit="nofile",
    ),
    _rule(
        "heap-exhausted",
        "outofmemoryerror|insufficient memory for the java|could not reserve enough space",
        r"java\.lang\.OutOfMemoryError: (?P<other_pool>Metaspace|Compressed class space|Direct buffer memory)|java\.lang\.OutOfMemoryError(?:: (?P<pool>(?!unable to create)[^\n]{3,60}))?|There is insufficient memory for the Java Runtime(?:[\s\S]{0,80}?failed to map (?P<bytes>\d+) bytes)?|Could not reserve enough space for \S+ object heap",
        runtime="Java",
    ),
    _rule(
        "heap-exhausted",
        "cuda out of memory|hip out of memory",
        r"(?:CUDA|HIP) out of memory\.(?: Tried to allocate (?P<gpu_wanted>[\d.]+ \w+)\.)?(?: GPU (?P<gpu>\d+)(?: has a total capacity of (?P<gpu_total>[\d.]+ \w+))?)?",
        device="GPU",
    ),
    _rule(
        "heap-exhausted",
        "heap out of memory|heap limit",
        r"JavaScript heap out of memory|Reached heap limit",
        runtime="Node.js",
    ),
    _rule(
        "heap-exhausted",
        "allowed memory size",
        r"Allowed memory size of (?P<bytes>\d+) bytes exhausted",
        runtime="PHP",
    ),
    _rule(
        "heap-exhausted",
        "memoryerror|nomemoryerror|outofmemoryexception|out of memory|memory allocation of",
        r"^(?:numpy[\w.]*\.)?_?(?:Array)?MemoryError\b|NoMemoryError|System\.OutOfMemoryException|runtime: out of memory|fatal error: out of memory|memory allocation of \d+ bytes failed",
    ),
    _rule(
        "heap-exhausted",
        "cannot allocate memory",
        r"runtime: cannot allocate memory|Cannot allocate memory for the buffer pool",
        denied="is given no more memory by the system",
    ),
    _rule(
        "disk-full",
        "shared memory segment",
        r"shared memory segment \"[^\"\n]+\"[^\n]*No space left on device",
        path="/dev/shm",  # noqa: S108 - named, not used
    ),
    _rule(
        "disk-full",
        "no space left|enospc|errno 28|disk quota|enough space on the disk|storagefull",
        r"(?i)(?:[\"'](?P<path>/[^\"'\n]+)[\"'][^\n]{0,30}?)?no space left on device(?:[: '\"]+(?P<path2>/[^'\"\s]+))?|ENOSPC(?!: System limit)|\[Errno 28\]|disk quota exceeded|not enough space on the disk|StorageFull|\benospc\b",
    ),
    # ---- ports
    _rule(
        "privileged-port-denied",
        "permission denied|eacces|access denied|permissionerror|socketexception|(10013)",
        r"cannot bind socket \(Permission denied\) for \[[\d.:*]*?:(?P<port7>\d+)\]|cannot bind socket \[[\d.:*]*?:(?P<port8>\d+)\][^\n]*Permission denied|bind\(\) to (?:\[::\]|[\d.]*|\*)?:?(?P<port>\d+) failed \(13:|listen EACCES: permission denied (?:[\w.:\[\]*]*:)?(?P<port2>\d+)|"
        r"(?:listen (?:tcp|udp)[46]? )?[\w.\[\]]*:(?P<port3>\d+): bind: permission denied|could not bind to address \S*?:(?P<port4>\d+)[^\n]*|"
        r"(?:[Bb]ind(?:ing)?|[Ll]isten(?:ing)?)[^\n]{0,60}?(?::|port )(?P<port5>\d+)[^\n]{0,60}?(?i:permission denied)|Permission denied \(Bind failed\)|"
        r"Permission denied - bind\(2\) for [^\n]*?(?:port |:)(?P<port6>\d+)|\.bind\([^\n]*\n(?:[^\n]*\n){0,6}?PermissionError: \[Errno 13\]|(?:socketserver|asyncio)[\s\S]{0,600}?PermissionError: \[Errno 13\] [^\n]*(?:bind|$)|SocketException: Permission denied(?=[\s\S]{0,200}?bind)",
    ),
    _rule(
        "port-in-use",
        "address already in use|already bound|eaddrinuse|addrinuse|already in use|errno 98|connection in use|(98: |address in use|bind on",
        r"[Pp]ort(?:\(s\))? already bound:? (?P<port9>\d+)|EADDRINUSE(?:: address already in use)?(?: [\w.:\[\]*]*:(?P<port>\d+))?|bind\(\) to (?:\[::\]|[\d.]*|\*)?:?(?P<port2>\d+) failed \(98|"
        r"listen (?:tcp|udp)[46]? [\w.\[\]:]*:(?P<port3>\d+): bind: address already in use|Port (?P<port4>\d+) (?:was|is) already in use|[Aa]ddress already in use - bind\(2\) for [^\n]*?(?:port |:)(?P<port5>\d+)|"
        r"\[Errno 98\][^\n]*?\('?[\w.:]*'?, (?P<port6>\d+)\)|(?:to address|[Bb]ind(?:ing)?(?: to)?|[Ll]isten(?:ing)?(?: on| to)?|\b[Pp]ort\b|Connection in use:)[^\n]{0,30}?[:, ]+(?P<port7>\d{2,5})\b[^\n]{0,60}?(?i:already in use|address in use|connection in use)|"
        r"(?i:address already in use): bind to \S*?:(?P<port11>\d+)|(?i:address already in use)|Connection in use: \('[^']*', (?P<port8>\d+)\)|AddrInUse|\beaddrinuse\b|\[Errno 98\]|for address '(?:[\d.]*:)?(?P<port10>\d+)'[^\n]*in use",
    ),
    _rule(
        "privileged-port-denied",
        "cannot bind socket",
        r"cannot bind socket \[[\d.:*]*?:(?P<port>\d{1,3})\]\s*$",
    ),
    # ---- files
    _rule(
        "file-missing",
        "failed to execute|executable file not found",
        r"failed to execute (?P<path>[\w./-]+): No such file|exec: \\?\"(?P<path2>[^\"\\]+)\\?\": executable file not found",
    ),
    _rule(
        "file-missing",
        "pwfile|opening ",
        r"(?i:unable to open|error opening) (?:\w+ ){0,2}(?:\w*file):? \"(?P<unopened>/[^\"\n]+)\"\.?$",
        unsure="yes",
    ),
    _rule(
        "read-only-filesystem",
        "read-only file|erofs|errno 30|readonlyfilesystem",
        rf"(?i:read-only file system)(?:[: '\"@]+(?:\w+ - )?{_PATH}|, (?:\w+) [\"']{_PATH.replace('path', 'path2')})|(?:open\(\)|mkdir\(\)|[\w ]+) \"(?P<path3>/[^\"]+)\" failed \(30|"
        rf"(?:[\w.-]+: )+(?:can't [\w ]+|cannot [\w ]+|[\w ]+)?[ '\"‘]*{_PATH.replace('path', 'path4')}['\"’]*:? (?i:read-only file system)|(?P<path5>/\S+)[:'\"’)]* ?\(?(?i:read-only file system)|(?i:read-only file system)|\bEROFS\b|\berofs\b",
    ),
    _rule(
        "permission-denied",
        "permission denied|eacces|iptables|ip6tables|not writable|unable to write to the backend|errno 13|accessdenied|access denied|is denied|operation not permitted|eperm|permissiondenied|errno 1]",
        rf"npm (?:ERR!|error) code EACCES[\s\S]{{0,200}}?npm (?:ERR!|error) path (?P<path15>/\S+)|\[Errno (?:13|1)\] (?:Permission denied|Operation not permitted): [\"']{_FILE}|(?:EACCES|EPERM): (?:permission denied|operation not permitted), (?P<operation>\w+) [\"'](?P<path2>[^\"']+)|"
        rf"(?:open|mkdir|unlink|stat|create|chdir|chmod|chown|rename|lstat|fork/exec|read|write) (?P<path3>/[^\s:]+): (?:permission denied|operation not permitted)|"
        rf"[\"'‘](?P<path4>[^\"'’\n]+)[\"'’][^\n]{{0,30}}\((?:13|1): (?:Permission denied|Operation)|(?P<path5>/[^\s():]+) \(Permission denied\)|AccessDeniedException: (?P<path6>/\S+)|"
        rf"Access to the path '(?P<path7>[^']+)' is denied|(?:Permission denied|Operation not permitted) @ \w+ - (?P<path8>\S+)|"
        rf"(?:[\w.+-]+: )*(?:line \d+: )?(?:\d+: )?(?:can't [a-z ]+|cannot [a-z ]+|could not [a-z ]+)?[\"'‘]?(?P<path9>\.?/[^\s:\"'’]+)[\"'’]?: (?i:permission denied|operation not permitted)|AccessDeniedException\[(?P<path13>/[^\]]+)\]|handle-open: open: Operation not permitted|ip6?tables[\w-]*:? [^\n]*(?:initiali[sz]e [\w ]*table|you must be root)[^\n]*|"
        rf"(?:[Ff]ailed to open stream|Can't open [^\n]*?): [Pp]ermission denied|PermissionDenied|(?i:permission denied)(?! \(publickey| for (?:table|relation|schema|database|sequence|function|view))|(?:failed )?(?P<switch>setgroups|initgroups|set[re]*[ug]id|setres[ug]id|switching to|chroot|capset|cap_set_proc|set_?caps?)\b[^\n]{{0,60}}?(?i:operation not permitted)|\bE(?:ACCES|PERM)\b|(?P<path10>/[^\s'\":]+)['\"]?: (?:eacces|eperm)\b|\b(?:eacces|eperm)\b|directory '(?P<path11>/[^']+)' is not writable|(?P<path12>/[\w./-]+)['\"]? is not writable|Unable to write to the backend|(?i:file access denied|access to file denied)(?:: ?(?P<path14>/\S+))?",
    ),
    # Without an errno: most often a right, so it is said with less weight.
    _rule(
        "permission-denied",
        "write to|create|unable to open",
        r"(?i:cannot|can ?not|can't|could not|unable to|failed to) (?:create|write(?: to)?)(?: (?:the |a )?(?:\w+ )?(?:directory|dir|file|folder))? ['\"]?(?P<path>/[^\s'\":]+)(?![^\n]*(?:[Nn]o such|exists|[Nn]ot a dir|[Ii]s a dir|space|[Rr]ead-only|too many|refused|time))",
        unsure="yes",
    ),
    _rule(
        "file-too-open",
        "owner only|too open|too permissive|group or world|unprotected private key|writable by the owner|only the owner",
        r"[Ff]ile (?P<path>/\S+) must be accessible by owner only|permissions on (?P<path2>/\S+) are too open|[Pp]ermissions (?P<mode>\d{3,4}) for '?(?P<path3>/[^'\s]+)'? are too open|"
        r"private key file \"(?P<path4>[^\"]+)\" (?:has group or world access|must be owned)|config file \(\"(?P<path5>[^\"]+)\"\) can only be writable by the owner but the permissions are \"(?P<mode2>[^\"]+)\"|"
        r"(?P<path6>~/\S+) access too permissive|UNPROTECTED PRIVATE KEY FILE|(?P<path7>/[\w./@-]+)['\"]?:? [^\n/]{0,40}(?:permissions? (?:is |are )?too (?:open|permissive|broad)|(?:is |has )?group or world (?:access|readable|writable|writeable))",
    ),
    # ---- modules and libraries
    _rule(
        "module-missing",
        "no module named|cannot import name",
        r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<module>[\w.]+)'?|No module named '?(?P<module2>[\w.]+)'?|ImportError: cannot import name '(?P<module3>\w+)' from (?:partially initialized module )?'(?P<from_module>[\w.]+)'",
        language="Python",
    ),
    _rule(
        "module-missing",
        "libnvidia|libcuda",
        r"(?P<driver_library>lib(?:nvidia-ml|cuda|nvidia-\w+)\.so[\w.]*): cannot open shared object file",
    ),
    _rule(
        "module-missing",
        "valid icu package",
        r"Couldn't find a valid ICU package",
        module="libicu",
        language="shared library",
    ),
    _rule(
        "module-missing",
        "shared librar|shared object",
        r"(?:error while loading shared libraries: |ImportError: |OSError: |\.so[\w.]*: )?(?P<module>[\w+.-]+\.so[\w.]*): cannot open shared object file|Error loading shared library (?P<module2>[\w+.-]+)",
        language="shared library",
    ),
    _rule(
        "module-missing",
        "glibc|glibcxx|symbol not found|undefined symbol|musl",
        r"version [`'](?P<module>(?:GLIBC|GLIBCXX|CXXABI|OPENSSL)_[\w.]+)' not found|Error relocating \S+: (?P<module2>\w+): symbol not found|undefined symbol: (?P<module3>\w+)",
        language="C library",
    ),
    _rule(
        "module-missing",
        "cannot find module|cannot find package|err_module_not_found|module_not_found|could not locate the|could not load the",
        r"Cannot find module '(?P<module>[^']+)'|Cannot find package ['\"](?P<module2>[^'\"]+)['\"] (?:imported )?from|Can't resolve '(?P<module3>[^']+)'|[Cc]ould not locate the (?P<module6>Query Engine for runtime \"[\w.-]+\")|[Cc]ould not locate the (?P<module4>Query Engine|bindings file)|Could not load the \"(?P<module5>[\w@/-]+)\" module",
        language="Node.js",
    ),
    _rule(
        "module-missing",
        "no suitable driver|find or load main class|classnotfound|noclassdeffound|no main manifest|nosuchmethoderror",
        r"Could not find or load main class (?P<module>[\w.$/-]+)|(?:ClassNotFoundException|NoClassDefFoundError): (?P<module2>[\w./$]+)|no main manifest attribute, in (?P<module3>\S+)|NoSuchMethodError: '?(?P<module5>[\w.$ ]+)|No suitable driver found for (?P<module6>jdbc:\w+)",
        language="Java",
    ),
    _rule(
        "module-missing",
        "cannot load such file|could not find gem|in locally installed gems|in any of the sources|bundler::gemnotfound",
        r"cannot load such file -- (?P<module>\S+)|Could not find gem '(?P<module2>[^' ]+)|Could not find (?P<module3>[^\s,]+)(?:, [^\n]*)? in (?:locally installed gems|any of the sources)",
        language="Ruby",
    ),
    _rule(
        "module-missing",
        'vendor/autoload|could not find driver|undefined function|class "|interface "',
        r"Failed opening required '(?P<module>[^']*vendor/autoload\.php)'|(?P<module2>vendor/autoload\.php)|could not find driver|Call to undefined function (?P<module3>[\w\\]+)\(|(?:Class|Interface) \"(?P<module4>[\w\\]+)\" not found",
        language="PHP",
    ),
    _rule(
        "module-missing",
        "file or assembly|could not load type",
        r"Could not load file or assembly '(?P<module>[\w.]+)",
        language=".NET",
    ),
    _rule(
        "module-missing",
        "' not found:",
        r"module '(?P<module>[\w.]+)' not found:",
        language="Lua",
    ),
    _rule(
        "module-missing",
        "could not import module|couldn't import|failed to import|error importing|the module|error loading",
        r"Could not import module \"(?P<module>[\w.]+)\"|(?:[Cc]ouldn't|[Ff]ailed to|[Ee]rror) import(?:ing)? (?:module )?[\"'](?P<module2>[\w.]+)[\"']|The module (?P<module3>[\w.]+) was not found|Error loading (?P<module4>\w+)(?: or \w+)? module",
        language="Python",
    ),
    _rule(
        "module-missing",
        "there is no package called",
        r"there is no package called [‘'\"](?P<module>[\w.]+)",
        language="R",
    ),
    _rule("module-missing", "can't locate", r"Can't locate (?P<module>[\w/]+\.pm) in @INC", language="Perl"),
    # ---- environment variables
    _rule(
        "environment-variable-missing",
        "keyerror",
        r"os\.environ\[[^\n]*\n(?:[^\n]*\n){0,8}?KeyError: '(?P<variable>[A-Za-z_]\w*)'|(?:<frozen os>|/os\.py\")[^\n]*(?:\n[ \t][^\n]*)*\nKeyError: '(?P<variable2>[A-Za-z_]\w*)'|^KeyError: '(?P<variable3>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'",
    ),
    _rule(
        "environment-variable-missing",
        "key not found",
        r"key not found: \"(?P<variable>[A-Z][A-Z0-9_]+)\"(?: \(KeyError\))?",
    ),
    _rule(
        "environment-variable-missing",
        "parameter not set|parameter null or not set|unbound variable",
        r"(?:^|: )(?P<variable>[A-Za-z_]\w*): (?:parameter not set(?: or null)?|parameter null or not set|unbound variable)",
    ),
    _rule(
        "environment-variable-missing",
        "environment|env var|envvar|env ",
        rf"(?i:(?:missing|required|unset|undefined|set|need|needs|provide|fetch|get|load|access|parse|lookup|specify|define|read|find|expected|no|empty|invalid)(?: the| a| an)?(?: following| required| mandatory| necessary)*(?: environment| env(?:ironment)?)[ -]?(?:var(?:iable)?s?)?(?: is| are|\(s\))?(?: not set| missing| required)?)[:= \t]*\n?[ \t-]*[\[({{\"'`]*{_V}|"
        rf"(?i:environment variables?|env(?:ironment)? vars?|envvar|env)[ :=]*[\[(\"'`“]*{_V.replace('variable', 'variable2')}[\])\"'`”]*,? (?i:is |was |are |must |has |needs |should |could |cannot |does )?(?:be )?(?:been )?(?i:not|missing|required|undefined|unset|empty|be set|set|provided)|"
        rf"{_Q}?\$?\{{?{_V.replace('variable', 'variable3')}\}}?{_Q}?(?: \([^)\n]*\))?:? (?i:(?:is |was |not |a |missing |required |the |set |found |defined |in |as |must be |must |provided |via |an )*(?:environment|env\b|envvar)(?![^\n]*\b(?:match|mismatch)\b)[^\n]*)|Set the {_V.replace('variable', 'variable4')} environment variable",
    ),
    _rule(
        "environment-variable-missing",
        "env[",
        r"(?i:missing|not set|not found|required|put it in|must be set)[^\n]*\bENV\[['\"](?P<variable>[A-Z][A-Z0-9_]+)['\"]\]|\bENV\[['\"](?P<variable2>[A-Z][A-Z0-9_]+)['\"]\][^\n]{0,40}(?i:missing|not set|not found|required|is nil|blank|empty)",
    ),
    _rule(
        "environment-variable-missing",
        "required key",
        r"required key (?P<variable>\w+) missing value",
    ),
    _rule(
        "environment-variable-missing",
        "validation error|field required",
        r"validation errors? for \w*(?:Settings|Config|Configuration|Env|Environment)\w*\n(?P<variable>\w+)\n\s+(?:Field required|field required|none is not|Input should)",
        upper="yes",
    ),
    _rule(
        "environment-variable-missing",
        "you must specify|is not specified|not specified|variable not found",
        r"(?:must|need to) specify (?:one of the following as an environment variable:\s*\n\s*-? ?)?(?P<variable>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)|(?i:environment variable not found:) [\"']?(?P<variable2>[A-Z][A-Z0-9_]+)",
    ),
    _rule(
        "environment-variable-missing",
        "config validation error|environment variables",
        r"Config validation error: \"(?P<variable>[A-Z][A-Z0-9_]+)\" is required|Missing environment variables:\s*\n\s*(?P<variable2>[A-Z][A-Z0-9_]+)|[Pp]ars\w+ en+vironment variables[^\n]*?string=(?P<variable3>[A-Z][A-Z0-9_]+)",
    ),
    _rule(
        "environment-variable-missing",
        "could not resolve substitution|missing value for field",
        r"Could not resolve substitution to a value: \$\{\??(?P<variable>[A-Z][A-Z0-9_]+)\}|missing value for field (?P<variable2>[a-z]\w*)",
        upper="yes",
    ),
    _rule(
        "environment-variable-missing",
        "could not resolve placeholder|the config property",
        r"Could not resolve placeholder (?:'|\$\{)(?P<variable>[\w.\-]+)(?:' in value|\})|The config property (?P<variable2>[\w.\-]+) is required but it could not be found",
        upper="yes",
    ),
    _rule(
        "environment-variable-missing",
        'zoderror|"required"|invalid_type|invalid environment',
        r"\"path\": ?\[\s*\"(?P<variable>[A-Z][A-Z0-9_]+)\"\s*\],?\s*\"message\": ?\"(?:Required|Invalid input[^\"]*(?:undefined|nan)[^\"]*)\"|✖ Invalid input[^\n]*undefined[^\n]*\n\s*→ at (?P<variable2>[A-Z][A-Z0-9_]+)|[Ii]nvalid environment variables:?[ \t]*\{?\s*[\"']?(?P<variable3>[A-Z][A-Z0-9_]+)",
    ),
    _rule(
        "environment-variable-missing",
        "secret_key_base|application encryption key|notpresent|environment variable not found|postgres_password|_root_password",
        r"Missing `(?P<variable>secret_key_base)`|You must specify (?P<variable2>POSTGRES_PASSWORD)|(?:as an environment variable|specify one of)[^\n]*:?\s*\n?\s*-? (?P<variable3>(?:MYSQL|MARIADB)_ROOT_PASSWORD)|"
        rf"{_V.replace('variable', 'variable5')}[^\n]*: (?:NotPresent|environment variable not found)|(?P<laravel>No application encryption key has been specified)|(?:NotPresent|environment variable not found)",
        upper="yes",
    ),
    _rule(
        "environment-variable-missing",
        "not set|unset|missing|required|undefined|must be set|be set|not defined|not provided|is empty|envvar|must set|please set|not specified",
        rf"{_Q}?\$?\{{?{_V}\}}?{_Q}?:? (?i:(?:is |was |has |must |should |cannot |not |be |been |are |a )*(?:not set|unset|missing|required|undefined|be set|not defined|not provided|not specified|(?:not )?be (?:empty|blank|null|set|provided|defined|specified)|is empty|not found\. Declare it as envvar))|"
        rf"(?i:\b(?:missing|required|must set|please set|must provide|please provide|must specify|please specify|undefined|unset|need to set|have to set|you must define)\b)(?i: required| config(?:uration)?| variable| value| setting| parameter| option| env| for| the| secret)*[: ]+{_Q}?\$?\{{?{_V.replace('variable', 'variable2')}\b",
    ),
    # ---- names, refusals, time-outs
    # The driver of PostgreSQL has no more to say of a name that is not known than the name.
    _rule(
        "dependency-not-resolved",
        "the connection attempt failed",
        r"The connection attempt failed\.\n[^\n]* ERROR: (?P<host>[a-z](?:[\w-]*\.)*[\w-]+)$",
    ),
    _rule(
        "dependency-not-resolved",
        "no such host|lookup |name or service not known|name resolution|enotfound|eai_again|could not resolve|couldn't resolve|unknownhost|bad address|host not found|not translate host|failed to resolve|getaddrinfo|unknown mysql server host|name does not resolve|nxdomain|no such host is known|server misbehaving|unresolvedaddress|no resolvable bootstrap|could not be resolved|can't resolve|dns resolution failed|failed to lookup address|cannot resolve|unable to resolve|non-existing domain|resolve host|nodename nor servname",
        r"lookup (?P<host>[\w.-]+?)\.?(?: on [\d.:\[\]a-f]+)?: (?:no such host|server misbehaving|Temporary failure|i/o timeout|read udp)|(?:ENOTFOUND|EAI_AGAIN) (?P<host2>[\w.-]+)|UnknownHostException: (?P<host3>[\w.-]+)|could not translate host name \\?\"(?P<host4>[^\"\\]+)|"
        r"[Ff]ailed to resolve '(?P<host5>[\w.-]+)'|bad address '(?P<host6>[\w.-]+)(?::(?P<port8>\d+))?'|[Cc]ould(?: not|n't) resolve (?:(?:proxy|host|address|hostname|host name)\b:? ?[\"']?(?P<host7>[\w.-]+)|[\"']?(?P<host22>(?![\w.-]*\.[A-Z])[\w-]+(?:\.[\w-]+)+|[\w-]+(?=:\d)))|host not found in (?:upstream|resolver|set_real_ip_from)? ?\\?\"?(?P<host8>[\w.-]+)(?::(?P<port>\d+))?|"
        r"(?P<host9>[\w.-]+) could not be resolved \(|getaddrinfo for (?P<host10>[\w.-]+) failed|Unknown (?:MySQL|MariaDB) server host '(?P<host11>[\w.-]+)'|(?:Name or service not known|No such host is known\.?|Resource temporarily unavailable|nodename nor servname[\w ,]*|Name does not resolve) \((?P<host12>[\w.-]+):(?P<port2>\d+)\)|"
        r"Error -[23] connecting to (?P<host13>[\w.-]+):(?P<port3>\d+)|Couldn't resolve server (?P<host14>[\w.-]+):(?P<port4>\d+)|tcp connect \((?P<host15>[\w.-]+):(?P<port5>\d+)\): non-existing|(?:[\w-]+: )(?P<host16>(?!(?:connect|getaddrinfo|socket|dial|lookup|error)\b)[\w.-]+): (?:Name does not resolve|Name or service not known|Temporary failure in name resolution)|"
        r"[Ff]ailed to resolve (?:(?:host|hostname|address|name):? )?[\"'`]?(?P<host17>[\w-]+(?:\.[\w-]+)*)[\"'`:]|(?:TCP connection to|Could not connect to Redis at|connect to|to host) [\"']?(?P<host18>[\w.-]+):(?P<port6>\d+)[^\n]{0,80}?(?:getaddrinfo|Name or service not known|name resolution)|"
        r"(?i:unable|cannot|can't) (?:to )?resolve (?:(?:host(?:name)?|address|name)\b:? ?[\"']?(?P<host19>[\w.-]+)|[\"']?(?P<host23>(?![\w.-]*\.[A-Z])[\w-]+(?:\.[\w-]+)+|[\w-]+(?=:\d)))|\((?:name|host)='(?P<host20>[\w.-]+)'[^\n]*(?:Name or service not known|name resolution)|HTTPS?ConnectionPool\(host='(?P<host21>[\w.-]+)', port=(?P<port7>\d+)\)[^\n]*(?:Name or service not known|name resolution|NameResolutionError)|"
        r"[Nn]o resolvable bootstrap|gaierror|Name or service not known|Temporary failure in name resolution|nodename nor servname|Name does not resolve|\bnxdomain\b|UnresolvedAddressException|failed to lookup address information|getaddrinfo(?:: | )(?!ENOTFOUND|EAI_AGAIN)[^\n]{0,40}",
    ),
    _rule(
        "dependency-refused",
        "connection refused|econnrefused|connection to |refused. check|reach database server|connectionrefused|actively refused|could not be established. broker|can't connect to mysql|can't connect to local|connectexception|couldn't connect to server|econnreset by",
        r"(?i:connection refused)|Can't reach database server at `?(?P<host2>[\w.-]+)`?:`?(?P<port2>\d+)|\bE?CONNREFUSED\b|ConnectionRefused|\beconnrefused\b|Connection to (?P<host3>[\w.-]+):(?P<port3>\d+) refused|actively refused|Connection to node -?\d+ \((?P<host>[\w.-]+)/[\d.]+:(?P<port>\d+)\) could not be established|Can't connect to (?:local )?(?:MySQL|MariaDB|server)[^\n]*\((?:2|111|115)\b|"
        r"curl: \(7\)[^\n]*|no connection could be made",
    ),
    _rule(
        "dependency-timed-out",
        "still connecting",
        r"Still connecting\"? (?:to )?(?:address=)?\"?unix://(?P<socket>/[^\s\"]+)",
    ),
    _rule(
        "dependency-timed-out",
        "timed out|timeout|etimedout|deadline exceeded|no route to host|network is unreachable|ehostunreach|enetunreach|errno 110|os error 110",
        r"dial tcp (?P<address>[\w.\[\]:-]+): (?:i/o timeout|connect: (?:connection timed out|no route to host|network is unreachable))|\bE(?:TIMEDOUT|HOSTUNREACH|NETUNREACH)\b|\b(?:etimedout|ehostunreach|enetunreach)\b|ESOCKETTIMEDOUT|(?i:connect(?:ion)?(?: to \S+)? timed? ?out)|ConnectTimeout\w*|[Cc]onnection to (?P<host>[\w.-]+) timed out|connect timeout=|"
        r"\[Errno (?:110|113|101)\]|[Nn]o route to host|[Nn]etwork is unreachable|(?:dial|connect|connection|ping|server selection|request|Get|Post|fetch)[^\n]{0,120}(?:context deadline exceeded|[Cc]lient\.Timeout exceeded)|ServerSelectionTimeoutError|MongoServerSelectionError|server selection (?:error|timeout)|curl: \(28\)|upstream timed out|"
        r"timeout expired|SocketTimeoutException|[Tt]imed? ?out (?:while )?(?:waiting for(?! (?:the )?(?:caches?|condition)\b)|connecting to|trying to connect)[^\n]*|TimeoutException: [^\n]*(?:connect|broker|node|metadata)|etcdserver: request timed out|HeadlessTimeout|Operation timed out|QueuePool limit|pool timed out|(?i:timeout|timed out) (?:occurred )?after[^\n]{0,40}\bwaiting (?:\S+ (?:seconds )?)?(?:for|on)\b[^\n]*|urlopen error timed out|download timed out|read timeout=|\bReadTimeout(?:Error)?\b|"
        r"(?:socket|http|urllib|ssl)[\s\S]{0,600}?^(?:socket\.timeout|TimeoutError): timed out",
    ),
    _rule(
        "dependency-unreachable",
        "connectionloss|amqpconnectionerror|nobrokersavailable|no brokers available|unable to bootstrap|maxretriesperrequest|no nodes available|nonodesavailable|nohostavailable|no living connections|cluster_block|network-related|no reachable|connection attempt failed|communications link failure|unable to connect to|can't connect to|cannot connect to|could not connect to|failed to connect to",
        r"KeeperErrorCode = ConnectionLoss|AMQPConnectionError|NoBrokersAvailable|No brokers available|Unable to bootstrap from (?P<address>[\w.-]+:\d+)|MaxRetriesPerRequestError|[Nn]o (?:living connections|reachable (?:servers|hosts|nodes))|None of the configured nodes (?:are|were) available|NoHostAvailable\w*|NoNodesAvailable\w*|The connection attempt failed|Communications link failure|[Aa] network-related or instance-specific error[^\n]*|"
        r"(?i:unable to|can't|cannot|could not|failed to) connect to (?!the server:|X server|\('(?:0\.0\.0\.0|::|127))[^\n]*",
    ),
    # ---- configuration that names the place: before arguments, for files have options too
    _rule(
        "configuration-invalid",
        "unknown|unrecogni|unexpected|invalid|syntax|parse|parsing|duplicate|missing|expected|not allowed|bad ",
        r"(?<![\w./-])(?P<path>[\w./-]{0,255}(?:\.(?:conf|cfg|cnf|ya?ml|toml|ini|json|hcl|vcl|xml|properties|tf|rules)|Caddyfile|Corefile|[\w-]{1,40}rc)):(?P<at>\d+)(?::\d+)?[\]):]*:?(?![^\n]*(?:[Nn]o such file|[Pp]ermission denied))[^\n]{0,40}?"
        r"(?P<problem>(?i:unknown|unrecogni[sz]ed|unexpected|invalid|syntax|parse error|parsing (?:failed|error)(?!: permission)|duplicate|missing|expected|not allowed|bad )[^\n]*)",
    ),
    _rule(
        "configuration-invalid",
        "error at line|error on line|bungled|error near line",
        r"(?<!PHP )(?i:parse|parsing|syntax|config(?:uration)?)(?: fatal)? error (?:at|on|near) line \[?(?P<at>\d+)|Bungled (?P<path>/\S+) line (?P<at2>\d+)",
    ),
    # ---- arguments
    _rule(
        "bad-arguments",
        "unrecognized argument|unknown flag|unknown long|unknown short|from flags|unexpected '-|not defined|unrecognized option|invalid option|unknown option|unexpected argument|unknown argument|unknown command|subcommand|bad option|arguments are required|required flag|shorthand flag|for flag|no such option|unexpected extra|vm option|create the java virtual|unknown shorthand|heap size|illegal option|no such command|invalid choice|unrecognised|missing option|missing argument|unknown parameter|wasn't expected",
        r"(?i:unrecogni[sz]ed arguments?): ?(?P<argument>[^\n]+)|unknown (?:long )?flag:? [`'\"]?(?P<argument2>--?[\w-]+)|flag provided but not defined: (?P<argument3>-[\w-]+)|(?i:unrecogni[sz]ed option):?[ '\"`]*(?P<argument4>-[\w=.:+-]+)|(?i:invalid|illegal|unknown|bad) option:?(?: --)? ?[ '\"`]*(?P<argument5>-*\w[\w=.-]*)|"
        r"from flags: [^\n]*field not found, node: (?P<argument17>\w+)|unknown short flag '(?P<argument18>-\w+)|unexpected '(?P<argument19>--?[\w-]+)'|(?i:unexpected|unknown) argument:?[ '\"`]*(?P<argument6>-*[\w=.-]+)|(?:unknown|unrecogni[sz]ed) (?:sub)?command:? [\"'`](?P<argument7>[\w-]+)|No such (?:option|command):? ['\"]?(?P<argument8>[\w-]+)|the following (?:required )?arguments (?:are required|were not provided): ?\s*(?P<missing>[^\n]+)|required flag\(s\) (?P<missing2>\"[^\n]+?\") not set|"
        r"unknown shorthand flag: '\w' in (?P<argument9>-\w+)|invalid (?:value|argument) [\"'](?P<value>[^\"']*)[\"'] for (?:[\"'](?P<argument10>-*[\w, <>=-]+)[\"']|flag (?P<argument11>-[\w-]+))|Unrecognized VM option '(?P<argument12>[^']+)'|Invalid (?:maximum|initial) heap size: (?P<argument13>\S+)|argument (?P<argument14>[\w/-]+): (?:invalid|expected)[^\n]*|"
        r"[Uu]nexpected extra arguments? \((?P<argument15>[^)]+)\)|Missing (?:option|argument) '(?P<missing3>[^']+)'|Found argument '(?P<argument16>[^']+)' which wasn't expected",
    ),
    _rule("bad-arguments", "required --", r"[Rr]equired (?P<missing>--[a-z][\w-]+)"),
    _rule("bad-arguments", "missing script", r"Missing script: ?[\"']?(?P<missing>[\w:.-]+)"),
    _rule(
        "bad-arguments",
        " is required| are required|must be set|must be specified|must be provided|command line options|not specified",
        r"(?<!\S)[\"'`]?(?P<missing>--?[a-z][\w-]+)[\"'`]?(?:,? (?:and|or) --?[\w-]+)* (?:(?:flag|option|argument|parameter) )?(?:is|are|must be|was|were) (?:required|set|provided|specified|not (?:set|specified|provided))|bad command line options",
    ),
    # ---- configuration
    _rule(
        "configuration-invalid",
        "[emerg]|nginx: [",
        r"\[emerg\][^\n]*?(?P<problem>(?:unknown|unexpected|invalid|duplicate|no |directive|\"|host|the|a |conflicting|could not|cannot)[^\n]*?) in (?P<path>/[^\s:]+):(?P<at>\d+)",
        program="nginx",
    ),
    _rule(
        "configuration-invalid",
        "fatal config file error|bad directive|reading the configuration file",
        r"FATAL CONFIG FILE ERROR[^\n]*(?!(?:\n[^\n]*){1,4}Can't resolve)\n(?:[^\n]*\n)?(?:>>> '(?P<setting>[^'\n]+)')?|Bad directive or wrong number of arguments",
        program="redis",
    ),
    _rule(
        "configuration-invalid",
        "unrecognized configuration parameter|contains errors|invalid value for parameter|unknown variable|unknown suffix|unknown setting",
        r"unrecognized configuration parameter \"(?P<setting>[^\"]+)\"(?: in file \"(?P<path>[^\"]+)\" line (?P<at>\d+))?|invalid value for parameter \"(?P<setting2>[^\"]+)\"(?:: \"(?P<value>[^\"]*)\")?|unknown variable '(?P<setting3>[^']+)'|unknown setting \[(?P<setting4>[^\]]+)\]|configuration file \"(?P<path2>[^\"]+)\" contains errors",
    ),
    _rule(
        "configuration-invalid",
        "yaml|toml|unmarshal|scannererror|parsererror|mapping values|parsing|corefile|config",
        r"(?:(?P<path>/[\w./-]+)[: ]+)?(?:parsing YAML file (?P<path2>\S+?): )?yaml: (?:line (?P<at>\d+)|unmarshal errors)[^\n]*|(?:ScannerError|ParserError|YAMLException|ConstructorError|ComposerError)[^\n]*|in \"(?P<path3>/[^\"]+)\", line (?P<at2>\d+)|error converting YAML to JSON[^\n]*|mapping values are not allowed[^\n]*|did not find expected[^\n]*|(?<![\w.])toml: [^\n]*|TOML parse error[^\n]*|TOMLDecodeError[^\n]*|"
        r"(?P<path4>[\w./-]*Corefile):(?P<at3>\d+) - Error during parsing[^\n]*",
    ),
    _rule(
        "configuration-invalid",
        "could not resolve substitution|declared setting with name|missing required|missing field `",
        r"Could not resolve substitution to a value: \$\{\??(?P<setting>[a-z][\w.-]+)\}|No declared setting with name: (?P<setting2>[\w.]+)|[Mm]issing required (?:config(?:uration)? )?(?:setting|option|parameter|property|key|field)s?:? [\"'`]?(?P<setting3>[a-zA-Z][\w.-]+)|missing field `(?P<setting4>\w+)`",
    ),
    _rule(
        "configuration-invalid",
        "header",
        r"InvalidHeader: [^\n]*|invalid header field value[^\n]*|[Ii]nvalid character in header content[^\n]*|failed to parse header value",
        header="header",
    ),
    _rule(
        "configuration-invalid",
        "syntax error on line|parsing [|failed to bind properties|configexception|improperlyconfigured|missing required configuration|jsondecodeerror|in json at|invalid character|is not valid json|unexpected end of json|config file",
        r"Syntax error on line (?P<at>\d+) of (?P<path>\S+):|parsing \[(?P<path2>[^:\]]+):(?P<at2>\d+)\][^\n]*|Failed to bind properties under '(?P<setting>[\w.\[\]-]+)'|ConfigException: (?:Missing required configuration \"(?P<setting2>[\w.]+)\"|Invalid value (?P<value>\S+) for configuration (?P<setting3>[\w.]+))?|ImproperlyConfigured: (?:The (?P<setting4>[A-Z_]+) setting )?[^\n]*|"
        r"JSONDecodeError: [^\n]*|Unexpected token [^\n]* JSON[^\n]*|Expected [^\n]* in JSON at position[^\n]*|invalid character '[^\n]*' (?:looking for|after|in)[^\n]*|is not valid JSON|[Uu]nexpected end of JSON input",
    ),
    _rule(
        "configuration-invalid",
        "invalid literal|invalid syntax|not a valid|numberformatexception|invalid port|invalid url|malformed|invalid dsn|could not parse|bad port|invalid boolean|invalid duration|invalid value|unsupported protocol scheme",
        r"strconv\.\w+: parsing \\?\"(?P<value>[^\"\\]*)\\?\"|NumberFormatException: For input string: \"(?P<value2>[^\"]*)\"|^ValueError: invalid literal for int\(\) with base 10: '(?P<value3>[^']*)'|invalid port[^\n]*|[Ii]nvalid URL[^\n]*|time: (?:invalid duration|missing unit)[^\n]*|unsupported protocol scheme \"(?P<value4>[^\"]*)\"|[Ii]nvalid value (?:\S+ )?for (?P<setting>[A-Z][A-Z\d]*_[A-Z\d_]+)|Could not parse [^\n]{0,60}(?:URL|url|DSN)[^\n]*|ERR_INVALID_URL",
        program="value",
    ),
    _rule(
        "configuration-invalid",
        "configuration setting found for key|was not used|validation of [|unknown|unrecogni|undefined receiver|no setting|not registered|datasource|driver class|field not found|[pool|wrong number of arguments",
        r"[Cc]onfiguration property '(?P<setting4>[\w.-]+)' (?:was not used|is not \w+)|config validation of \[[^\n]*|(?i:(?:unknown|unrecogni[sz]ed|unsupported) (?:config(?:uration)? (?:file )?)?(?:variable|keyword|directive|setting|parameter|property|section|key|driver|backend|provider|dialect|block type)s?):? ?[\"'`]*(?P<setting>[\w./-]+)?|"
        r"[Nn]o configuration setting found for key '(?P<setting3>[^']+)'|undefined receiver[^\n]*|there is no setting with that name|(?<!\w)\w*(?i:driver|provider|plugin|backend|dialect|adapter)\w* (?:is )?not registered(?:: (?P<value>\S+))?|Failed to configure a DataSource[^\n]*|"
        r"Failed to determine (?:a suitable|the) (?:driver class|\w+ dialect)|(?<!from flags: )field not found, node: (?P<setting2>\w+)|\[pool (?:[\w.-]+)\] (?P<problem>[^\n]+)",
    ),
    # What a setting may be, or that it is none.
    _rule(
        "configuration-invalid",
        "should be|must be|is not configured|has no jdbc",
        r"(?<![\w.])(?P<setting>[A-Z][A-Z\d]*(?:_[A-Z\d]+)+) (?:length )?(?:should|must) be (?:at least|at most|one of|between|greater|less|longer|"
        r"shorter|a|an) [^\n]*|(?:^|[:\]>] ?|ERROR )[a-z][\w-]*(?:\.[a-z][\w-]*)* is not configured(?:[;,.][^\n]*)?$|[Dd]atasource \S+ has no JDBC URL[^\n]*",
        unsure="yes",
    ),
    # ---- a file that is not there: last, for many of the above say it too
    # A socket is made by who listens on it: what is missing is its directory.
    _rule(
        "file-missing",
        "bind",
        r"(?:listen unix (?P<path>/\S+)/[^/\s:]+: bind|\b[Bb]ind(?:ing)?\b[^\n]{0,60}['\"](?P<path2>/[^'\"\n]+)/[^/'\"\n]+['\"]): [Nn]o such file",
    ),
    _rule(
        "file-missing",
        "no such file|enoent|errno 2]|filenotfound|nosuchfile|could not find file|(2: no|failed opening|unable to access jarfile|code: 2, kind: notfound|can't open|does not exist|cannot stat|cannot load certificate|not find a part of the path",
        r"\[Errno 2\] No such file or directory: [\"'](?P<path>[^\"']+)|ENOENT: no such file or directory, (?P<operation>\w+) [\"'](?P<path2>[^\"']+)|(?:open|stat|lstat|chdir|mkdir|fork/exec|read|scandir) (?P<path3>[^\s:]+): (?:no such file or directory|The system cannot find)|FileNotFoundException: (?P<path4>[^\s(]+)|NoSuchFileException: (?P<path5>\S+)|"
        r"The configuration file '[^']+' was not found[^\n]*physical path (?:is|was) '(?P<path15>[^']+)'|Could not find (?:file|a part of the path) '(?P<path6>[^']+)'|\"(?P<path7>[^\"]+)\"[^\n]{0,60}(?:failed )?\(?(?:2: No such file|SSL: error:\w+:[^\n]*No such file)|No such file or directory @ \w+ - (?P<path8>\S+)|[Ff]ailed opening (?:required )?'(?P<path9>[^']+)'|can't open file '(?P<path10>[^']+)'|"
        r"(?:can't open|cannot open|cannot access|cannot stat|can't cd to|can't stat|can't open config file|cannot find)(?: config file)?[ :]+['\"‘`]?(?P<path11>[^'\"’:\n]+?)['\"’`]?(?:: [Nn]o such file[^\n]*)?$|(?:^|[\s:'\"(])(?P<path12>\.{0,2}/[^\s:'\"]+)['\"]?: (?i:no such file or directory)|(?P<path13>/[^\s:'\"]+)['\"]? (?:does not exist|not found)|(?i:config(?:uration)? file) ['\"]?(?P<path14>\S+?)['\"]? (?:does not exist|not found)|code: 2, kind: NotFound|[Nn]o such file or directory",
    ),
    _rule(
        "file-missing",
        "jarfile|jar manifest|data directory|open file|open python file|not found in|could not find a|enoent|part of the path|could not find file",
        r"Unable to access jarfile (?P<path>\S+)|Error opening zip file or JAR manifest missing ?: ?(?P<path7>/\S+)|Data directory (?P<path6>/\S+) not found|(?i:fail(?:ed|ure)|unable|error|could not|cannot) (?:to )?open(?:ing)? (?:\w+ ){0,2}file:? [\"']?(?P<path2>[^\s\"':]+)[\"']?(?![^\n]*[Dd]enied)|Config File \"(?P<path3>[^\"]+)\" Not Found in|"
        r"Could not find (?:file|a part of the path) \"(?P<path4>[^\"]+)\"|Could not find (?:a |an |the )[\w ]+ in (?:the )?'(?P<path5>[^']+)' (?:directory|folder)|(?<!\w)enoent\b",
    ),
    # ---- what says only that there is something wrong with the configuration
    _rule(
        "configuration-invalid",
        "config|settings|properties|requirement failed|fatal: parameter",
        r"(?i:(?:error|failed|unable|cannot|couldn't|could not) (?:to )?(?:load|pars|read|process|validat|post process|decod|unmarshal)\w*(?: the| your)? (?:config\w*|settings?|properties files?)(?: file)?)[^\n]*|(?<!FATAL )(?i:config(?:uration)? (?:file )?(?:is )?(?:invalid|error))[^\n]*|(?i:invalid configuration)[^\n]*|\b\w*ConfigurationE(?:rror|xception)\b[^\n]*|fatal: parameter (?P<setting2>\w+): [^\n]*|[Cc]onfiguration file contains errors[^\n]*|(?i:error initializing config(?:uration)?) '\s*(?P<path>/[^']+)'[^\n]*|Failed to merge config with '(?P<path2>/[^']+)'[^\n]*|"
        r"requirement failed: (?P<setting>[a-z][\w-]*(?:\.[a-z][\w-]*)+) (?:cannot|must|should|is|may)\b[^\n]*",
    ),
)
_ENDPOINTS = tuple(
    lazy(pattern)
    for pattern in (
        r"HTTPS?ConnectionPool\(host='(?P<host>[\w.-]+)', port='?(?P<port>\d+)",
        r"connection to server (?:at|on) \\?\"(?P<host>[\w.-]+)\\?\"(?: \([\d.:a-f]+\))?, port (?P<port>\d+)",
        r"on host \\?\"(?P<host>[\w.-]+)\\?\"(?: \([^)]*\))?[^?]*?port (?P<port>\d+)",
        r"(?:connection to server on socket|unix:|Can't connect to local \w+ server through socket|unix domain socket)[ \"']*(?P<socket>/[^\s\"']+)",
        r"(?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET) \[?(?P<host>[\w.-]+|[0-9a-f:]*::[0-9a-f:]*)\]?:(?P<port>\d+)",
        r"dial (?:tcp|udp)[46]? \[?(?P<host>[\w.-]+|[0-9a-f:]*::[0-9a-f:]*)\]?:(?P<port>\d+)",
        r"MySQL server on '(?P<host>[\w.-]+?)(?::(?P<port>\d+))?'",
        r"[Cc]onnect(?:ion)?(?:ing|ed)? to (?:\w+ at )?[\"']?(?P<host>[\w-]+(?:\.[\w-]+)*)[\"']?(?:/[\d.]+)?(?::| port |, port )(?P<port>\d{2,5})",
        r"TCP connection to [\"']?(?P<host>[\w.-]+):(?P<port>\d+)",
        r"connect\(2\) for \"?(?P<host>[\w.-]+)\"?(?: port |:)(?P<port>\d+)",
        r"(?:Redis|Server|server|host|node|Node|broker|upstream|peer) (?:at |on |-?\d+ )?[\"'(]*(?P<host>[A-Za-z][\w-]*(?:\.[\w-]+)*|\d+\.\d+\.\d+\.\d+)(?:/[\d.]+)?:(?P<port>\d{2,5})\b",
        r"(?:postgres(?:ql)?|mysql|mariadb|redis|rediss|amqps?|mongodb(?:\+srv)?|nats|kafka|https?|tcp|ws|wss|ldaps?|smtp|jdbc:\w+|grpc)://(?:[^@/\s\"']*@)?(?P<host>[\w-]+(?:\.[\w-]+)*)(?::(?P<port>\d{2,5}))?",
        r"\((?P<host>[A-Za-z][\w.-]*):(?P<port>\d{2,5})\)",
        r"[\[('\"]+(?P<host>[\w.-]+|::1)['\"\]]*[:,] ?(?P<port>\d{2,5})[\])'\"]",
        r"(?P<host>[A-Za-z][\w-]*(?:\.[\w-]+)*)/\d+\.\d+\.\d+\.\d+:(?P<port>\d{2,5})",
        r"\bhost=[\"']?(?P<host>[\w.-]+)[\"']?[ ,;]+port=[\"']?(?P<port>\d+)",
        r"remote host \((?P<host>[\d.]+)\)(?::(?P<port>\d+))?",
        r"ipv4#(?P<host>[\d.]+):(?P<port>\d+)",
        r"(?<![\w.])(?P<host>\d+\.\d+\.\d+\.\d+|localhost|[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*|\[?::1\]?):(?P<port>\d{2,5})\b(?!:\d)(?!-\d)",
    )
)
# Where one may read more: nothing that the program connects to.
_LINK = lazy(
    r"(?:www|docs?|help|support|learn|developers?|wiki|errors?|aka|go|pris|rd|bit)\.[a-z]|(?:github|stackoverflow)\.com|"
    r"[\w.:-]+/(?:[\w-]+/)*(?:docs?|wiki|help|manual|errors?|release-notes|issues)/"
)
_REQUEST = lazy(r"(?i)\b(?:get|post|put|patch|head|delete|url|connect(?:ing)? to|dial):? [\\\"']*$")
_ASKED = lazy(
    r"\b(?:Get|Post|Put|Patch|Head|Delete) \\?\"http(?P<tls>s?)://(?P<host>[A-Za-z][\w.-]*)(?::(?P<port>\d+))?[/?\\\"]"
)
_NUMBER = lazy(r"^(?:\d{1,3}\.){3}\d{1,3}$")
_DISLIKED = lazy(
    r"no such field: '?[\w.-]+'?|field \w+ not found in type [\w.]+|undefined receiver [\\\"]*[\w.-]+[\\\"]*|"
    r"(?i:unrecogni[sz]ed|unknown|invalid) (?:directive|field|key|option|property|command|setting|section|block)s?:? [\"'`\\]*[\w./-]+[\"'`]?|"
    r"cannot unmarshal[^\n;]{0,70}|(?:did not|could not) find expected [^\n;]{0,50}|mapping values are not allowed|found character that cannot start any token"
)
_OBJECT_FIELDS = lazy(r"^\s+(?P<key>address|hostname|host|port): ?'?(?P<value>[\w.:-]+)'?,?\s*$")
_CONNECTS = frozenset(
    {
        "dependency-refused",
        "dependency-timed-out",
        "dependency-not-resolved",
        "dependency-tls-failed",
        "dependency-rejected-credentials",
        "dependency-unreachable",
        "certificate-expired",
    }
)
_CALLER = lazy(r"(?i)\b(?:client|caller|remote[ _-]?(?:addr\w*|ip))\b[ =:\"'\[]*$")
_NUMBERED = lazy(r"^([a-z_]+?)\d+$")
_ANYWHERE = ".".join("0" * 4)
_NO_HOST = frozenset(
    {
        "line",
        "code",
        "error",
        "errno",
        "http",
        "https",
        "tcp",
        "server",
        "host",
        "at",
        "to",
        "the",
        "app",
        "java",
        "node",
    }
)
_SUFFIX = lazy(
    r"\.(?:py|js|ts|tsx|jsx|go|rb|java|scala|groovy|clj|php|rs|cs|fs|vb|c|cc|cpp|hpp|mjs|cjs|kts?|exs?|erl|hs|swift|"
    r"conf|ya?ml|json|toml|lua|so|h|pl|pm)$"
)
# A variable with which one agrees to a licence.
_ACCEPTS = lazy(r"(?i)accept\w*(?:eula|licen[sc]e)|(?:eula|licen[sc]e)\w*accept")
# A variable that is named as a way to have something else.
_OFFERED = lazy(
    r"(?i)\bif (?:you|this|that)\b[^.]*\b(?:want|wish|intend|intended|like|would|prefer|need to force)\b|"
    r"\bto (?:force|override|overrule|disable|suppress|silence|skip|bypass|change|allow)\b[^.]*\benv"
)
_OF_ENVIRONMENT = lazy(
    r"(?i)\benv|variable|setting|config|KeyError|required key|\$|key not found|unbound|parameter|specify"
)
_MAY_BE = lazy(
    r"(?i)\b(?:can|may|could) (?:also )?be (?:\w+ly )?(?:suppl|set|giv|provid|specif|defin|overrid)\w*"
)


# A value that cannot be read is as often input as configuration: its entry, or the pod, must say that it is the latter.
_BARE = lazy(
    r"strconv\.\w+: parsing|NumberFormatException|invalid literal for int|JSONDecodeError|"
    r"Unexpected token|missing field `|Expected [^\n]* in JSON|invalid character '|is not valid JSON|nexpected end of JSON"
)
_OF_CONFIGURATION = lazy(
    r"(?i:environ|getenv|\benv\b|process\.env|config|settings?\b|propert|option|\bflags?\b|argument|parameter|"
    r"placeholder|secret|\bport\b|replicas|startup)|tcp://|\b[A-Z][A-Z\d]*_[A-Z\d_]+\b|\b[A-Z][A-Z\d_]{2,}[:=] ?strconv|(?<![\w-])--?[a-z][\w-]+|"
    r"[\w-]\.(?:ya?ml|json|toml|ini|conf|properties|env)\b(?!\()"
)
_EMULATED = lazy(r"qemu-\w+(?:-static)?: ")  # a program of another architecture: no fault of its files
_MOST, _LAST_LINES, _AROUND = 30, 12, 8
_TIME, _COPIES = 30, 3  # characters before the message, and how often the same one is looked at


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)


def meanings(lines: Sequence[Line]) -> Iterator[Meaning]:
    """What the rules see in lines that were read; of noise nothing. In the order of the rules."""
    kept, repeated = _once(_worth(lines))
    text = "\n".join(line.text for line in kept)
    lower = text.lower()
    starts = [0]
    for line in kept:
        starts.append(starts[-1] + len(line.text) + 1)
    for rule in RULES:
        if not any(word in lower for word in rule.words):
            continue
        for found in _compiled(rule.pattern).finditer(text):
            # A pattern that spans lines states its fact on the weightiest one.
            first, last = _index(starts, found.start()), _index(starts, max(found.start(), found.end() - 1))
            index = max(range(first, last + 1), key=lambda one: (kept[one].weight, one))
            line = kept[index]
            if line.weight != NOISE and not _calm(line, kept) and not _EMULATED.match(line.text):
                values = _attributes(rule, found, kept, index)
                if rule.what == "configuration-invalid" and _BARE.search(found[0]):
                    values = values if _configures(kept, index) else {**values, "bare": "yes"}
                for each in (*repeated.get(line.number, ()), line):
                    if rule.what == "environment-variable-missing":
                        yield from _variable_missing(each, found[0], values)
                    else:
                        yield Meaning(rule.what, each, values)


def _variable_missing(line: Line, found: str, values: Mapping[str, str]) -> Iterator[Meaning]:
    """A variable that is not set: that of a licence is another matter, one that may be set is none."""
    name = values.get("variable", "")
    if _ACCEPTS.search(name):
        yield Meaning("license-rejected", line, {**values, "accept": "accepted"})
    elif not _OFFERED.search(line.text):
        unsure = _MAY_BE.search(line.text) or _is_plain_word(name, f"{found} {line.text}")
        yield Meaning("environment-variable-missing", line, {**values, "unsure": "yes"} if unsure else values)


def _is_plain_word(name: str, entry: str) -> bool:
    """Whether a name may as well be a word in capitals, and nothing beside it says that it is a variable."""
    return name.isupper() and "_" not in name and not _OF_ENVIRONMENT.search(entry)


def _once(lines: list[Line]) -> tuple[list[Line], Mapping[int, list[Line]]]:
    """The lines without what later ones repeat, and by the number of the one that stands for them those."""
    seen: dict[str, list[Line]] = {}
    kept: list[Line] = []
    repeated: dict[int, list[Line]] = {}
    for line in reversed(lines):
        words = line.text[_TIME:] if len(line.text) > 2 * _TIME else line.text
        same = seen.setdefault(words, [])
        if len(same) < _COPIES or len(words) < _TIME:
            same.append(line)
            kept.append(line)
        else:
            repeated.setdefault(same[-1].number, []).insert(0, line)
    return kept[::-1], repeated


def _worth(lines: Sequence[Line]) -> list[Line]:
    """The lines around complaints and the last ones: the rest would only cost time.

    Frames next to a complaint stay, for some rules look through them.
    """
    heavy = [index for index, line in enumerate(lines) if line.weight >= WEAK][-_MOST:]
    wanted = set(range(max(0, len(lines) - _LAST_LINES), len(lines)))
    for index in heavy:
        wanted.update(range(max(0, index - _AROUND), min(len(lines), index + _AROUND + 1)))
    return [lines[index] for index in sorted(wanted)]


def _calm(line: Line, lines: Sequence[Line]) -> bool:
    """Whether a line without weight is a statement of its own rather than part of an entry with weight."""
    if line.weight > PLAIN or lines[-1].number - line.number < _LAST_LINES:
        return False
    return all(one.weight <= PLAIN for one in lines if one.block == line.block)


def _configures(lines: Sequence[Line], index: int) -> bool:
    """Whether the entry around a line, or the line before it, speaks of configuration."""
    own = lines[index]
    near = range(max(0, index - _AROUND), min(len(lines), index + _AROUND))
    return any(
        bool(_OF_CONFIGURATION.search(lines[one].text))
        for one in near
        if lines[one].block == own.block or one == index - 1
    )


def _index(starts: Sequence[int], position: int) -> int:
    low, high = 0, len(starts) - 1
    while low < high - 1:
        middle = (low + high) // 2
        if starts[middle] <= position:
            low = middle
        else:
            high = middle
    return low


def _attributes(rule: Rule, found: re.Match[str], lines: Sequence[Line], index: int) -> Mapping[str, str]:
    values: dict[str, str] = dict(rule.fixed)
    for key, value in found.groupdict().items():
        if value is None:
            continue
        if key == "line_feed":
            values[key] = "line feed"
            continue
        numbered = _NUMBERED.match(key)
        values.setdefault(
            numbered[1] if numbered else key,
            value.strip()
            if key == "problem"
            else value.strip().lstrip("\"'`,;").rstrip("\"'`.,;").rstrip(":"),
        )
    if '"' in values.get("module", ""):
        values["module"] = values["module"].replace('"', "")
    values = plausible(values)
    if rule.what in _CONNECTS:
        _endpoint(values, lines, index)
        values = _by_name(plausible(values), lines[index].text)
    if rule.what == "configuration-invalid" and not (values.keys() & {"problem", "setting"}):
        values["problem"] = _complained(lines, index)
    if values.pop("upper", "") and values.get("variable"):
        values["variable"] = re.sub(r"[.-]", "_", values["variable"]).upper()
    if values.pop("laravel", ""):
        values["variable"] = "APP_KEY"
    return {key: value for key, value in values.items() if value}


def _complained(lines: Sequence[Line], index: int) -> str:
    """What exactly a program does not like in its configuration, as the entry ends or the next lines begin."""
    for one in lines[index : index + 3]:
        if found := _DISLIKED.search(one.text):
            return found[0].replace('\\"', '"').strip().rstrip(".,;:\\")
    return ""


def _by_name(values: dict[str, str], text: str) -> dict[str, str]:
    """The host of the URL that was asked for, in place of the number that it was resolved to."""
    url = _ASKED.search(text) if _NUMBER.match(values.get("host", "")) else None
    if url is None:
        return values
    port = url["port"] or ("443" if url["tls"] else "80")
    return {**values, "host": url["host"], "port": port} if values.get("port", port) == port else values


def address_in(line: Line) -> dict[str, str]:
    """Host and port that one line names, whatever it says of them."""
    values: dict[str, str] = {}
    _endpoint(values, [line], 0)
    return plausible(values)


def _no_peer(text: str, found: re.Match[str]) -> bool:
    """Whether an address is the near end of a connection, who called, or where one may read more."""
    if text.startswith("->", found.end()):
        return True
    host = found.start("host") if "host" in found.re.groupindex else -1
    if host < 0:
        return False
    if "://" in found[0] and _LINK.match(text[host:]) and not _REQUEST.search(text[: found.start()]):
        return True
    return bool(_CALLER.search(text[:host][-24:]))


def _endpoint(values: dict[str, str], lines: Sequence[Line], index: int) -> None:  # noqa: C901
    """Adds host and port from the line itself, then from the entry around it."""
    address = values.pop("address", "")
    if address:
        host, _, port = address.rpartition(":")
        values.setdefault("host", host.strip("[]"))
        values.setdefault("port", port)
    if values.get("host") and values.get("port"):
        return
    block = lines[index].block
    near = [lines[index], *(one for one in lines[index + 1 : index + 12] if one.block == block)]
    near += [one for one in reversed(lines[max(0, index - 40) : index]) if one.block == block]
    for line in near:
        for pattern in _ENDPOINTS:
            for found in pattern.compiled.finditer(line.text):
                groups = found.groupdict()
                if _no_peer(line.text, found):
                    continue
                if groups.get("socket"):
                    values.setdefault("socket", groups["socket"])
                    return
                host, port = groups.get("host") or "", groups.get("port") or ""
                if host.lower() in _NO_HOST or _SUFFIX.search(host) or host == _ANYWHERE:
                    continue
                if values.get("host") and values["host"] != host:
                    continue
                values.setdefault("host", host)
                if port:
                    values.setdefault("port", port)
                return
        if field_ := _OBJECT_FIELDS.match(line.text):
            key = "port" if field_["key"] == "port" else "host"
            values.setdefault(key, field_["value"])
