"""Secrets are masked as values: all of them disappear, and everything else is unchanged."""

from __future__ import annotations

import json
import shlex
import time
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.intake.outgoing.masked_files import mask_journal
from instrumented_calc.journal import records
from instrumented_calc.journal.masking import (
    MASKED,
    mask_arguments,
    mask_secrets,
    mask_values,
    mask_variables,
)
from instrumented_calc.journal.secret_names import is_secret_name

X = "c0rrect-h0rse"
CODE = [
    f"os.environ['HF_TOKEN'] = '{X}'",
    f"login(token='{X}', n=3)",
    f"subprocess.run(['a', '--password', '{X}'])",
    f'password: str = "{X}"',
    f"os.environ.setdefault('WANDB_API_KEY', '{X}')",
    f"d = {{'api_key': '{X}'}}",
    f'js = "{{\\"token\\": \\"{X}\\"}}"',
    f"headers={{'Authorization': 'Bearer {X}'}}",
    f"requests.get('https://host/data?access_token={X}&page=2')",
    f"connect('postgresql://marie:{X}@host/db')",
]


@pytest.mark.parametrize(
    "arguments",
    [
        [f"wandb.api_key={X}"],
        [f"+wandb.api_key={X}"],
        ["--api-key", X],
        ["-api_key", X],
        [f"--api-key={X}"],
        [f"PGPASSWORD={X}", "psql"],
        [f"--env=PGPASSWORD={X}"],
        ["-e", f"MYSQL_PWD={X}"],
        ["-H", f"Authorization: Bearer {X}"],
        ["-H", f"X-Api-Key: {X}"],
        ["Authorization:", "Bearer", X],
        [f"--pass={X}"],
        [f"--pass={X} with, commas; and spaces"],
        [f'{{"api_key": "{X}", "steps": 3}}'],
        [f'{{"deep": [{{"db": {{"password": ["{X}"]}}}}]}}'],
        [f'--config={{"db": {{"password": "{X}"}}}}'],
        ['{"argv": ["--api-key", "' + X + '"]}'],
        [json.dumps({"config": json.dumps({"client_secret": X})})],
        ["--password", X],
        ["login", "password", X],
        ["login", "token", X],
        ["login", "api_key", X],
        [f"https://marie:{X}@host/x"],
        [f"--tracking=https://host/?a=1&access_token={X}&b=2"],
        ["bash", "-c", f"export HF_TOKEN={X}; train --api-key {X} --steps 3"],
        *(["-c", code] for code in CODE),
        ["-c", "\n".join(CODE)],
        [f"-----BEGIN OPENSSH PRIVATE KEY-----\n{X}\n-----END OPENSSH PRIVATE KEY-----"],
        [f"-----BEGIN PRIVATE KEY-----\n{X}"],
        ["--token", f"-{X}"],
        ["--secret", f"--{X}"],
        ["--password", "", X],
        ["--set", "db.password", X],
        ["--set", "hub.hf_token", X],
        ["--user", f"bob:{X}"],
        [f"--user=bob:{X}"],
        ["-u", f"bob:{X}"],
        ["--proxy-user", f"bob:{X}"],
        ["--auth", f"bob:{X}"],
        ["--json", f'[{{"name": "password", "value": "{X}"}}]'],
        ["--json", f'[{{"value": "{X}", "key": "HF_TOKEN"}}]'],
        ["--env", f"name=HF_TOKEN,value={X}"],
        ["-c", f"env = [{{'name': 'HF_TOKEN', 'value': '{X}'}}]"],
        [f"- name: HF_TOKEN\n  value: {X}"],
        [f"<password>{X}</password>"],
        [f'<db:password type="text">{X}</db:password>'],
        [f"<token><![CDATA[{X}]]></token>"],
        [f'<add key="password" value="{X}"/>'],
        [f"passwd {X}"],
        ["--jwt", X],
        [f"--otp={X}"],
        ["--pin", X],
        [f"--session-id={X}"],
        [f"--sessionid={X}"],
        [f"--psw={X}"],
        [f"--no-token={X}"],
        [f"password%3D{X}"],
        [f"https://host/?next=%2Fa%3Fb%3D1%26token%3D{X}"],
        [f"%7B%22password%22%3A%22{X}%22%7D"],
        ["--webhook", f"https://host/{X}"],
        [f"--note=https://hooks.slack.com/services/T0/B0/{X}"],
        [f"https://discord.com/api/webhooks/17/{X}"],
        [f"--t\u200boken={X}"],
        ["--pass\u200bword", X],
        [f"\u202e--token={X}"],
        [f"see pass\u200bword: {X}"],
        ["bash", "-c", f"curl -u bob:{X} https://host"],
        ["bash", "-c", f"run --token -{X} --steps 3"],
        ["bash", "-c", f"mysql -h host -p{X} db"],
        ["bash", "-c", f"sshpass -p {X} ssh host"],
        ["sshpass", "-p", X],
        [f"b64:password=WA=={X}"],
        [f"x: password = {X}"],
        ["/usr/bin/mysql", f"-p{X}"],
        ["docker", "login", "-u", "marie", "-p", X],
        ["redis-cli", "-a", X],
        ["curl", "-b", f"sid={X}"],
        ["curl", "-H", f"Cookie: a=b; sid={X}"],
        ["smbclient", "-U", f"marie%{X}"],
        ["aws", "configure", "set", "aws_secret_access_key", X],
        ["setenv", "HF_TOKEN", X],
    ],
)
def test_no_secret_remains_in_a_command_line(arguments):
    found = mask_arguments(["python", "md.py", *arguments, "--steps", "100"])
    assert X not in "\n".join(found)
    assert MASKED in "\n".join(found)
    assert len(found) == len(arguments) + 4
    assert (found[:2], found[-2:]) == (["python", "md.py"], ["--steps", "100"])
    assert mask_arguments(found) == found


