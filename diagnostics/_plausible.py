"""Whether a word out of a log can be what it is taken for: a variable, a host, a module, a file.

Log lines are prose: a rule may catch a level, an article or a class where it looks for a name. What it caught
is judged here, in one place, before it reaches a title or a command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poddoctor.pod.pattern import lazy

_VARIABLE = lazy(r"^[A-Za-z_][A-Za-z0-9_]*$")
_HOST = lazy(r"^(?=.{1,253}$)[A-Za-z\d_](?:[\w-]*[A-Za-z\d])?(?:\.[A-Za-z\d_](?:[\w-]*[A-Za-z\d])?)*\.?$")
_ADDRESS = lazy(r"^(?:\d{1,3}\.){3}\d{1,3}$|^[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,}$")
_VERSION = lazy(r"^v?\d+(?:\.\d+)*$")
_SOURCE = lazy(
    r"(?i)\.(?:py|js|ts|tsx|jsx|go|rb|java|scala|groovy|php|cs|cpp|hpp|mjs|cjs|kts?|exs?|erl|swift|conf|ya?ml|json|"
    r"toml|lua|log|jar|class|xml|ini|properties)$"
)
_CLASS = lazy(r"(?:^|\.)[A-Z][a-z]+(?:[A-Z][a-z\d]*)+$|(?:Error|Exception)$")


def _set(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_LEVELS = _set(
    "info warn warning error err fatal debug notice critical crit trace severe note panic emerg emergency",
    "alert exception failure abort",
)
# Words of sentences that no host, module or file is called.
_PROSE = _set(
    "a an and any are as at be but by can cannot could did do does failed failure for from had has have here",
    "how if in into is it its line may must no none not null nil of on one or please some such than that the",
    "their then there this to true false undefined unknown unable was were what when where which while who",
    "will with you your",
)
_NO_HOST = _set("code errno http https tcp udp address connect connection socket dial lookup getaddrinfo")
_NO_VARIABLE = _set(
    "environment variable variables must missing required exiting aborting failed unset value values",
)


def is_variable(word: str) -> bool:
    """Whether a word may be the name of an environment variable or a setting."""
    low = word.lower()
    return (
        bool(_VARIABLE.match(word.replace(".", "_").replace("-", "_")))
        and low not in _LEVELS
        and low not in _PROSE
        and low not in _NO_VARIABLE
    )


def is_host(word: str) -> bool:
    """Whether a word may be a host: no version, no file of a program, no class, no word of a sentence."""
    bare = word.strip("[]")
    if _ADDRESS.match(bare):
        return True
    low = bare.lower()
    return (
        bool(_HOST.match(bare))
        and low not in _PROSE
        and low not in _LEVELS
        and low not in _NO_HOST
        and not _VERSION.match(bare)
        and not _SOURCE.search(bare)
        and not _CLASS.search(bare)
    )


def is_module(word: str) -> bool:
    """Whether a word may be a module, a package, a class or a library."""
    low = word.lower()
    return bool(word.strip()) and len(word) <= 200 and low not in _PROSE and low not in _LEVELS


def is_file(word: str) -> bool:
    """Whether a word may be a path: it has letters, and no sentence is in it."""
    low = word.lower()
    if not any(letter.isalnum() for letter in word) or len(word) > 500 or "\n" in word:
        return False
    return low not in _PROSE and low not in _LEVELS and word.count(" ") < 4


_KINDS: Mapping[str, Callable[[str], bool]] = {
    "variable": is_variable,
    "host": is_host,
    "module": is_module,
    "from_module": is_module,
    "path": is_file,
}


def plausible(values: Mapping[str, str]) -> dict[str, str]:
    """The particulars without those that cannot be what they are taken for."""
    return {key: value for key, value in values.items() if key not in _KINDS or _KINDS[key](value)}
