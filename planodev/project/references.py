"""References in values of `.env`: `${NAME}`, as docker compose reads it, and those of secret managers.

Source: compose-go 2.16 `template/template.go` and `dotenv/godotenv.go`; cases are in
`tests/project/env_files.toml`. The one difference: a `$NAME` without braces that is not set stays text, since a
password may well hold a `$`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_BRACED = rf"(?s)({_NAME})(?:(:?)([-?+])(.*))?"


class Unresolved(Exception):
    """A reference that cannot be resolved; the message says why, and contains no secret.

    Args:
        why: the message.
        variable: that has to be set, None where none is named.
        keeper: whose reference it is, None where it is none.

    """

    def __init__(self, why: str, *, variable: str | None = None, keeper: Keeper | None = None) -> None:
        super().__init__(why)
        self.variable = variable
        self.keeper = keeper


class TooMuch(Unresolved):
    """What a reference stands for is longer than a variable can be."""

    def __init__(self) -> None:
        super().__init__("what it refers to is more text than a variable can hold")


def has_reference(text: str, lookup: Callable[[str], str | None]) -> bool:
    """Say whether `expand` would replace a `${…}` or a `$NAME`."""
    text = text.replace("$$", "")
    bare = re.finditer(rf"\$({_NAME})", text)
    whole = re.fullmatch(rf"\$({_NAME})", text)
    return "${" in text or whole is not None or any(lookup(found[1]) is not None for found in bare)


# Characters of a value, of which Linux lets no variable have more, and of all values of a file that refer to others. A
# few lines, each with the one before it twice, stand for gigabytes. Source: execve(2), MAX_ARG_STRLEN.
_LONGEST, _ALL = 131_072, 10_000_000


def expand(text: str, lookup: Callable[[str], str | None]) -> str:
    """Return a value with what its references stand for, as docker compose does.

    Args:
        text: unquoted, or from double quotes; what stands in single quotes is no reference.
        lookup: the value of a variable, None where it is not set.

    Raises:
        Unresolved: a variable is not set and has no default, `${…}` is none of compose's forms, or it is too much.

    """
    whole = re.fullmatch(rf"\$({_NAME})", text)
    if whole:
        return _value(whole[1], lookup)
    parts, at, name = list[str](), 0, re.compile(_NAME)
    size = 0
    while (start := text.find("$", at)) >= 0:
        size += sum(map(len, parts[-2:]))
        if size > _LONGEST:
            raise TooMuch
        parts.append(text[at:start])
        bare = name.match(text, start + 1)
        if text.startswith("$$", start):
            parts.append("$")
            at = start + 2
        elif text.startswith("${", start):
            at = _end(text, start)
            parts.append(_braced(text[start + 2 : at - 1], lookup))
        elif bare and lookup(bare[0]) is not None:
            parts.append(lookup(bare[0]) or "")
            at = bare.end()
        else:
            parts.append("$")
            at = start + 1
    return "".join([*parts, text[at:]])


def _end(text: str, start: int) -> int:
    """Return where the `${` at `start` ends, behind its brace; those inside its default are passed over."""
    depth = 0
    for found in re.compile(r"\$\{|\}").finditer(text, start):
        depth += 1 if found[0] == "${" else -1
        if depth == 0:
            return found.end()
    raise Unresolved("a `${` in it has no end")


def _braced(body: str, lookup: Callable[[str], str | None]) -> str:
    found = re.fullmatch(_BRACED, body)
    if not found:
        raise Unresolved("it is a reference of another program: docker compose knows no such form")
    name, colon, sign, word = found.groups()
    value = lookup(name)
    there = bool(value) if colon else value is not None
    if sign == "+":
        return expand(word, lookup) if there else ""
    if there and value is not None:
        return value
    if sign == "-":
        return expand(word, lookup)
    return _value(name, lookup, expand(word, lookup) if sign == "?" else "")


def _value(name: str, lookup: Callable[[str], str | None], message: str = "") -> str:
    value = lookup(name)
    if not value:
        state = "is empty" if value == "" else "is not set, in the file above it or in this shell"
        # A password may begin with a `$`, and what follows is then no name of a variable.
        shown = f"it names {name}, which" if is_shown(name) else "what follows its `$` names a variable that"
        raise Unresolved(f"{shown} {state}" + (f": {message}" if message else ""), variable=name)
    return value


def is_shown(name: str) -> bool:
    """Say whether a message may have a variable's name: in capitals, as is usual, and so no part of a password."""
    return re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) is not None