@pytest.mark.parametrize(
    "token",
    [
        "hf_0123456789abcdefXYZ",
        "ghp_0123456789abcdef0123",
        "github_pat_0123456789abcdef0123",
        "glpat-0123456789abcdef0123",
        "sk-proj-0123456789abcdef",
        "xoxb-0123456789-abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA0123456789abcdef0123456789abcdefg",
        "hvs.CAESI0123456789abcdef",
        "dop_v1_0123456789abcdef0123",
        "SG.0123456789abcdef.0123456789abcdef",
        "gsk_0123456789abcdef0123",
        "ya29.a0123456789abcdef",
        "dckr_pat_0123456789abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w",
    ],
)
def test_a_token_is_known_by_its_shape_wherever_it_stands(token):
    for text in (token, f"note: {token}, then", f"--model=x:{token}", f"https://host/{token}/y"):
        assert token not in mask_secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        f"auth=('marie', '{X}')",
        f"credentials: [marie, {X}]",
        f"secret: {{user: marie, value: {{x: {X}}}}}",
        f"token = str('{X}')",
        f"PASSWORD=$(echo {X})",
        f"PASSWORD=`echo {X}`",
        f"token = r'{X}'",
        f"PASSWORD=$'{X}'",
        f"token = '''{X}'''",
        f"token = 'abc' + '{X}'",
        f"password: 'it''s {X}'",
        f'PASSWORD=abc"{X}"',
        f"PASSWORD=abc\\ {X}",
        f"password: |\n  {X}\n  {X}",
        f"password: >-\n  abc\n  {X}",
        f"passwords:\n  - abc\n  - {X}",
        f"password:\n- {X}",
        f"credentials:\n  user: marie\n  value: {X}",
        f"password: !vault {X}",
        f"password: &anchor {X}",
        f"api_keys: ['abc', '{X}']",
        f"password += {X}",
        f"password -> {X}",
        f"password\uff1a{X}",
        f"setenv HF_TOKEN {X}",
        f"aws configure set aws_secret_access_key {X}",
        f"DB_USERPASS={X} and dbpass={X}",
        f"Kennwort: {X}",
        f"Cookie: theme=dark; sid={X}; x={X}",
        f"curl -H 'Cookie: theme=dark; sid={X}' host",
        f"Set-Cookie: sid={X}; Path=/",
        f"curl -s -b sid={X} host",
        f"docker login -u marie -p {X} host",
        f"docker login -p={X}",
        f"sshpass -p '{X}' ssh host",
        f"redis-cli -h host -a {X}",
        f"mongosh -u marie -p {X}",
        f"ldapsearch -x -w {X}",
        f"7z x -p{X} a.7z",
        f"unzip -P {X} a.zip",
        f"wandb login --relogin {X}",
        f"smbclient -U marie%{X} //host/x",
    ],
)
def test_no_secret_remains_in_a_text_however_its_value_is_written(text):
    found = mask_secrets(f"before it\n{text}\nafter it")
    assert X not in found
    assert MASKED in found
    assert found.startswith("before it\n")
    assert found.endswith("\nafter it")
    assert mask_secrets(found) == found


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tokenizer", "llama"],
        ['--tokenizer="llama"'],
        ["--max-tokens", "100", "--pad-token", "<pad>"],
        ["--key-frames", "10"],
        ["--energy_key=REF_energy", "--forces_key", "REF_forces"],
        ["keyword", "monkey=3", "turkey"],
        ["--password-policy", "none"],
        ["--password-file=pw.txt"],
        ["--pass-through", "x"],
        ["--no-password", "md.py"],
        ["--sort-key", "energy"],
        ["git@github.com:a/b.git"],
        ["monkey business, 3 tokens"],
        ["-p", "8", "-u", "md.py"],
        ['{"steps": [1, 2.50, null], "name":  "x"}'],
        ["--author", "marie", "--sigma=3", "--compass", "north"],
        ["pad_token", "<pad>", "key", "query", "tokens", "3"],
        ["passes=3", "bypass=1", "forward_pass=2"],
        ["--keyring-size=3", "--pinned", "x", "--pin-memory", "true", "-pinoffset", "2", "--max-token", "8"],
        ["--password", "-v", "md.py"],
        ["--token", "--log-level=3", "md.py"],
        ["--token", "--dry-run", "md.py"],
        ["--auth", "none", "--token=auto", "--pin=on", "use_auth_token=True"],
        ["--no-token", "md.py"],
        ["-u", "1000:1000", "--user", "bob", "-u", "C:/md.py", "--user=1000:100", "--user=bob"],
        ["-p8", "-p", "8", "-pressure", "1", "--p=2"],
        ['[{"name": "steps", "value": 3}, {"name": "energy_key", "value": "REF_energy"}]'],
        ["name: Si64, value: 3"],
        ["<energy>-3.1</energy>", "<pad>", "a < b > c"],
        ["password changed by the owner", "token budget 512 of GPT2"],
        ["steps%3D100", "a%20b", "100%"],
        ["zero\u200bwidth", "--na\u200bme=x"],
        ["--cert", "server.key", "md.py"],
        ["https://slack.com/help", "https://api.telegram.org/"],
        ["docker", "run", "-p", "80:80", "-a", "x", "-P", "x", "-w", "dir", "-b", "3"],
        ["--tokens", "100", "--keys", "a,b", "compass", "3", "use_cache_key", "x", "bypass: 3"],
        ["x = a -> b", "per 100%", "rate 3%d", "f(x)[0]"],
        ["--session", "3", "--spin=1", "--spinning", "--hotpot=2", "--options", "x"],
    ],
)
def test_innocent_words_are_unchanged(arguments):
    assert mask_arguments(arguments) == arguments


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://marie:pw@host/x", "https://***@host/x"),
        ("https://ghp_0123456789abcdef0123@host", "https://***@host"),
        ("https://host/?a=1&access_token=abc&b=2", "https://host/?a=1&access_token=***&b=2"),
        ("--api-key=abc --steps=3", "--api-key=*** --steps=3"),
        ("new password: abc, from now on", "new password: ***, from now on"),
        ("Authorization: Basic YWJj", "Authorization: Basic ***"),
        ('{"token":"abc","steps":[1,2]}', '{"token": "***", "steps": [1, 2]}'),
        ('{"token": 123, "on": true}', '{"token": "***", "on": true}'),
        ("{token: abc}", "{token: ***}"),
    ],
)
def test_only_the_value_is_masked(text, masked):
    assert mask_secrets(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("login('u', auth=('u', 'abc'), n=3)", "login('u', auth=***, n=3)"),
        ("db:\n  password:\n    - abc\n  steps: 3", "db:\n  password:\n    ***\n  steps: 3"),
        ("password: |\n  abc\n  def\nsteps: 3", "password: ***\nsteps: 3"),
        ("password: 'it''s' # note", "password: '***' # note"),
        ("f('token=abc', 'x', 'y')", "f('token=***', 'x', 'y')"),
        ('f("token=\'abc\'", "x")', 'f("token=\'***\'", "x")'),
    ],
)
def test_the_end_of_a_value_is_found(text, masked):
    assert mask_secrets(text) == masked


