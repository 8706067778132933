"""The HTML report: one file that opens anywhere. No script, no links out, no fonts to fetch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.narrative.wording import one_line
from spexapi.views.html.fragment import fragment, styles
from spexapi.views.safe import safe

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

# the browser itself refuses scripts and anything from elsewhere, whatever a document contains
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def report(explanation: Explanation) -> str:
    """The explanation as a complete HTML page."""
    target = explanation.target
    title = one_line(target.question or target.answer or "Explanation", 80)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="spexapi">
<title>{safe(title)} · spexapi</title>
<style>
{styles()}
</style>
</head>
<body class="spex-report">
<main>
{fragment(explanation)}
</main>
</body>
</html>
"""


def snippet(explanation: Explanation) -> str:
    """The same for a notebook cell: the fragment with its own style sheet."""
    return f"<style>\n{styles()}\n</style>\n{fragment(explanation)}"
