"""Renders the page at /docs from the OpenAPI document, without scripts and without a network."""

from html import escape
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
summary { cursor: pointer; padding: .3rem 0 } summary code { font-size: 1rem }
.method { display: inline-block; width: 4.5rem; font-weight: 600 }
pre { background: #8881; padding: .7rem; overflow-x: auto } td, th { text-align: left;
padding: .1rem 1rem .1rem 0; vertical-align: top } details { border-bottom: 1px solid #8883 }
:root { color-scheme: light dark }
"""


class DocumentationPage(OpenAPIRenderPlugin):
    def __init__(self) -> None:
        super().__init__(path=["/docs", "/"])

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        info = openapi_schema["info"]
        headers = openapi_schema["components"]["parameters"]
        groups: dict[str, list[str]] = {}
        for path, item in openapi_schema["paths"].items():
            for method, operation in item.items():
                tag = (operation.get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append(_operation(method, path, operation, headers))
        sections = "".join(
            f"<h2>{escape(tag)}</h2>{''.join(operations)}" for tag, operations in groups.items()
        )
        schemas = "".join(
            f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>"
            f"{_json(schema)}</details>"
            for name, schema in openapi_schema["components"]["schemas"].items()
        )
        title = f"{escape(info['title'])} {escape(info['version'])}"
        return (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
            f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
            f"<h1>{title}</h1><p>{escape(info.get('description') or '')} "
            "Send <code>Authorization: Bearer as_…</code> with every request. The same as a "
            "document for programs: <a href='openapi.json'>openapi.json</a>.</p>"
            f"{sections}<h2>schemas</h2>{schemas}</html>"
        ).encode()


def _operation(
    method: str, path: str, operation: dict[str, Any], headers: dict[str, dict[str, Any]]
) -> str:
    """`headers` are the shared ones, by name, to which an operation only refers."""
    described = (
        headers[p["$ref"].rpartition("/")[2]] if "$ref" in p else p
        for p in operation.get("parameters") or []
    )
    parameters = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{escape(p['in'])}"
        f"<td><code>{escape(_compact(p.get('schema')))}</code>"
        f"<td>{escape(p.get('description') or '')}"
        for p in described
    )
    body = operation.get("requestBody")
    responses = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{escape(answer.get('description') or '')}"
        f"<td>{_reference(answer)}"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<details><summary><span class=method>{method.upper()}</span><code>{escape(path)}</code> "
        f"{escape(operation.get('summary') or '')}</summary>"
        f"<p>{escape(operation.get('description') or '')}</p><table>{parameters}</table>"
        f"{f'<h4>Body</h4>{_json(body)}' if body else ''}<h4>Answers</h4><table>{responses}</table>"
        "</details>"
    )


def _reference(answer: dict[str, Any]) -> str:
    for content in (answer.get("content") or {}).values():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name:
            return f"<a href='#{escape(name)}'>{escape(name)}</a>"
    return ""


def _compact(schema: Any) -> str:
    return msgspec.json.encode(schema).decode()


def _json(value: Any) -> str:
    return f"<pre>{escape(msgspec.json.format(_compact(value), indent=2))}</pre>"
