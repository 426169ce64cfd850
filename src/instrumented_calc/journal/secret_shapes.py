"""Mask secrets that are recognised by their shape, whatever name they have.

The token patterns are those published by their issuers; a library of detectors (detect-secrets) would add its
own dependencies to every simulation, and masks files, not arguments.
"""

from __future__ import annotations

import re

MASKED = "***"
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
# user:password@ in a URL; also a user alone, because a token is often written there.
_URL_USER = re.compile(r"""(\b[A-Za-z][A-Za-z0-9+.-]{0,30}://)[^/?#\s"']+(?=@)""")
# The path of a webhook is its secret: Slack, Discord, Microsoft Teams, Telegram.
_WEBHOOK = re.compile(
    r"(https?://(?:hooks\.slack\.com/|(?:[a-z]{1,20}\.)?discord(?:app)?\.com/api/webhooks/"
    r"|[\w-]{1,60}\.webhook\.office\.com/|outlook\.office(?:365)?\.com/webhook/|api\.telegram\.org/bot))"
    r"""[^\s"'<>]+""",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(\b(?:Bearer|Basic|Digest|Token)\s+)[A-Za-z0-9+/=._~-]{6,}")
_HEADER = re.compile(
    r"""(\b(?:Proxy-)?Authorization["']?\s*[:=,]\s*["']?(?:(?:Bearer|Basic|Digest|Token)\s+)?)[^\s"',;]+""",
    re.IGNORECASE,
)
# Google, GitHub, GitLab, Hugging Face, OpenAI and similar, Slack, Stripe, PyPI, npm, AWS, JSON web tokens.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:AIza[\w-]{30,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_\w{16,}"
    r"|sk-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|[rsp]k_(?:live|test)_\w{10,}|pypi-[\w-]{16,}|npm_\w{16,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{12,}|eyJ[\w-]{8,400}\.[\w-]{8,}\.[\w-]*)"
)
# `passwd X1y2` in a sentence: only what does not look like the next word of the sentence.
_BESIDE_PASSWORD = re.compile(
    r"(\b(?:[Pp]ass(?:word|wd|phrase)|PASSW(?:OR)?D)\s{1,8})(?=\S{0,60}\d|\S{1,60}[A-Z])[^\s=:]{5,}"
)
# `-u user:password`; numbers are the user and group of a container, a slash begins a path or a URL.
_AFTER_USER = r"[\w.@+-]{1,100}:)(?!\d+(?![^\s\"'])|[/\\])[^\s\"']+"
USER_OPTION = re.compile(r"-[uU]|--(?:proxy-)?user(?:name)?")
USER_AND_PASSWORD = re.compile(rf"^({_AFTER_USER}")
_USER = re.compile(rf"((?<![\w-])(?:{USER_OPTION.pattern})(?:\s{{1,8}}|=)[\"']?{_AFTER_USER}")
# Programs whose short option `-p` is a password; in most others it is not.
PASSWORD_PROGRAM = re.compile(r"(?:.*/)?(?:mysql(?:admin|dump|import)?|mariadb(?:-dump)?|sshpass)")
_SHORT_OPTION = re.compile(
    r"(\b(?:(?:mysql(?:admin|dump|import)?|mariadb(?:-dump)?)\b[^|;&\n]{0,200}?\s-p|sshpass\s{1,8}-p\s{0,8}))"
    r"[^\s\"']+"
)
_AFTER_GROUP = (_URL_USER, _WEBHOOK, _HEADER, _SCHEME, _USER, _SHORT_OPTION, _BESIDE_PASSWORD)


def mask_shapes(text: str) -> str:
    """Mask key blocks, credentials in URLs, headers and options, webhooks, and tokens of known issuers."""
    text = _PRIVATE_KEY.sub(MASKED, text)
    for pattern in _AFTER_GROUP:
        text = pattern.sub(rf"\1{MASKED}", text)
    return _TOKEN.sub(MASKED, text)