class Keeper(NamedTuple):
    """A secret manager, which leaves a reference or a ciphertext in place of a secret.

    Args:
        name: of the program.
        pattern: of a whole value.
        command: that starts another with the values in its environment, with `{}` for that; "" where it has none.

    """

    name: str
    pattern: str
    command: str = ""

    def wrote(self, value: str) -> bool:
        """Say whether a value is one of its references or ciphertexts."""
        return re.fullmatch(self.pattern, value, re.DOTALL | re.IGNORECASE) is not None


# Source: each program's documentation, on references in environment files. The last ones are for unknown programs: what
# no password looks like, such as a URL, a template or a command's output. A colon without a path is no reference.
_WORD = r"[\w.-]*"
# The beginnings of references that are plain words.
_WORDS = ("chamberme", "u2fsdgvkx1", "ywdllwvuy3j5chrpb24ub3jn", "gaaaaab")
KEEPERS = (
    Keeper("1Password", r"op://.*|\{\{\s*op://.*|op\(.*\)|op read .*", "op run --env-file {file} -- {}"),
    Keeper("Proton Pass", r"pass://.*", "pass-cli run --env-file {file} -- {}"),
    Keeper("Bitwarden Secrets Manager", r"bws?://.*", "bws run -- {}"),
    Keeper("dotenvx", r"encrypted:.*", "dotenvx run -f {file} -- {}"),
    Keeper("hiera-eyaml", r"ENC\[PKCS7,.*"),
    Keeper("SOPS", r"ENC\[.*", "sops exec-env {file} '{}'"),
    Keeper("EJSON", r"EJ\[[0-9]+:.*"),
    Keeper("Doppler", r"doppler://.*", "doppler run -- {}"),
    Keeper("Infisical", r"infisical://.*", "infisical run -- {}"),
    Keeper("chamber", r"chamber://.*|chamberme", "chamber exec SERVICE -- {}"),
    Keeper("Keeper", r"keeper://.*", "ksm exec -- {}"),
    Keeper("vals", r"(?:secret)?ref\+[a-z]+://.*", "vals exec -f {file} -- {}"),
    Keeper("Ansible Vault", r"\$ANSIBLE_VAULT.*|!vault\b.*"),
    Keeper("HashiCorp Vault", r"(?:>>)?vault:.*|\{\{\s*(?:with\s+)?secret\s.*", "vault-env {}"),
    Keeper(
        "AWS",
        r"arn:aws[\w-]*:.*|\{\{resolve:.*|(?:aws[-_]?)?ssm:/.*|aws[-_]?(?:sm|ps):/.*|(?:aws[-_:]?)?secrets-?manager:.*",
    ),
    Keeper(
        "Google Secret Manager",
        r"(?:gcp-?)?(?:sm|gsm|secretmanager)://.*|gcp:secretmanager:.*|projects/[^/\s]+/secrets/.*",
    ),
    Keeper(
        "Azure Key Vault", r"@Microsoft\.KeyVault\(.*|https://[\w-]+\.vault\.[\w.]+/.*|(?:azure-?)?(?:keyvault|akv):.*"
    ),
    Keeper("Azure Container Apps", r"secretref:.*"),
    Keeper("pass or gopass", r"(?:go)?pass:[\w.@-]+(?:/[\w.@-]+)+|gopass://.*"),
    Keeper("a keychain", r"(?:keychain|keyring|keepass(?:xc)?|bitwarden|lastpass|lpass):[\w.@-]+(?:/[\w.@-]+)+"),
    Keeper("a secret store", r"(?:secrets?|akeyless|credstash|conjur|kms|k8s):[\w.@/-]*/[\w.@/-]+|!var(?::file)?\s.*"),
    Keeper("a file of secrets", r"@?/(?:var/)?run/secrets/.*|file:/.*"),
    Keeper("varlock", r"exec\(.*\)"),
    Keeper("openssl or transcrypt", r"U2FsdGVkX1.*"),
    Keeper("Fernet", r"gAAAAAB[\w=-]{90,}"),
    Keeper("Jasypt", r"ENC\(.*\)"),
    Keeper("Spring Cloud Config", r"\{cipher\}.*"),
    Keeper("PGP or age", r"-----BEGIN [A-Z ]+-----.*|age-encryption\.org/.*|YWdlLWVuY3J5cHRpb24ub3Jn.*"),
    Keeper(
        "another program",
        r"[a-z][a-z0-9+.-]*://\S.*|[^$]*\{\{.*\}\}.*|.*<%.*%>.*|%[A-Z_][A-Z0-9_]*%|%env\(.*\)%|%\(\w+\)s|#\{.*\}#?",
    ),
)
_COMMAND = Keeper("another program", r".*\$\(.*\).*|`.*`")


