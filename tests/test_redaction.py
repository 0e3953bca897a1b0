import copy
import re
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.cleaning import is_clean
from app.redaction import redact_document, redact_text
from app.redaction.assignments import redact_assignments
from app.redaction.tokens import redact_tokens
from bench.redaction import HOSTILE, SIGN
from tests.redaction_corpus import LOOKALIKES, SECRETS, fake

# Pieces that patterns begin, go on and end with: at random they meet in ways nobody wrote down.
PIECES = (
    *(before for before, _, _, _ in SECRETS),
    *(secret for _, secret, _, _ in SECRETS),
    *LOOKALIKES,
    *(
        "password",
        "token",
        "secret",
        "api_key",
        "Cookie",
        "Authorization",
        "curl -u a:",
        "--password",
    ),
    *(
        "=",
        ":",
        ": ",
        " = ",
        "=>",
        '"',
        "'",
        '\\"',
        "`",
        "\\",
        "\\n",
        "\n",
        "\r\n",
        "\t",
        " ",
        ",",
        ";",
    ),
    *(
        "&",
        "?",
        "/",
        "@",
        "://",
        "://a:",
        "<",
        ">",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "$",
        "${",
        "-",
        "_",
        ".",
    ),
    *(
        "[REDACTED:token]",
        "[REDACTED:",
        "eyJ",
        "sk-",
        "ghp_",
        "AKIA",
        "-----BEGIN PRIVATE KEY-----",
    ),
    *("İ", "\u212a", "\u017f", "é", "\0", "\ud800", "a1", "hunter2", fake(14), fake(40)),
)
texts = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
keys = st.one_of(
    texts, st.sampled_from(("password", "accessToken", "X-Api-Key", "max_tokens", "n"))
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts)
documents = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(keys, inner)), max_leaves=20
)


@pytest.mark.parametrize(("before", "secret", "after", "name"), SECRETS)
def test_secret_goes_and_the_text_around_it_stays(
    before: str, secret: str, after: str, name: str
) -> None:
    assert redact_text(before + secret + after) == f"{before}[REDACTED:{name}]{after}"


@pytest.mark.parametrize("text", LOOKALIKES)
def test_lookalike_stays(text: str) -> None:
    assert redact_text(text) is text


def test_every_secret_of_one_text_goes() -> None:
    text = "\n".join(before + secret + after for before, secret, after, _ in SECRETS)
    redacted = redact_text(text)
    assert [secret for _, secret, _, _ in SECRETS if len(secret) > 12 and secret in redacted] == []


