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
# All cookies of a header. Names of cookies tell nothing of their values.
_COOKIES = re.compile(r"""(\b(?:Set-)?Cookie["']?\s{0,8}:\s{0,8}["']?)[^\r\n"']+""", re.IGNORECASE)
# Google, GitHub, GitLab, Hugging Face, OpenAI and similar, Slack, Stripe, PyPI, npm, HashiCorp Vault,
# DigitalOcean, SendGrid, Groq, Replicate, Shopify, Docker, Tailscale, LangSmith, Atlassian, age, AWS, JSON
# web tokens.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:AIza[\w-]{30,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|gl(?:pat|rt|dt|ptt)-[\w-]{16,}"
    r"|hf_\w{16,}|sk-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|[rsp]k_(?:live|test)_\w{10,}|pypi-[\w-]{16,}|npm_\w{16,}"
    r"|ya29\.[\w-]{16,}|hv[sb]\.[\w-]{16,}|do[opr]_v1_\w{16,}|SG\.[\w-]{16,80}\.[\w-]{16,}|gsk_\w{16,}"
    r"|r8_\w{16,}|shp(?:at|ca|pa|ss)_\w{16,}|dckr_pat_[\w-]{16,}|tskey-[\w-]{16,}|lsv2_[ps][tk]_\w{16,}"
    r"|ATATT[\w=-]{16,}|AGE-SECRET-KEY-\w{16,}|(?:AKIA|ASIA)[0-9A-Z]{12,}|eyJ[\w-]{8,400}\.[\w-]{8,}\.[\w-]*)"
)
# `passwd X1y2` in a sentence: only what does not look like the next word of the sentence.
_BESIDE_PASSWORD = re.compile(
    r"(\b(?:[Pp]ass(?:word|wd|phrase)|PASSW(?:OR)?D)\s{1,8})(?=\S{0,60}\d|\S{1,60}[A-Z])[^\s=:]{5,}"
)
# `-u user:password`; numbers are the user and group of a container, a slash begins a path or a URL.
_AFTER_USER = r"[\w.@+-]{1,100}[:%])(?!\d+(?![^\s\"'])|[/\\])[^\s\"']+"
USER_OPTION = re.compile(r"-[uU]|--(?:proxy-)?user(?:name)?")
USER_AND_PASSWORD = re.compile(rf"^({_AFTER_USER}")
_USER = re.compile(rf"((?<![\w-])(?:{USER_OPTION.pattern})(?:\s{{1,8}}|=)[\"']?{_AFTER_USER}")
# Programs with a short option that is a password; in most others it is not. `login`: docker, podman, oc, az.
_PASSWORD_OPTIONS = {
    "-p": r"mysql(?:admin|dump|import)?|mariadb(?:-dump)?|sshpass|mongo(?:sh|dump|export|import|restore)?"
    r"|login|7za?",
    "-P": r"sqlcmd|bcp|zip|unzip",
    "-a": r"redis-cli",
    "-b": r"curl",
    "-w": r"ldap(?:search|modify|add|delete|whoami)",
}
_PROGRAM_WITH = {option: re.compile(rf"(?:.*/)?(?:{names})") for option, names in _PASSWORD_OPTIONS.items()}
_SHORT_OPTIONS = tuple(
    re.compile(
        rf"""(\b(?:{names})(?![\w-])[^|;&\n]{{0,200}}?\s{option}[=\s]{{0,8}})(?:'[^']*'|"[^"]*"|[^\s"']+)"""
    )
    for option, names in _PASSWORD_OPTIONS.items()
)
_AFTER_LOGIN = re.compile(
    r"(\b(?:wandb|vault)\s{1,8}login\s{1,8}(?:--?[\w-]{1,40}\s{1,8}){0,9})(?!-)[^\s\"']+"
)
_AFTER_GROUP = (
    *(_URL_USER, _WEBHOOK, _HEADER, _COOKIES, _SCHEME, _USER),
    *(*_SHORT_OPTIONS, _AFTER_LOGIN, _BESIDE_PASSWORD),
)


def password_option(program: str) -> str:
    """Return the short option of a program that is a password, such as `-p`; empty if there is none."""
    return next((option for option, names in _PROGRAM_WITH.items() if names.fullmatch(program)), "")


def mask_shapes(text: str) -> str:
    """Mask key blocks, credentials in URLs, headers and options, webhooks, and tokens of known issuers."""
    text = _PRIVATE_KEY.sub(MASKED, text)
    for pattern in _AFTER_GROUP:
        text = pattern.sub(rf"\1{MASKED}", text)
    return _TOKEN.sub(MASKED, text)
