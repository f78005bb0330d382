"""Which line of a log matters: the one that says why the program ended, not the first with "error".

Each line gets a weight from its form alone: a panic, the end of a traceback, the root-most ``Caused by``, a
level word, a JSON or logfmt level. What only follows from another failure ("exiting", ``npm ERR!``) and what is
normal (handshake noise, retries that succeeded, stack frames) weighs nothing. The decisive line is the heaviest
one, the nearest to the end among equals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from poddoctor.pod.pattern import Pattern, lazy

Kind = Literal["root", "fatal", "error", "warning", "last"]
ROOT, FATAL, ERROR, WEAK, PLAIN, NOISE = 6, 5, 4, 2, 1, 0
_KINDS: dict[int, Kind] = {ROOT: "root", FATAL: "fatal", ERROR: "error", WEAK: "warning"}
_LAST_SPOKEN = 3  # lines: a farewell hides the words before it
_JOINED, _LONGEST = 8, 1000  # lines and characters of one JSON message
_HEADS = 8  # parts of the head of an entry
_FADES_AFTER = 40  # lines: an error this far from the end weighs one less
_ANSI = lazy(r"\x1b\[[0-9;?]*[A-Za-z]")

_FRAME = lazy(
    r"""\s+at\ [\w<$.\[`]|\s*\.\.\.\ \d+\ (?:more|common\ frames)|\s+File\ ".*",\ line\ \d+
    |\tfrom\ |\s+from\ \S+:\d+:in|\#\d+\ |\s*\#\d+\ |Stack\ trace:|\s+thrown\ in\ |goroutine\ \d+
    |\t/?\S+\.go:\d+|\S+\(.*\)$(?<!\.\))|created\ by\ |\s+\d+:\s+(?:0x)?[\w:<{]+|note:\ run\ with|note:\ Some\ details
    |stack\ backtrace:|\s+\|?\s*[\^~]+\s*$|Require\ stack:|-\ /|Node\.js\ v\d|exit\ status\ \d
    |\s*---\ End\ of|\d+\.\ [\w:~<(].*(?:\)|@\ 0x[\da-f]+)\s*$|Thrown\ at:|\[signal\ |\s*[{}\[\]()]+,?;?\s*$""",
    re.VERBOSE,
)
_PYTHON_END = lazy(
    r"(?:[A-Za-z_][\w.]*\.)?[A-Z_]\w*(?:Error|Exception|Exit|Interrupt|Warning|Timeout\w*|Refused|Failed|Failure|"
    r"NotFound|DoesNotExist|Misconfigured|Configured|Unavailable\w*|Denied|Closed|Missing\w*|Invalid\w*|Forbidden|"
    r"[a-z]\w*)?(?::\s|$)"
)
_RAISED = lazy(
    r"^(?:Uncaught )?(?:[\w$]+[.:]+)*[A-Z][\w$]*(?:Error|Exception|Failure|Panic)\b(?: \[[\w.]+\])?(?:: |$| \()"
)
_JVM = lazy(r"^[a-z]\w*(?:\.[\w$]+)+(?:Exception|Error)\b")
_RUBY_END = lazy(r"^\S+?:\d+:in [`'].*\((?:[A-Z]\w*)(?:::\w+)*\)\s*$|^\S+\.rb:\d+.*\([A-Z][\w:]+\)$")
_FATAL = lazy(
    r"""^(?:panic:\ |fatal\ error:\ |fatal:\ |FATAL\b|Fatal\ error|PHP\ (?:Fatal|Parse)\ error|Parse\ error:
    |Unhandled\ (?:[eE]xception|promise|rejection|Rejection)|Uncaught\ |\[?Uncaught|terminate\ called|Exception\ in\ thread\ "
    |Error:\ |error:\ |ERROR:\ |Fatal\ Python\ error|Error\ occurred\ during\ initialization|Could\ not\ create\ the\ Java
    |\#\ (?:There\ is\ insufficient|A\ fatal\ error)|Terminating\ due\ to|Traceback\ )
    |\bpanicked\ at\b|\b(?:FATAL|PANIC|EMERG|CRITICAL|F\d{4}\ \d\d:)\b|\[(?:emerg|alert|crit|fatal|panic|ALERT)\]|\bALERT:|\[FTL\]
    |\blevel=(?:fatal|panic|critical|dpanic)\b|<(?:Fatal|Critical)>|^(?:crit|fatal):|Fatal\ (?:config|error)|^Bad\ directive|^bootstrap\ check\ failure
    |cannot\ execute|^[\w/.-]+(?:\[\d+\])?:\ fatal:\s
    |parameter\ (?:not\ set|null\ or\ not\ set)$|unbound\ variable$|error\ while\ loading\ shared\ libraries
    |version\ `\S+'\ not\ found|symbol\ lookup\ error|\bOutOfMemoryError\b|heap\ out\ of\ memory
    """,
    re.VERBOSE,
)
_ERROR = lazy(
    r"\b(?:ERROR|SEVERE|ERR|(?<!Client )(?<!Server )Error|E\d{4} \d\d:)\b|\[(?:error|err|ERR|Error)\]|\blevel=(?:error|err)\b|<Error>|^fail:|"
    r"\blvl=(?:eror|error)\b|\[0?;?3?1?m?ERROR|line \d+: +\d+ Killed\b|\bSIGKILL\b|(?:^|: )\S*:? ?(?:not found|command not found)$"
)
_WEAK = lazy(
    r"(?i)\b(?:fail(?:ed|ure|s)?|cannot|can't|could not|couldn't|unable to|denied|refused|timed out|timeout|invalid|"
    r"missing|not found|no such|unknown|unrecognized|error|exception|abort(?:ed|ing)?|illegal|forbidden|unexpected|"
    r"must (?:be|set|have|provide|specify)|not (?:valid|allowed|supported)|mismatch(?:ing)?|is required|required|not set|already (?:running|in use|exists|locked)|not permitted|exhausted|exceeded|usage:)\b|EACCES|ENOENT|ECONN"
)
_CALM = lazy(
    r"\b(?:INFO|DEBUG|TRACE|NOTICE|VERBOSE|WARN|WARNING|Warning|I\d{4} \d\d:|W\d{4} \d\d:)\b|"
    r"\[(?:info|debug|notice|trace|warn|warning|note|Note|System|Warning)\]|"
    r"\b(?:level|lvl)=(?:info|debug|trace|warn|warning|dbug)\b|<(?:Information|Debug|Trace|Notice|Warning)>|"
    r"^(?:info|dbug|trce|warn):|^\d+:[A-Z] .* [*-] "
)
_NOISE = lazy(
    r"(?i)TLS handshake error|deprecat(?![^\n]*(?:cannot|can't|refus))|\bno errors?\b|\b0 errors?\b|errors?[=: ]+0\b|\bfailed[=: ]+0\b|"
    r"experimental feature|\"(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) \S+ HTTP/|error[_-]?logs?\b|"
    r"<0\.\d+\.\d+> +(?:crasher|initial call|pid|registered_name|ancestors|message_queue_len|messages|links|dictionary|"
    r"trap_exit|status|heap_size|stack_size|reductions|neighbours|supervisor|errorContext|offender|in function|in call from)\b|"
    r"<0\.\d+\.\d+> {8,}\S|debconf:|npm notice|ExperimentalWarning|SLF4J|JAVA_TOOL_OPTIONS|sun\.misc\.Unsafe|illegal reflective|"
    r"running pip as the 'root'|, client: [\d.:a-f]+, server: |https?://\S*/errors?/|"
    r"(?:^|[\])>] )(?:please )?(?:see \S+ )?for more (?:information|details)|^\s*(?:hint|detail|context|statement|see also|help|tip)\b:?|A complete log of this run|"
    r"To rerun your application|re-run your application|Error starting ApplicationContext|WARNING: overcommit"
)
_FOLLOWS = lazy(
    r"(?i)^npm (?:ERR!|error)|^error Command failed|ELIFECYCLE|^make: \*\*\*|\bexit(?:ing|ed)?\b.{0,24}$|shutting down|"
    r"\bshut ?down\b|^Node\.js v|worker (?:\(pid:\S+ )?(?:failed to boot|exited)|Worker failed to boot|Application startup failed|"
    r"Application run failed|\] Aborting\b|Aborted(?: \(core dumped\))?$|process .{0,40}(?:exited|terminated) with|"
    r"database system is shut down|script \"?\S+\"? (?:exited|failed)|^The (?:Java|application) .* failed|"
    r"A fatal exception has occurred\. Program will exit|BUILD FAILED|triggerUncaughtException|"
    r"^\s*(?:throw|raise)\b|configuration file \S+ test failed|Server startup failed|Unit entered failed|"
    r"^Failed to (?:start|run|launch) (?:the )?(?:app\w*|server|service)\.?$|Sleeping|retry in|will retry|retrying|"
    r"^Emitted 'error' event on |Plugin '\w+' (?:init function returned error|registration as a STORAGE ENGINE failed)|"
    r"Plugin initialization aborted|Unknown/unsupported storage engine|^Usage:|^usage:|stopp(?:ed|ing)\b(?! leading)|terminating\b.{0,20}$|[Gg]oodbye|Context initialization failed|"
    r"line \d+: +\d+ (?:Aborted|Segmentation fault)|did not exit normally|waiting for caches to sync|^Process finished|returned (?:a )?non-zero|MaxRetriesPerRequestError|\bReason: (?:App|Worker) failed|[Ii]nitiali[sz]ation failed\.?$|[Ee]rrors? (?:\(s\) )?found in configuration|"
    r"\bBOOT FAILED$|^[A-Z][\w ]{3,30} failed to start\.?$|(?:cannot|could not|failed to|unable to) (?:load|read|parse|post process) (?:the )?config(?:uration)?(?: file)?(?:\.|: \S+\. .*)?$|^\s*\^|Kernel pid terminated|Crash dump is being written|init terminating|"
    # What only sums up, or points back to, what was said before.
    r"\bfailed: -?\d+$|\bfailed services\b|[Ee]rror running application\b|failed to load all \w+|\bexit(?:ed)? with (?:\w+ ){1,2}error\b|"
    r"[Ss]ee (?:the )?(?:root cause|(?:stack ?)?trace|errors?|logs?|output) above|root cause above|"
    r"<0\.\d+\.\d+>\s+exception (?:exit|error|throw)\b|Error during startup: \{error,\w+\}|because it depends on \w|: context cancell?ed\"?$|\bdrain(?:ing|ed)?\b.{0,40}(?:deadline|timed? ?out|fail|cancel)|"
    r"use of closed (?:network )?connection|Server closed$|\b(?:is|was|already) closed\.?$|^Failed to initialize (?:\w+ ){1,3}[Ee]ngine\.?$|"
    r"^=+ .* =+$|"
    r"^(?:\w+ ){1,2}failed\.?$|^(?:See|Try|Run) ['\"`]?[\w ./-]+ --?h(?:elp)?\b"
)
# What goes wrong because something else did: it never is the root, wherever it stands.
_CONSEQUENCE = lazy(
    r"Unable to determine Dialect without JDBC metadata|Could not obtain connection to query metadata|"
    r"\bworkers?\b.{0,30}\bexited unexpectedly|root cause above"
)
_CONSEQUENCES = ("JDBC metadata", "query metadata", "exited unexpectedly", "root cause above")
# What a program cannot send of its own measurements: nobody waits for those.
TELEMETRY = lazy(
    r"(?i)\b(?:otel|otlp|opentelemetry|jaeger|zipkin|statsd|sentry|datadog|dd-agent|telemetry|newrelic|"
    r"(?:span|trace|metric)s? ?export\w*|export\w* (?:span|trace|metric)s?|pushgateway)|/v1/(?:traces|metrics)\b"
)
# What npm says of a script that failed, beside the reason of its own that it may have.
_NPM = ("npm ERR!", "npm error")
_NPM_FORM = lazy(
    r"npm (?:ERR!|error)\s*(?:(?:code|errno|syscall|path|command|signal|workspace|location|cwd|dest|in|at)\b|$|"
    r"Lifecycle|Failed at|Exit status|Exit code|Error: command|Clean install|(?:This|There) is |A complete log|/|--|"
    r"[Ll]og files|\S+@\S+ \S+: `|Tell the author|You can get|To permanently|Your cache|previous versions)"
)
_NPM_REASON = lazy(
    r"(?i)\bcan only\b|\bmissing\b|not found|could not|cannot|unable|invalid|failed,? reason|conflict|\bmust\b"
)
# A message that is nothing but a code, which the next line explains.
_CODE = lazy(r"^(?:[Ee]rror:? )?\[?[A-Z]{1,8}[-_]?\d{3,6}\]?\.?$")
# An entry of klog with its error as a field.
_KLOG = lazy(
    r'[IWEF]\d{4} [\d:.]+\s+\d+ \S+\] "(?P<message>(?:[^"\\]|\\.)+)" (?:[\w./-]+=\S+ )*?err="(?P<error>(?:[^"\\]|\\.)+)"'
)
_LOGFMT = lazy(r"\b(?:level|lvl)=\w+ ")
_LOGFMT_WORDS = lazy(r"\b(?:msg|message|err|error)=\"((?:[^\"\\]|\\.)+)\"")
# What loggers write before the message.
_HEAD = lazy(
    r"""\[\d{4}-\d\d-\d\d\ \d\d:\d\d:\d\d\.\d+\](?:\[\w+\]){2,3}\ (?:\[\S+:\d+\]\ )?|\[[A-Z]+\]\[\d+\]\ \S+\ \d+:\ |(?:[A-Z]+\ )?\d\d-\d\d\ \d\d:\d\d:\d\d\ \[\S+:\d+\]\s
    |\[\d\d-[A-Z][a-z]{2}-\d{4}\ \d\d:\d\d:\d\d\]\ |\d+:[A-Z]\ \d\d\ [A-Z][a-z]{2}\ \d{4}\ \d\d:\d\d:\d\d\.\d+\ [\#*.-]\s
    |[IWEF]\d{4}\ \d\d:\d\d:\d\d\.\d+\s+\d+\ [\w./-]+:\d+\]\s*
    |\[?\d{4}[-/]\d\d[-/]\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|\ ?(?:UTC|GMT)|\ ?[+-]\d\d:?\d\d)?\]?(?:\s*\|\s*|:?\s+)
    |\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?\s+|\[\d+\]:?\s+|\d:\s+(?=[A-Za-z])|\d+\#\d+:\s+|<0\.\d+\.\d+>\s+|\d+\ ---\ \[[^\]]*\]\s+\S+\s+:\s+
    |npm\ (?:ERR!|error)\s+|what\(\):\s+|/\S+:\d+:in\ [`'][^`']*':?\s+(?=\S)|\[\s*\d+\.\d+s\]\s+|ThreadId\(\d+\)\s+
    |Exception\ in\ thread\ "[^"]*"\s+""",
    re.VERBOSE,
)
_AFTER_HEAD = lazy(
    r"""(?:\[?(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC|Server|MY-\d+|InnoDB|WARN(?:ING)?)\]?:?|\[(?:error|fatal|critical|warning)\]:?|(?:error|fatal|critical|warning):)(?:\s+==>|\s*\|)?\s+
    |CORE\ \|\s+|\([\w./-]+(?::\d+[^()]*)?\)\s*\|?\s+|\[[a-z][\w$]*(?:\.[\w$]+)+\]\s+|\d+\s+(?=\[)""",
    re.VERBOSE,
)
# How a line ends that has said its reason.
FAREWELL = lazy(
    r"(?i)(?<=\w)[,;.!] (?:now )?(?:stopping|exiting|aborting|terminating|quitting|shutting down)\b.{0,20}$"
)
_BARE = lazy(r"[\[<(][^\])>]*[\])>]|[\d:.,+TZ-]+|\b(?:ERROR|SEVERE|FATAL|Error|error|main)\b|-+")
_SENDING = lazy(
    r"(?i)\b(?:export|flush|send|sent|report|upload|push|post|collector|dial)|ECONN|refused|\bunavailable\b"
)
_RECOVERED = lazy(
    r"(?i)\b(?:re)?connected (?:to|successfully)|connection (?:re-?)?established|succeeded|successfully connected|"
    r"connection restored|\brecovered\b|retry (?:ok|succeeded)|ready to accept connections|now ready|"
    r"\b(?:re-?authenticated|logged in|(?:token|credential|session|certificate|lease)s? (?:was |were |is |has been )?(?:refreshed|renewed|obtained|acquired|issued))\b"
)
# What a complaint reads like after which the program goes on.
_GOES_ON = lazy(
    r"(?i)(?<!is )(?<!are )(?<!was )\bdisabl(?:ed|ing)\b|us(?:e|es|ing) (?:the )?defaults?|default(?:s|ing) to|(?<!to )(?<!not )(?<!can't )\bcontinu(?:e|ing)\b|\bignor(?:ed|ing)\b|"
    r"skipp(?:ed|ing)\b|fall(?:ing|s)? ?back|\boptional\b|\bproceeding\b|, trying \w|running (?:in )?(?:community|degraded|limited)"
)
_GOING = (
    "disabl",
    "default",
    "continu",
    "ignor",
    "skipp",
    "fall",
    "optional",
    "proceed",
    "trying",
    "running",
)
# What a server says of a client that it turns away: no reason for its own end.
_TURNED_AWAY = lazy(
    r" [A-Z]{3,4} \[\d+(?:-\d+)?\] (?:\S+@\S+ )?FATAL: +(?:password auth|role \"|database \"[^\"]+\" does not|no pg_hba|sorry, too|"
    r"remaining conn|terminating conn|the database system is|unsupported frontend|connection to client)|"
    r"\[(?:Note|Warning)\] (?:\[MY-\d+\] )?(?:\[Server\] )?(?:Access denied|Aborted connection)|\b(?:AMQ)?PLAIN login refused: user|"
    r"rejected connection|while SSL handshaking, client|Error on AMQP connection"
)
_TURNING = ("FATAL:", "denied", "Aborted conn", "login refused", "rejected conn", "handshaking", "AMQP conn")
# What a report of tests, or a help text, quotes.
_QUOTES = lazy(
    r"^E {2,}|^\s+● |^\s+(?:Expected|Received)(?: \w+)?:|AssertionError: assert |^(?:FAILED|FAIL) +\S+::?\S"
)
_HELP = lazy(
    r"^(?:Usage|usage|USAGE)\b[^:]*:|^(?:Flags|Options|(?:Available |Global )?(?:Commands|Flags|Options)|Examples):$"
)
_RUST_HEAD = lazy(r" panicked at .*:$")
_WORKED = (
    *("onnect", "succeeded", "successfully", "restored", "ecovered", "etry", "ready"),
    *("uthenticated", "ogged in", "refreshed", "renewed", "obtained", "acquired", "issued"),
)
_CAUSED = lazy(r"^\s*(?:[Cc]aused by|\[?CAUSED BY\]?): ?")
# An error that was printed as a value: its name and message in brackets.
_INSPECTED = lazy(r"^\[(?:[A-Z]\w*)?(?:Error|Exception)\w*: .+\]$")
# What stands before the words of an entry that is printed as a list or in a box.
_LIST = lazy(r"^(?:[|*•>│┃╷╵] ?)+")
_INNER = lazy(r"^ +---> ")
_PANICS = ("panic: ", "fatal error: ")
_JOINS = (
    "During handling of the above exception",
    "The above exception was the direct cause",
    "Traceback (most recent",
)
_TRIGGERS = (
    *(
        "err",
        "exception",
        "fail",
        "fatal",
        "panic",
        "crit",
        "emerg",
        "alert",
        "severe",
        "cannot",
        "can't",
        "could",
    ),
    *(
        "unable",
        "denied",
        "refused",
        "timed",
        "timeout",
        "invalid",
        "missing",
        "not ",
        "no such",
        "unknown",
        "unrecog",
    ),
    *(
        "abort",
        "illegal",
        "forbidden",
        "unexpected",
        "must",
        "require",
        "exhausted",
        "exceed",
        "usage",
        "eacces",
    ),
    *(
        "enoent",
        "econn",
        "uncaught",
        "unhandled",
        "terminat",
        "insufficient",
        "out of",
        "unbound",
        "bad ",
        "interrupt",
        "kill",
    ),
    *(
        "exit",
        "[ftl]",
        "misconfig",
        "outofmemory",
        "already",
        "unsupported",
        "caused by",
        "--->",
        "directive",
    ),
)
_FRAME_STARTS = (
    *("goroutine", "created by", "Stack trace", "note: ", "stack backtrace", "Require stack", "Node.js v"),
    *("exit status", "[signal", "Thrown at", " ", "\t", "#", "{", "}", "[", "]", "(", ")", "-"),
)
_WORDS = lazy(r"[a-z][a-z0-9-]+")
_COMMON_WORDS = frozenset(
    [
        "info",
        "debug",
        "notice",
        "log",
        "main",
        "connected",
        "reconnected",
        "connect",
        "to",
        "connection",
        "connections",
        "established",
        "re-established",
        "successfully",
        "succeeded",
        "success",
        "restored",
        "recovered",
        "retry",
        "retrying",
        "ready",
        "accept",
        "now",
        "the",
        "is",
        "was",
        "at",
        "on",
        "for",
        "in",
        "of",
        "and",
        "after",
        "attempt",
        "attempts",
        "server",
        "client",
        "service",
        "error",
        "err",
        "warn",
        "warning",
        "with",
        "system",
        "from",
        "has",
        "been",
        "ok",
        "again",
        "level",
        "msg",
        "time",
        "ts",
        "caller",
        "logger",
        "app",
    ]
)
_DIGITS = lazy(r"\d+")
_LEVELS = {
    "fatal": FATAL,
    "panic": FATAL,
    "dpanic": FATAL,
    "critical": FATAL,
    "emerg": FATAL,
    "emergency": FATAL,
    "alert": FATAL,
    "f": FATAL,
    "60": FATAL,
    "error": ERROR,
    "err": ERROR,
    "severe": ERROR,
    "e": ERROR,
    "50": ERROR,
}
_LEVEL_KEYS = (
    "level",
    "severity",
    "lvl",
    "log.level",
    "levelname",
    "@l",
    "loglevel",
    "s",
    "log_level",
    "Level",
)
_MESSAGE_KEYS = ("message", "msg", "@m", "@mt", "event", "Message", "text", "short_message", "body")
_TRACE_KEYS = ("stacktrace", "stack", "stack_trace", "error.stack_trace", "errorVerbose")
_ERROR_KEYS = (
    "error",
    "err",
    "exception",
    "error.message",
    "errorVerbose",
    "exc_info",
    "stack_trace",
    "error.stack_trace",
    "stacktrace",
    "stack",
    "@x",
    "Exception",
    "attr",
    "errmsg",
    "reason",
    "cause",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log, read: its number from 1, its words (of JSON message and error) and its weight.

    ``block`` numbers the entry that it belongs to: the lines of one traceback share it.
    """

    number: int
    text: str
    weight: int
    block: int
    kind: Kind = "last"


def read(text: str) -> list[Line]:
    """All lines with their weights and entries."""
    raw = text.replace("\r\n", "\n").split("\n")
    while raw and not raw[-1].strip():
        raw.pop()
    lines: list[Line] = []
    state = _State()
    for number, one in enumerate(raw, 1):
        plain = _ANSI.sub("", one).rstrip() if "\x1b" in one else one.rstrip()
        entry = _unwrapped(plain) if plain[:1] == "{" and plain[-1:] == "}" else None
        words, weight = entry or (plain, state.weigh(plain))
        lines.append(Line(number, words, weight, state.next_block(plain, lone=entry is not None)))
    return _roots(_forgiven(lines))


def decisive(text: str) -> Line | None:
    """The line that says why the program ended, or None when the log holds nothing of the kind."""
    return decisive_of(read(text))


def decisive_of(lines: Sequence[Line]) -> Line | None:
    """The decisive one of lines that were read already."""
    best: tuple[int, Line] | None = None
    last = len(lines)
    for line in lines:
        if line.weight < WEAK:
            continue
        weight = line.weight * 10 - 10 * ((last - line.number) // _FADES_AFTER)
        # A plain sentence without a level counts more as the last words than in the middle.
        if line.weight == WEAK and last - line.number <= 2:
            weight += 5
        if best is None or weight >= best[0]:
            best = (weight, line)
    if best is not None:
        return _named(best[1])
    spoken = [line for line in lines if line.weight == PLAIN and line.text.strip()]
    telling = [line for line in spoken[-_LAST_SPOKEN:] if not _FOLLOWS.search(line.text)]
    if not spoken:
        return None
    said = _named((telling or spoken)[-1])
    # A warning that only a farewell follows is more than last words.
    left = said.number < spoken[-1].number and remark(said)
    return Line(said.number, said.text, said.weight, said.block, "warning") if left else said


def without_head(text: str) -> str:
    """A line without what its logger wrote before the message: time, level, process, source."""
    rest = text.strip()
    if _LOGFMT.search(rest):
        said = [found[1].replace('\\"', '"') for found in _LOGFMT_WORDS.compiled.finditer(rest)]
        return ": ".join(said) or rest
    if klog := _KLOG.match(rest):
        return f"{klog['message']}: {klog['error']}".replace('\\"', '"')
    for _ in range(_HEADS):
        found = _HEAD.match(rest) or (_AFTER_HEAD.match(rest) if rest != text.strip() else None)
        if found is None:
            break
        rest = rest[found.end() :]
    return rest if rest.strip() else text.strip()


def quoted(line: Line, lines: Sequence[Line]) -> str:
    """The message of a line, with the next words where it ends in a colon."""
    text = without_head(_LIST.sub("", " ".join(line.text.split())))
    if not text.endswith(":") and not _CODE.match(text):
        return text
    after = (_LIST.sub("", " ".join(one.text.split())) for one in lines if one.number > line.number)
    words = next((one for one in after if _WORDS.search(one.lower())), "")
    return f"{text} {without_head(words)}" if words else text


def remark(line: Line) -> bool:
    """Whether a line complains, but at a level, or in words, that say that the program goes on."""
    return line.weight <= PLAIN and bool(_WEAK.search(line.text))


def _named(line: Line) -> Line:
    return Line(line.number, line.text.strip(), line.weight, line.block, _KINDS.get(line.weight, "last"))


class _State:
    """What the lines before say about the present one: inside a traceback, after a panic's head, …."""

    def __init__(self) -> None:
        self.block = 0
        self.traceback = False
        self.awaits = False
        self.chain = False
        self.go_dump = False
        self.help = False
        self.entry = ""
        self.caught = False
        self.logged = False
        self.told = False
        self.npm = False
        self.above = ""
        self.known: dict[str, int] = {}

    def next_block(self, line: str, *, lone: bool) -> int:
        """The number of the entry that this line belongs to."""
        joined = (
            not line.strip()
            or line[:1] in " \t}"
            or self.traceback
            or (self.go_dump and not line.startswith(_PANICS))
            or (self.awaits and not line.startswith("thread "))
            or line.startswith(_JOINS)
            or bool(_CAUSED.match(line))
            or _is_frame(line)
            or self.logged
            or self.told
            or (line.startswith(_NPM) and self.npm)
        )
        self.npm = line.startswith(_NPM)
        entry = line.partition("> ")[0] if "<0." in line[:60] else ""
        if entry and entry == self.entry:
            # Erlang writes the head of an entry before each of its lines.
            return self.block
        self.entry = entry
        if lone or not joined:
            self.block += 1
        return self.block

    def weigh(self, line: str) -> int:
        """The weight of a line that is not JSON."""
        self.logged = False
        if not line.strip():
            return NOISE
        above, self.above = self.above, line
        if line.startswith("Traceback (most recent") and not above.startswith(_JOINS):
            self.caught = bool(_level_of(above))
        thrown = above.startswith("terminate called") and line.lstrip().startswith("what():")
        special = ROOT if thrown else self._special(line)
        if special is not None:
            # What a logger prints below an entry was caught; what ends a program has no entry above it.
            return ERROR if special == FATAL and self.caught and not self.traceback else special
        if self._is_help(line):
            return NOISE
        raised = bool(_RAISED.match(line))
        self.logged = raised and bool(_JVM.match(line)) and bool(_level_of(above))
        # What an exception of a JVM says may fill several lines, up to its first frame.
        self.told = self.logged or (self.told and not _is_frame(line) and not _level_of(line))
        if raised and _level_of(above) == "calm" and not _level_of(line):
            return WEAK
        lower = line.lower()
        klog = line[:1] in "EF" and line[1:5].isdigit()
        if not klog and not any(word in lower for word in _TRIGGERS):
            return NOISE if "info" in lower or "debug" in lower or _is_frame(line) else PLAIN
        key = _DIGITS.sub("0", line)
        if key not in self.known:
            self.known[key] = self._form(line)
        return self.known[key]

    def _is_help(self, line: str) -> bool:
        """Whether this line belongs to a help text, which names much that is no reason."""
        if _HELP.match(line):
            self.help = True
        elif line[:1] not in " \t":
            self.help = False
        return self.help and line[:1] in " \t"

    def _form(self, line: str) -> int:  # noqa: PLR0911 - a decision table, row by row
        """The weight of a line by its form alone."""
        if _INSPECTED.match(line):
            return FATAL
        if _NOISE.search(line) or not _BARE.sub("", line).strip() or _says_of_others(line) or _is_frame(line):
            return NOISE
        fatal, error, calm = (
            bool(_FATAL.search(line)),
            bool(_ERROR.search(line)),
            bool(_CALM.search(line[:120])),
        )
        raised = bool(_RAISED.match(line))
        if calm and not raised and not _early(_FATAL, line) and not _early(_ERROR, line):
            return PLAIN if _WEAK.search(line) else NOISE
        if line.startswith(_NPM) and not _NPM_FORM.match(line) and _NPM_REASON.search(line):
            return WEAK
        if _FOLLOWS.search(FAREWELL.sub("", line) if fatal or error else line) or _is_consequence(line):
            return PLAIN
        if fatal or raised or _RUBY_END.match(line):
            return FATAL
        if error and not _unsent(line):
            return ERROR
        return WEAK if _WEAK.search(line) and not goes_on(line) else PLAIN

    def _special(self, line: str) -> int | None:  # noqa: PLR0911 - a decision table, row by row
        """The weight where the lines before decide it, else None."""
        if self.awaits:
            self.awaits = False
            return ROOT
        if self.chain and line[:1] in " \t":
            return ROOT
        self.chain = line.strip() == "Caused by:"  # Rust lists the causes below it, the innermost last
        if self.chain:
            return NOISE
        if line.endswith("Traceback (most recent call last):"):
            self.traceback = True
            return NOISE
        if self.traceback:
            return self._in_traceback(line)
        if self.go_dump and (line[:1] in "\t " or line.endswith(")") or _FRAME.match(line)):
            return NOISE
        return self._head(line)

    def _in_traceback(self, line: str) -> int | None:
        """Frames are nothing, what ends them is the exception."""
        if line[:1] in " \t":
            return NOISE
        self.traceback = False
        if _is_consequence(line):
            return PLAIN
        return FATAL if _PYTHON_END.match(line) else None

    def _head(self, line: str) -> int | None:
        """Lines that say what the next ones are."""
        if (
            line in ("Description:", "Error occurred during initialization of VM")
            or line.endswith("bootstrap checks failed")
            or (line.startswith("thread ") and _RUST_HEAD.search(line))
        ):
            # Spring Boot, Java, Elasticsearch and Rust write their reason on the line below.
            self.awaits = True
            return NOISE
        if line.startswith(_PANICS):
            self.go_dump = True
            return ROOT
        if line.startswith(("During handling", "The above exception")):
            return NOISE
        if _is_consequence(line):
            return PLAIN
        return FATAL if _CAUSED.match(line) or _INNER.match(line) else None


def _unsent(line: str) -> bool:
    """Whether all that went wrong is that measurements could not be sent."""
    return bool(TELEMETRY.search(line)) and bool(_SENDING.search(line))


def _is_consequence(line: str) -> bool:
    return any(word in line for word in _CONSEQUENCES) and bool(_CONSEQUENCE.search(line))


def _level_of(line: str) -> str:
    """Whether a line is an entry of a logger: ``calm`` up to a warning, ``error`` above, else empty."""
    head = line[:120]
    if _CALM.search(head):
        return "calm"
    return "error" if _ERROR.search(head) and (head[:1].isdigit() or head[:1] in "[{E") else ""


def goes_on(text: str) -> bool:
    """Whether a complaint says itself that the program goes on."""
    lower = text.lower()
    return any(word in lower for word in _GOING) and bool(_GOES_ON.search(text))


def _says_of_others(line: str) -> bool:
    """Whether a line is about a client that was turned away, or quotes what a test expected."""
    if any(word in line for word in _TURNING) and _TURNED_AWAY.search(line):
        return True
    return (line[:1] in " \tEF" or "AssertionError" in line) and bool(_QUOTES.search(line))


def _is_frame(line: str) -> bool:
    return (line.startswith(_FRAME_STARTS) or line.endswith(")")) and bool(_FRAME.match(line))


def _early(pattern: Pattern, line: str) -> bool:
    """Whether a level word stands where loggers write it, before the message."""
    found = pattern.search(line)
    calm = _CALM.search(line)
    return bool(found and (calm is None or found.start() < calm.start()))


def _unwrapped(line: str) -> tuple[str, int] | None:  # noqa: PLR0911 - a decision table, row by row
    """The words and the weight of a JSON entry."""
    try:
        body = json.loads(line)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    level = _level(body)
    message = next((_joined(body[key]) for key in _MESSAGE_KEYS if body.get(key)), "")
    details = [_flat(body[key]) for key in _ERROR_KEYS if body.get(key)]
    if any(body.get(key) for key in _ERROR_KEYS if key not in _TRACE_KEYS):
        # Where it happened adds nothing to what it was, except a cause of its own.
        traces = [str(body[key]) for key in _TRACE_KEYS if body.get(key)]
        bare = {_flat(one) for one in traces if not any(_CAUSED.match(line) for line in one.split("\n"))}
        details = [one for one in details if one not in bare]
    words = ": ".join(dict.fromkeys(part for part in (message, *details) if part)) or _nested(body)
    if not words:
        return None
    if level is None:
        return words, _State().weigh(words)
    weight = _LEVELS.get(level, PLAIN)
    if (body.get("c") == "ACCESS" and str(body.get("ctx") or "").startswith("conn")) or _says_of_others(
        words
    ):
        return words, NOISE
    if weight >= ERROR and _noisy(_DIGITS.sub("0", words)):
        return words, NOISE
    if weight >= ERROR and _FOLLOWS.search(message or words) and not details:
        return words, PLAIN
    if weight == ERROR and _unsent(words):
        return words, PLAIN
    return words, weight


@lru_cache(maxsize=256)
def _noisy(form: str) -> bool:
    """Whether an entry of this form, its numbers left out, is noise."""
    return bool(_NOISE.search(form))


def _nested(body: Mapping[str, Any], depth: int = 3) -> str:
    """The message or error that an entry keeps in an object within it."""
    for value in body.values() if depth else ():
        if isinstance(value, dict):
            keys = (*_MESSAGE_KEYS, *_ERROR_KEYS)
            here = next((str(value[key]) for key in keys if isinstance(value.get(key), str)), "")
            if words := _nested(value, depth - 1) or (here if " " in here else ""):
                return " ".join(words.split())
    return ""


def _level(body: Mapping[str, Any]) -> str | None:
    for key in _LEVEL_KEYS:
        value = body.get(key)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value).lower()
    nested = body.get("log")
    if isinstance(nested, dict) and isinstance(nested.get("level"), str):
        return str(nested["level"]).lower()
    return None


def _joined(value: Any) -> str:
    """A message as one line; of a trace in it only what :func:`_flat` takes."""
    if not isinstance(value, str) or "\n" not in value:
        return _flat(value)
    lines = [line.strip() for line in value.split("\n") if line.strip()]
    if any(_CAUSED.match(line) or _is_frame(line) for line in value.split("\n")) or lines[:1] == [
        "Traceback"
    ]:
        return _flat(value)
    return "; ".join(lines[:_JOINED])[:_LONGEST]


def _flat(value: Any) -> str:
    """An error field as one line: of an object its message and code, of a trace its root-most cause."""
    if isinstance(value, dict):
        parts = [
            str(value[key])
            for key in (
                "type",
                "name",
                "class",
                "message",
                "msg",
                "code",
                "error",
                "errmsg",
                "reason",
                "detail",
            )
            if isinstance(value.get(key), (str, int)) and value.get(key) != ""
        ]
        if isinstance(value.get("error"), dict):
            parts.append(_flat(value["error"]))
        return ": ".join(parts)
    text = str(value)
    if "\n" not in text:
        return text.strip()
    lines = [line for line in text.split("\n") if line.strip()]
    caused = [_CAUSED.sub("", line) for line in lines if _CAUSED.match(line)]
    if caused:
        return caused[-1].strip()
    if lines[0].startswith("Traceback"):
        return lines[-1].strip()
    return lines[0].strip()


def _forgiven(lines: list[Line]) -> list[Line]:
    """Errors before a line that says the same thing worked after all count no more."""
    worked = [
        (line.number, subjects(line.text))
        for line in lines
        if line.weight <= PLAIN
        and any(word in line.text for word in _WORKED)
        and _RECOVERED.search(line.text)
    ]
    if not worked:
        return lines
    return [
        Line(line.number, line.text, NOISE, line.block) if _is_forgiven(line, worked) else line
        for line in lines
    ]


def _is_forgiven(line: Line, worked: Sequence[tuple[int, frozenset[str]]]) -> bool:
    if line.weight > ERROR or line.number >= worked[-1][0]:
        return False
    own = subjects(line.text)
    return any(line.number < number and (not about or about & own) for number, about in worked)


def subjects(text: str) -> frozenset[str]:
    """The words of a line that say what it is about."""
    return frozenset(_WORDS.compiled.findall(text.lower())) - _COMMON_WORDS


def _roots(lines: list[Line]) -> list[Line]:
    """Of a chain of ``Caused by`` the last one, of ``--->`` the innermost, weighs most."""
    best: dict[int, int] = {}
    for index, line in enumerate(lines):
        caused = _CAUSED.match(line.text) if line.weight > PLAIN else None
        if (caused and caused.end() < len(line.text)) or _INNER.match(line.text):
            best[line.block] = index
    for index in best.values():
        line = lines[index]
        lines[index] = Line(line.number, line.text, ROOT, line.block)
    return lines