def test_variables_are_masked_by_name_and_by_value():
    names = (
        "WANDB_API_KEY HF_TOKEN MY_SECRET DB_PASSWORD DB_PASSWORD_PROD DB_PASS PGPASSWORD AWS_CREDENTIALS"
        " AWS_ACCESS_KEY_ID API_KEY_2"
    )
    secret = dict.fromkeys(names.split(), "abc")
    plain = {"OMP_NUM_THREADS": "1", "COMPASS": "north", "EMPTY_KEY": "", "TOKENIZERS_PARALLELISM": "false"}
    plain |= {"PWD": "/data", "OLDPWD": "/data", "SSH_AUTH_SOCK": "/run/x"}
    found = mask_variables(secret | plain | {"HTTPS_PROXY": "http://u:p@proxy:1"})
    assert found == dict.fromkeys(secret, "***") | plain | {"HTTPS_PROXY": "http://***@proxy:1"}
    assert list(found) == sorted(found)


def test_numbers_of_components_that_are_called_like_secrets_are_kept():
    row = {"event": "call", "components": {"attention.key": 12, "token": 3}, "energy": -1.0}
    assert mask_values(row) == row


def test_no_field_of_our_own_records_is_called_like_a_secret():
    structs = [
        each
        for each in vars(records).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each is not msgspec.Struct
    ]
    names = {name for each in structs for name in typing.get_type_hints(each)}
    assert len(names) > 50
    assert not [name for name in names if is_secret_name(name)]