def keeper_of(value: str, *, literal: bool = False) -> Keeper | None:
    """Return the secret manager whose reference or ciphertext a value is, None for a plain value.

    Args:
        value: without its quotes.
        literal: whether those were single ones: a shell runs no command there, but every keeper knows its own.

    """
    value = value.strip()
    if re.fullmatch(_WORD, value) and not value.lower().startswith(_WORDS):
        return None  # so for nearly every value, and no pattern has to be compiled
    known = KEEPERS if literal else (*KEEPERS, _COMMAND)
    return next((keeper for keeper in known if keeper.wrote(value)), None)


class Resolution:
    """Resolves the references of a file, line by line.

    Args:
        shell: the environment, which comes before the file.
        keys: whose values may be a keeper's references; others hold addresses that only look like one.

    """

    def __init__(self, shell: Mapping[str, str], keys: Container[str]) -> None:
        self.shell = shell
        self.keys = keys
        self.values: dict[str, str] = {}
        self.errors: dict[str, Unresolved] = {}
        self.references: set[str] = set()
        self.from_shell: set[str] = set()
        self._room = _ALL

    def add(self, key: str, value: str, *, literal: bool) -> None:
        """Add a line; the last one of a key wins.

        Args:
            key: its name.
            value: without its quotes.
            literal: whether nothing in it is resolved.

        """
        self.values.pop(key, None)
        self.errors.pop(key, None)
        self.references.discard(key)
        self.from_shell.discard(key)
        keeper = keeper_of(value, literal=literal) if key in self.keys else None
        if keeper:
            self._ask_keeper(key, keeper)
        elif not literal and has_reference(value, self._look_up):
            self._expand(key, value)
        else:
            self.values[key] = value if literal or key not in self.keys else value.replace("$$", "$")

    def _look_up(self, name: str) -> str | None:
        return self.shell.get(name, self.values.get(name))

    def _ask_keeper(self, key: str, keeper: Keeper) -> None:
        self.references.add(key)
        given = self.shell.get(key, "")
        if given and not keeper_of(given):  # the keeper has started planodev, and resolved it
            self.values[key] = given
        else:
            self.errors[key] = Unresolved(f"it is a reference or a ciphertext of {keeper.name}", keeper=keeper)

    def _expand(self, key: str, value: str) -> None:
        self.references.add(key)
        asked = set()

        def look_up(name: str) -> str | None:
            asked.add(name)
            return self._look_up(name)

        try:
            found = expand(value, look_up)
        except Unresolved as error:
            cause = self.errors.get(error.variable or "")  # a line above that was too much itself
            self.errors[key] = cause if isinstance(cause, TooMuch) else error
            return
        self._room -= len(found)
        if len(found) > _LONGEST or self._room < 0:
            self.errors[key] = TooMuch()
        elif key in self.keys and not found:
            self.errors[key] = Unresolved("what it refers to is empty")
        elif key in self.keys and keeper_of(found):
            self.errors[key] = Unresolved("what it refers to is a reference itself", keeper=keeper_of(found))
        else:
            self.values[key] = found
            if any(name in self.shell or name in self.from_shell for name in asked):
                self.from_shell.add(key)
