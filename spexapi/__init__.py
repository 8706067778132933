"""Which combinations of words, documents, heads or training examples made a language model say what it said.

backend = spexapi.open_backend("embedded")
game = spexapi.RagGame(backend, "Which room is the key in?", documents)
explanation = spexapi.explain(game, budget=64)
"""

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
from spexapi.fourier.spectrum import Spectrum
from spexapi.games.base import Player
from spexapi.games.function import FunctionGame
from spexapi.games.heads import HeadGame
from spexapi.games.prompt import PromptGame
from spexapi.games.questions import Question
from spexapi.games.rag import RagGame
from spexapi.games.training.game import TrainingGame
from spexapi.prompts.inputs import Document, load_documents, load_prompt
from spexapi.sampling.policy import RequestPolicy
from spexapi.sampling.store import Store
from spexapi.verification.prune import aprune, prune
from spexapi.verification.verify import acheck_sets, averify, check_sets, verify

__version__ = "0.1.0"

Terms = RequestPolicy  # its name until 0.1

__all__ = [
    "BackendError",
    "BudgetError",
    "CapReached",
    "Document",
    "Explanation",
    "FunctionGame",
    "HeadGame",
    "InputError",
    "NothingMeasured",
    "Player",
    "PromptGame",
    "Pruned",
    "Question",
    "RagGame",
    "RateLimited",
    "Refused",
    "RequestPolicy",
    "RunningLoopError",
    "Spectrum",
    "SpexError",
    "Store",
    "StoreError",
    "Terms",
    "TrainingGame",
    "Unavailable",
    "acheck_sets",
    "aexplain",
    "aprune",
    "astream",
    "averify",
    "check_sets",
    "explain",
    "load_documents",
    "load_prompt",
    "open_backend",
    "prune",
    "verify",
]
