"""How plainly a result may be told, from what its audit found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spexapi.fourier.ranking import reaches

if TYPE_CHECKING:
    from spexapi.trust.audit import Audit

# of R²: told plainly, told as likely, told as a hint; below, not told
STRONG, FAIR, WEAK = 0.9, 0.7, 0.5


def level(audit: Audit) -> str:
    """ "exact", "strong", "fair", "weak", "poor" or "none": how plainly the result may be told."""
    if audit.method.startswith("exact"):
        return "exact"
    if audit.r2 is None or not math.isfinite(audit.r2):
        return "none"
    low = audit.r2_interval[0] if audit.r2_interval else audit.r2
    if reaches(audit.r2, STRONG) and reaches(low, FAIR):
        return "strong"
    if reaches(audit.r2, FAIR) and reaches(low, WEAK):
        return "fair"
    return "weak" if reaches(audit.r2, WEAK) else "poor"
