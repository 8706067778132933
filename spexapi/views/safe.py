"""HTML from untrusted text: nothing of a label, a document or an answer may become markup."""

from __future__ import annotations

import html
import unicodedata

# $ { } ` mean something to the template engines a fragment may pass through (Gradio's gr.HTML)
_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;"})
_KEPT_CONTROLS = "\n\t"


def safe(text: str) -> str:
    """The text as it reads, for element content and quoted attributes."""
    legible = "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in _KEPT_CONTROLS else c
        for c in text.replace("\r\n", "\n")
    )
    return html.escape(legible, quote=True).translate(_TEMPLATE)


def tag(name: str, content: str, **attributes: object) -> str:
    """One element around HTML already safe; attributes are made safe here.

    class_ and data_x stand for class and data-x; None leaves an attribute out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{content}</{name}>"
