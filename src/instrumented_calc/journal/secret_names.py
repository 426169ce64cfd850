"""Recognise names of secrets: `WANDB_API_KEY`, `--hf-token`, `db.password`, but not `--key-frames`.

A name is split into words. Its last word decides, because that describes the value: a `password_policy` is a
policy. Numbers and words such as `prod` at the end are skipped.
"""

from __future__ import annotations

import re
from functools import lru_cache

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
SECRETS = re.compile(
    "auth|authorization|bearer|cookie|credentials?|creds|jwt|otp|passcode|passw|pin|psw|pw|sessionid|sig"
    "|signature|secrets|totp|webhook"
    # Endings of joined words: PGPASSWORD, apikey, authtoken.
    "|.*(?:passwords?|passwds?|passphrases?|passwort|kennwort|pwd|secret|token|apikeys?|accesskeys?|secretkeys?)"
    "|(?:admin|db|ftp|my|proxy|root|smtp|user)pass"
)
# Words before a key, token or pass that is not a secret: `energy_key=REF_energy`, `pad_token=<pad>`.
HARMLESS_BEFORE = {
    "key": re.compile(
        "arrays|atoms?|cache|charges?|column|config|data|dataset|dict|dipole|energy|energies|field|forces?|foreign"
        "|group|head|host|hot|index|info|label|lookup|name|partition|polarizability|primary|property|public"
        "|results|sort|stress|target|virials?|weight"
    ),
    "token": re.compile("bos|class|cls|eos|mask|max|min|n|new|next|num|pad|sep|special|unk|unknown"),
    "pass": re.compile("backward|by|first|forward|n|num|second|single"),
}
PASSED_OVER = frozenset(["b64", "base64", "dev", "hex", "old", "prod", "staging", "str", "string", "test"])
TWO_WORDS = (
    *(["session", "id"], ["webhook", "url"], ["pass", "phrase"], ["api", "keys"], ["access", "keys"]),
    *(["secret", "keys"], ["access", "tokens"], ["api", "tokens"], ["auth", "tokens"]),
)
NOT_SECRET = frozenset(["PWD", "OLDPWD", "XDG_SESSION_ID"])


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return whether the value under a name is likely to be a secret.

    Args:
        name: An option, a variable, a key: `--api-key`, `wandb.api_key`, `PGPASSWORD`, `dbPassword`.
    """
    words = [word.lower() for word in WORDS.findall(name)]
    while words and (words[-1].isdigit() or words[-1] in PASSED_OVER):
        words.pop()
    if words[-2:] == ["key", "id"]:  # AWS_ACCESS_KEY_ID
        words.pop()
    if not words or name in NOT_SECRET or words[0] == "no":
        return False
    if words[-2:] in TWO_WORDS:
        return True
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in HARMLESS_BEFORE:
        return not HARMLESS_BEFORE[last].fullmatch(before)
    return SECRETS.fullmatch(last) is not None
