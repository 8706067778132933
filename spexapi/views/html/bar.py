"""A bar filled to a share of its length."""

from __future__ import annotations

from spexapi.fourier.ranking import settled


def bar(share: float) -> str:
    """Numbers stand next to it, so it is hidden from screen readers."""
    width = settled(100 * min(max(share, 0.0), 1.0))
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="8"/>'
        f'<rect class="fill" width="{width:.1f}" height="8"/></svg>'
    )