@pytest.mark.parametrize(
    "key",
    [
        *("password", "PASSWORD", "passwd", "db_password", "user-password", "newPassword"),
        *("token", "access_token", "accessToken", "refresh-token", "ID_TOKEN", "_authToken"),
        *("secret", "client_secret", "clientSecret", "webhook-secret", "credential", "credentials"),
        *("api_key", "apikey", "apiKey", "X-Api-Key", "openaiApiKey", "OPENAI_API_KEY", "APIKey"),
        *("authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "private_key"),
        *("aws_secret_access_key", "signing_key", "DB_PASS", "MYSQL_PWD", "spring.mail.password"),
        "x" * 1000 + "_token",
    ],
)
def test_string_under_a_sensitive_key_goes(key: str) -> None:
    assert re.fullmatch(r"\[REDACTED:\w+\]", redact_document({key: "x y"})[key])


@pytest.mark.parametrize(
    "key",
    [
        *(
            "max_tokens",
            "token_count",
            "tokenizer",
            "tokens",
            "secrets",
            "secret_name",
            "passwords",
        ),
        *(
            "cookie_policy",
            "cookies",
            "password_reset",
            "passwordless",
            "authorizations",
            "api_keys",
        ),
        *("key", "primary_key", "monkey", "pwd", "PWD", "pass", "first_pass", "bypass", "nontoken"),
        *("author", "accessTokenCount", "PASSWORD_FILE", "access_key_id", "code", "", "_", "-"),
    ],
)
def test_other_keys_stay(key: str) -> None:
    document = {key: "x y"}
    assert redact_document(document) is document


@pytest.mark.parametrize(
    "value",
    [
        *("", "  ", "[REDACTED:token]", "Bearer [REDACTED:jwt]", "$TOKEN", "${TOKEN}", "<token>"),
        *(
            "Bearer $TOKEN",
            "{{ secrets.token }}",
            "${A:-b}",
            "$(cat token)",
            "%TOKEN%",
            "********",
            "...",
        ),
        *(0, 12345, 1.5, True, None, [], {}, [1], {"a": "b"}),
    ],
)
def test_what_hides_nothing_stays_under_a_sensitive_key(value: object) -> None:
    document = {"token": value}
    assert redact_document(document) is document


def test_only_what_is_secret_is_replaced() -> None:
    document = {
        "user": "me",
        "password": "x",
        "n": 1,
        "nested": [{"token": {"secret": "x", "kind": "y"}}, "see " + "gh" + "p_" + fake(36), None],
    }
    before = copy.deepcopy(document)
    assert redact_document(document) == {
        "user": "me",
        "password": "[REDACTED:password]",
        "n": 1,
        "nested": [
            {"token": {"secret": "[REDACTED:secret]", "kind": "y"}},
            "see [REDACTED:github]",
            None,
        ],
    }
    assert list(redact_document(document)) == list(before)
    assert document == before


def test_secrets_used_as_keys_go_and_lose_no_entry() -> None:
    document = {"gh" + "p_" + fake(36): 1, "gh" + "o_" + fake(36): 2}
    assert redact_document(document) == {"[REDACTED:github]": 1, "[REDACTED:github] 1": 2}


def test_no_pattern_goes_across_two_strings() -> None:
    document = [
        *("-----BEGIN " + "PRIVATE KEY-----", "MIIE" + fake(60), "-----END PRIVATE KEY-----"),
        *("password", "=", "hunter2", "curl", "-u", "me:hunter2", "password:", "hunter2"),
    ]
    assert redact_document(document) is document


@pytest.mark.parametrize("leaf", ["x", "sk-" + "ant-" + fake(40)])
def test_nesting_deeper_than_python_recurses(leaf: str) -> None:
    document: Any = leaf
    for _ in range(50_000):
        document = [{"a": document}]
    redacted = redact_document(document)
    assert (redacted is document) == (leaf == "x")
    while not isinstance(redacted, str):
        redacted = redacted[0]["a"]
    assert redacted == redact_text(leaf)


@given(texts)
@example('authorization:"{password:\\"}')  # redacting the inside changes the outside
@example('DB_PASS="0":"0')  # the name in the marker looks like a key
@example("doo" + "_v1_" + "0" * 64 + "doo" + "_v1_" + "0" * 64)  # the marker would begin a word
def test_redacted_text_is_stable(text: str) -> None:
    redacted = redact_text(text)
    assert redact_text(redacted) == redacted
    assert redacted != text or redacted is text


@given(texts, st.data())
def test_no_secret_gets_past_the_first_look(text: str, data: st.DataObject) -> None:
    """Whatever the patterns would replace, one of the signs that they give away is found."""
    cased = "".join(data.draw(st.sampled_from((c, c.swapcase()))) for c in text[:60]) + text[60:]
    assert redact_text(cased) == redact_assignments(redact_tokens(cased))


@given(documents)
def test_what_is_clean_hides_nothing(document: object) -> None:
    try:
        found = is_clean(document)
    except UnicodeEncodeError:  # no JSON has surrogates
        return
    assert not found or redact_document(document) is document


@given(documents)
@example(["", "PASSWORD='[REDACTED:"])  # what ends a text stands before none of its words
def test_redacted_document_is_stable(document: object) -> None:
    redacted = redact_document(document)
    assert redact_document(redacted) is redacted
    assert redacted != document or redacted is document


@given(documents)
def test_what_is_no_string_stays(document: object) -> None:
    assert _shape(redact_document(document)) == _shape(document)


@given(st.lists(texts))
def test_document_agrees_with_text(strings: list[str]) -> None:
    assert redact_document(strings) == [redact_text(text) for text in strings]


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("sign", ["", SIGN], ids=["first look", "patterns"])
def test_sixteen_times_the_text_is_not_two_hundred_times_the_work(sign: str, unit: str) -> None:
    """Between linear (16) and quadratic (256) there is room for any noise; `bench` has figures."""
    assert _work(sign, unit, 128 * 1024) < 64 * _work(sign, unit, 8 * 1024)


def _work(sign: str, unit: str, size: int) -> float:
    text = sign + unit * (size // len(unit))
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        redact_text(text)
        best = min(best, time.process_time() - start)
    return best


def _shape(value: object) -> object:
    if isinstance(value, dict):
        return [_shape(item) for item in value.values()]
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return str if isinstance(value, str) else value