# Quadratic matching would take minutes at the larger length.
@pytest.mark.parametrize(
    ("length", "limit_s"), [(50_000, 6), pytest.param(200_000, 60, marks=pytest.mark.slow)]
)
def test_masking_does_not_hang_on_text_made_to_slow_it(length, limit_s):
    began = time.process_time()  # so that a busy machine fails nothing
    for piece in (
        "a=",
        "eyJ-",
        "://",
        "'",
        '"',
        "\\",
        "token=",
        "- ",
        "-a ",
        "x: ",
        "-----BEGIN ",
        "token=(",
        "token=a(b[",
        "token:\n ",
        "token: |\n ",
        "token: - a\n",
        "token: !a ",
        "token='a'",
        "token='a' + ",
        "token=`",
        "token=a\\ ",
        "Cookie: ",
        "wandb login -a ",
        "curl -b ",
        "{",
        "[",
        "a ",
        "name=a ",
        "key:",
        "<a>",
        "<a ",
        "a%3D",
        "mysql ",
        "mysql -p",
        "-u a:",
        "password ",
        "https://discord.com/api/webhooks/",
        "\u200b",
    ):
        mask_secrets(piece * (length // len(piece)))
        mask_arguments([piece * (length // len(piece))])
    assert time.process_time() - began < limit_s


SECRET_NAMES = st.sampled_from(
    [
        *(
            "api-key",
            "api_key",
            "apiKey",
            "WANDB_API_KEY",
            "hf_token",
            "password",
            "db.password",
            "PGPASSWORD",
        ),
        *("client_secret", "pass", "auth", "aws_secret_access_key", "passphrase", "session_token", "cookie"),
    ]
)
# Nothing but letters and digits, so that it can be searched in any encoding.
SECRETS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=6, max_size=30).map(
    lambda text: f"Zq{text}"
)
INNOCENT = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(
        lambda text: not text.startswith("-")
    ),
    max_size=4,
)


def forms(name: str, secret: str) -> list[list[str]]:
    """Return the ways in which a command line gives a secret."""
    return [
        [f"--{name}", secret],
        [f"--{name}={secret}"],
        [f"{name}={secret}"],
        [f"--set=run.{name}={secret}"],
        [json.dumps({"x": 1, name: secret})],
        [json.dumps([{"deep": {name: [secret, {"y": secret}]}}])],
        ["--config=" + json.dumps({name: secret})],
        ["-c", f"connect({name.replace('-', '_').replace('.', '_')}={secret!r})"],
        ["-c", f"d[{name!r}] = {secret!r}"],
        ["-c", json.dumps(json.dumps({name: secret}))],
        ["sh", "-c", f"run --{name} {shlex.quote(secret)}"],
        [f"https://user:{secret}@host/"],
    ]


@given(before=INNOCENT, name=SECRET_NAMES, secret=SECRETS, after=INNOCENT, form=st.integers(0, 11))
def test_a_planted_secret_never_remains_and_json_stays_json(before, name, secret, after, form):
    planted = forms(name, secret)[form]
    found = mask_arguments([*before, *planted, *after])
    assert secret not in "\n".join(found)
    assert len(found) == len(before) + len(planted) + len(after)
    for each, masked in zip(planted, found[len(before) :], strict=False):
        if each.startswith(("{", "[")):
            json.loads(masked)


@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text("xyz é\n\"'", max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_json_without_a_secret_is_unchanged_to_the_byte(value):
    text = json.dumps(value)
    assert mask_arguments([text]) == [text]
    assert mask_values(value) == value


@pytest.mark.parametrize("depth", [100, 800, 5000])
@pytest.mark.parametrize(
    "record",
    [
        '{"event":"notice","details":{"password":NESTED}}',
        '{"event":"notice","details":NESTED}',
        '{"event":"run_start","command":NESTED}',
    ],
)
def test_a_journal_with_values_nested_to_any_depth_is_masked(tmp_path, record, depth):
    (tmp_path / "run.jsonl").write_text(record.replace("NESTED", f'{"[" * depth}"password={X}"{"]" * depth}'))
    mask_journal(tmp_path / "run.jsonl", tmp_path / "masked.jsonl")
    masked = (tmp_path / "masked.jsonl").read_text()
    assert X not in masked
    assert MASKED in masked
