"""Which combinations of words, documents, heads or training examples made a language model say what it said.

backend = spexapi.open_backend("embedded")
game = spexapi.RagGame(backend, "Which room is the key in?", documents)
explanation = spexapi.explain(game, budget=64)
"""

from spexapi import plugins
from spexapi.backends.huggingface.open import from_transformers
from spexapi.backends.registry import open_backend
from spexapi.errors import (
    BackendError,
    BudgetError,
    CapReached,
    InputError,
    NothingMeasured,
    RateLimited,
    Refused,
    RunningLoopError,
    SpexError,
    StoreError,
    Unavailable,
)
from spexapi.explain import aexplain, astream, explain
from spexapi.explanation.explanation import Explanation
from spexapi.explanation.pruned import Pruned
from spexapi.explanation.verification import Check, SetCheck, Verification
from spexapi.fourier.optimize import (
    Optimum,
    best_mask,
    best_masks,
    necessary_set,
    sufficient_set,
    worst_mask,
    worst_masks,
)
from spexapi.fourier.spectrum import Spectrum
from spexapi.games.base import Player
from spexapi.games.function import FunctionGame
from spexapi.games.heads import HeadGame
from spexapi.games.prompt import PromptGame
from spexapi.games.questions import Question
from spexapi.games.rag import RagGame
from spexapi.games.training.game import TrainingGame
from spexapi.plan import Plan, Preview, preview
from spexapi.prompts.inputs import Document, load_documents, load_prompt
from spexapi.sampling.policy import RequestPolicy
from spexapi.sampling.store import Store
from spexapi.trust.audit import Audit
from spexapi.verification.prune import aprune, prune
from spexapi.verification.verify import acheck_sets, averify, check_sets, verify

__version__ = "0.1.0"

Terms = RequestPolicy  # its name until 0.1

__all__ = [
    "Audit",
    "BackendError",
    "BudgetError",
    "CapReached",
    "Check",
    "Document",
    "Explanation",
    "FunctionGame",
    "HeadGame",
    "InputError",
    "NothingMeasured",
    "Optimum",
    "Plan",
    "Player",
    "Preview",
    "PromptGame",
    "Pruned",
    "Question",
    "RagGame",
    "RateLimited",
    "Refused",
    "RequestPolicy",
    "RunningLoopError",
    "SetCheck",
    "Spectrum",
    "SpexError",
    "Store",
    "StoreError",
    "Terms",
    "TrainingGame",
    "Unavailable",
    "Verification",
    "acheck_sets",
    "aexplain",
    "aprune",
    "astream",
    "averify",
    "best_mask",
    "best_masks",
    "check_sets",
    "explain",
    "from_transformers",
    "load_documents",
    "load_prompt",
    "necessary_set",
    "open_backend",
    "plugins",
    "preview",
    "prune",
    "sufficient_set",
    "verify",
    "worst_mask",
    "worst_masks",
]
