"""What a page needs to be drawn without a network: Vega in one script, and text that is safe inside a script."""

import base64
import functools
import hashlib
import importlib.metadata
import json
import os
from typing import Any

from jaxml.cache import cache_folder

SNIPPET = "window.vegaEmbed = vegaEmbed"


@functools.cache
def vega_scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, made by vl_convert.

    Making it takes over a second, so it is kept in the user's cache folder under the version that made it.
    """
    kept = cache_folder("vega") / f"{importlib.metadata.version('vl-convert-python')}.js"
    try:
        digest, _, text = kept.read_text(encoding="utf-8").partition("\n")
        if digest == _sha256(text):
            return text
    except (OSError, UnicodeDecodeError):
        pass
    import vl_convert

    text = vl_convert.javascript_bundle(SNIPPET).replace("</script", "<\\/script")
    try:
        partial = kept.with_suffix(f".{os.getpid()}")
        partial.write_text(f"{_sha256(text)}\n{text}", encoding="utf-8")
        os.replace(partial, kept)
    except OSError:
        pass  # a cache that cannot be written only costs time
    return text


def script_json(value: Any) -> str:
    r"""JSON that may stand inside a script element: nothing in it can close the element or end a line.

    >>> script_json({"title": "</script>\u2028&"})
    '{"title":"\\u003c/script\\u003e\\u2028\\u0026"}'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def content_policy(scripts: list[str], styles: list[str]) -> str:
    """A Content-Security-Policy that runs these very scripts and styles, and loads nothing.

    >>> content_policy(["let a"], [])[:50]
    "default-src 'none'; img-src data:; base-uri 'none'"
    """
    parts = ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"]
    for name, texts in (("script-src", scripts), ("style-src", styles)):
        hashes = " ".join(f"'sha256-{_base64(text)}'" for text in texts)
        parts.append(f"{name} {hashes or chr(39) + 'none' + chr(39)}")
    return "; ".join(parts)


def _base64(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
