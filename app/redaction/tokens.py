"""Secrets that their own shape gives away, wherever they stand."""

import re

from app.redaction.spans import BLANK, HARMLESS, START, Decide, Span, marker, replace

# The prefixes of one rule have the same length, because a lookbehind has a fixed width.
_PREFIXED: tuple[tuple[str, str, str], ...] = (
    ("github", "ghp_ gho_ ghu_ ghs_ ghr_", r"\w{30,}+(?:\.[\w-]{20,}+){0,2}"),
    ("github", "github_pat_", r"\w{22,}"),
    ("stripe", "sk_live_ sk_test_ rk_live_ rk_test_", r"[A-Za-z0-9]{16,}"),
    ("stripe", "whsec_", r"[A-Za-z0-9+/=]{24,}"),
    ("npm", "npm_", r"[A-Za-z0-9]{36,}"),
    ("huggingface", "hf_", r"[A-Za-z0-9]{30,}"),
    ("huggingface", "api_org_", r"[A-Za-z0-9]{30,}"),
    ("digitalocean", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{64}"),
    ("shopify", "shpat_ shpca_ shppa_ shpss_", r"[A-Fa-f0-9]{32}"),
    ("docker", "dckr_pat_ dckr_oat_", r"[\w-]{24,}"),
    ("linear", "lin_api_", r"[A-Za-z0-9]{32,}"),
    ("notion", "ntn_", r"[A-Za-z0-9]{40,}"),
    ("grafana", "glsa_", r"\w{32,}"),
    ("supabase", "sbp_", r"[0-9a-f]{40}"),
    ("supabase", "sb_secret_", r"[\w-]{20,}"),
    ("planetscale", "pscale_tkn_", r"[\w.=-]{32,}"),
    ("rubygems", "rubygems_", r"[0-9a-f]{48}"),
    ("replicate", "r8_", r"[A-Za-z0-9]{32,}"),
    ("groq", "gsk_", r"[A-Za-z0-9]{40,}"),
    ("figma", "figd_", r"[\w-]{36,}"),
    ("netlify", "nfp_", r"[A-Za-z0-9]{36,}"),
    ("sentry", "sntrys_ sntryu_", r"[\w+/=]{40,}"),
    ("anthropic", "sk-", r"ant-[\w-]{16,}"),
    ("openai", "sk-", r"(?:proj|svcacct|admin|or|lf)-[\w-]{20,}"),
    ("openai", "sk-", r"[A-Za-z0-9]{32,}+(?!-[A-Za-z0-9])"),
    ("gitlab", "gldt- glrt- glft- glwt-", r"[\w-]{20,}+(?:\.[\w-]{2,}+){0,2}"),
    ("gitlab", "glpat- glptt- glcbt- glimt- gloas-", r"[\w-]{20,}+(?:\.[\w-]{2,}+){0,2}"),
    ("slack", "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-", r"[A-Za-z0-9-]{12,}"),
    ("google", "GOCSPX-", r"[\w-]{24,}"),
    ("pypi", "pypi-", r"AgE[\w-]{50,}"),
    ("pulumi", "pul-", r"[0-9a-f]{40}"),
    ("postman", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    ("newrelic", "NRAK-", r"[A-Z0-9]{27}"),
    ("xai", "xai-", r"[A-Za-z0-9]{40,}"),
    ("perplexity", "pplx-", r"[A-Za-z0-9]{40,}"),
    ("tailscale", "tskey-", r"[a-z]{2,12}-[A-Za-z0-9-]{16,}"),
    ("age", "AGE-SECRET-KEY-", r"1[A-Z0-9]{58}"),
    ("sendgrid", "SG.", r"[\w-]{16,32}\.[\w-]{16,}"),
    ("google", "ya29.", r"[\w-]{20,}"),
    ("vault", "hvs. hvb. hvr.", r"[\w-]{24,}"),
    ("doppler", "dp.pt. dp.st. dp.ct. dp.sa.", r"[A-Za-z0-9]{40,}"),
    ("oauth_code", "?code= &code=", r"(?=[\w.~%/+-]{0,64}[0-9])[\w.~%/+-]{12,}"),
    ("signature", "?sig= &sig=", r"[\w%+/-]{32,}=*"),
    ("signature", "?Signature= &Signature= -Signature= ?signature=", r"[\w%+/-]{32,}=*"),
    ("npm", "_auth=", r"[A-Za-z0-9+/]{8,}=*"),
    ("slack", "hooks.slack.com/services/", r"[A-Za-z0-9/]{20,}"),
    ("discord", "/api/webhooks/", r"[0-9]{15,20}/[\w-]{40,}"),
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:"
    # Whole; without a run of base64 it is source code that names the format.
    r"(?=[^\0-]{0,512}?[A-Za-z0-9+/=]{20})(?:[^\0-]++|-{1,4}+(?!-))*-----END [A-Z0-9 ]{1,50}-----"
    r"|(?:(?:\s|\\[nr]){0,8}[A-Za-z0-9+/=]{16,}+)+)"  # cut off: as far as lines of base64 go
)
_JWT = (
    rf"eyJ(?<={START}eyJ)(?<![_-]eyJ)[\w-]{{8,}}+\."
    r"(?:eyJ[\w-]{4,}+\.[\w-]*+|[\w-]*+(?:\.[\w-]{8,}+){3})"
)
_CURL_USER = (
    # Twelve words of one command: no other attempt starts among them.
    r"(curl(?:[ \t]++(?!-u|--user|curl)\S{1,200}+){0,12}[ \t]++(?:-u|--user)[ \t=]?[\"']?"
    r"[\w.@+-]{1,64}:)(?![$<{\[])[^\s\"'`\\]+"
)
# How each begins, wherever it stands (see `signs`); what a group matches stays in front of the
# marker.
_DISTINCT: tuple[tuple[str, str, str], ...] = (
    ("azure", r"[0-9]Q~[\w.~-]{8}", r"Q~(?<=[0-9]Q~)[\w.~-]{31,}"),
    (
        "aws",
        r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{8}",
        rf"A(?<={START}A)(?:KIA|SIA|BIA|CCA)[A-Z0-9]{{16}}(?![A-Za-z0-9])",
    ),
    ("google", r"AIza[\w-]{8}", rf"AIza(?<={START}AIza)[\w-]{{35}}(?!\w)"),
    ("google", r"1//0[\w-]{8}", rf"1//0(?<={START}1//0)[\w-]{{30,}}"),
    (
        "agent_sessions",
        r"as_[0-9]{1,19}-[0-9]",
        rf"as_(?<={START}as_)[0-9]{{1,19}}-[0-9]{{1,19}}_[\w-]{{16,}}",
    ),
    ("twilio", r"SK[0-9a-f]{8}", rf"SK(?<={START}SK)[0-9a-f]{{32}}(?![A-Za-z0-9])"),
    ("terraform", r"\.atlasv1\.", r"\.atlasv1\.[\w=-]{60,}"),
    ("jwt", r"eyJ[\w-]{8}", _JWT),
    (
        "bearer",
        rf"earer{BLANK}{{1,4}}[\w.~+/-]{{8}}",
        r"(earer(?<=[Bb]earer)[ \t]{1,4})(?=[\w.~+/-]{0,64}[0-9])[\w.~+/-]{16,}=*",
    ),
    ("password", rf"{BLANK}(?:-u|--user)(?:{BLANK}|=)?\\?[\"']?[\w.@+-]{{1,64}}:", _CURL_USER),
    ("password", "sshpass -p", r"(sshpass -p[ \t]?[\"']?)(?![$<{\[])[^\s\"'`\\]+"),
    ("password", "IDENTIFIED BY '", r"(IDENTIFIED BY ')(?![$<{\[])[^'\n]+"),
)
_URL_PASSWORD = re.compile(r"://[\w.%+~!$&*=-]*+:([^\s/\"'`<>?#\\]+)(?=@)", re.ASCII)


_AHEAD, _AHEAD_IN_URL = r"[A-Za-z0-9][\w+/=-]{13}", r"[\w.~%/+-]{8}"


def _prefixed(anchor: str) -> tuple[re.Pattern[str], Decide]:
    """One search for all prefixes that end in the same character."""
    is_part = anchor not in "=/"  # of the secret; in a URL the prefix stays
    rules = [(name, prefixes.split(), body) for name, prefixes, body in _PREFIXED]
    rules = [rule for rule in rules if rule[1][0][-1] == anchor]
    start = START if is_part else ""
    branches = [
        f"(?<={start}(?:{'|'.join(map(re.escape, prefixes))}))(?P<r{number}>{body})"
        for number, (_, prefixes, body) in enumerate(rules)
    ]
    # Two cheap looks, behind and ahead, spare most places the branches.
    before = "".join({prefix[-2] for _, prefixes, _ in rules for prefix in prefixes})
    ahead = _AHEAD if is_part else _AHEAD_IN_URL
    pattern = rf"{re.escape(anchor)}(?<=[{before}].)(?={ahead})(?:{'|'.join(branches)})"
    known = {
        f"r{number}": (name, len(prefixes[0])) for number, (name, prefixes, _) in enumerate(rules)
    }

    def decide(_text: str, match: re.Match[str]) -> Span | None:
        name, width = known[match.lastgroup or ""]
        return match.start() + 1 - (width if is_part else 0), match.end(), name

    # A word is replaced to its end: what is left must not begin one.
    return re.compile(pattern + "[A-Za-z0-9]*+", re.ASCII), decide


def signs() -> list[str]:
    """Patterns for RE2 of which one matches in every text, or its JSON, where `redact_tokens` finds
    something."""
    prefixes = [prefix for _, prefixes, _ in _PREFIXED for prefix in prefixes.split()]
    parts = "|".join(re.escape(prefix) for prefix in prefixes if prefix[-1] not in "=/")
    in_urls = "|".join(re.escape(prefix) for prefix in prefixes if prefix[-1] in "=/")
    return [
        *(sign for _, sign, _ in _DISTINCT),
        f"(?:{parts}){_AHEAD}",
        f"(?:{in_urls}){_AHEAD_IN_URL}",
        "-----BEGIN ",
        r"://[\w.%+~!$&*=-]*:[^\s/\"'`<>?#]+@",
    ]


_BY_PREFIX = tuple(_prefixed(anchor) for anchor in "_-.=/")
_BY_PATTERN = tuple(
    (pattern, (r"\1" if pattern.groups else "") + marker(name))
    for name, pattern in ((name, re.compile(source, re.ASCII)) for name, _, source in _DISTINCT)
)


def _url_password(_text: str, match: re.Match[str]) -> Span | None:
    return None if HARMLESS.fullmatch(match[1]) else (*match.span(1), "password")


def redact_tokens(text: str) -> str:
    text = _PRIVATE_KEY.sub(marker("private_key"), text)
    for pattern, decide in _BY_PREFIX:
        text = replace(text, text, pattern, decide)
    for pattern, replacement in _BY_PATTERN:
        if pattern.search(text):  # a template costs `sub` more than a search that fails
            text = pattern.sub(replacement, text)
    return replace(text, text, _URL_PASSWORD, _url_password)
