"""A game whose players are the documents a model answered from, or their parts, and the question's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spexapi.backends.base import Reply, Scoring
from spexapi.errors import InputError
from spexapi.games._asked import Asked, Count, LayoutPrompt, token_spans
from spexapi.games._model_game import ModelGame, at_least_two, opened
from spexapi.games._settings import settings
from spexapi.games.base import Player, Target
from spexapi.prompts.inputs import Document, Documents, to_documents
from spexapi.prompts.render import Layout, Part, Turn, parts_of
from spexapi.prompts.segments import Segment, own_spans, shorten, split
from spexapi.sampling.policy import RequestPolicy
from spexapi.scorers.base import Scorer

DOCUMENT_UNITS = ("document", "paragraph", "line", "sentence", "word", "token")
_QUESTION = -1


class RagGame(ModelGame):
    """Which documents, or which parts of them, drive the answer to a question.

    The model reads one user turn: "Documents:", the documents that are kept, and "Question: ..." with an
    empty line between each two; a title stands on the line above its document's text.

    backend        what open_backend() gives, or its name
    documents      texts, {"id", "title", "text"} or Document; or a DataFrame with these columns
    answer         the answer to explain; None lets the model write it (greedy)
    unit           document, paragraph, line, sentence, word or token. A smaller unit than document takes the
                   title with the last part of its document. None: documents, or nothing besides `spans` if
                   those are given
    question_unit  word, sentence or token makes parts of the question players of the same game
    spans          players of the user's own: (document, start, end), numbered from 0, in that document's text
    pinned         numbers of documents that are never removed
    fixed_first    the question (unless parts of it are players) and the pinned documents before the others:
                   an endpoint with a prefix cache then reads that text once a run and not once a mask. Worth
                   it if that text is long and cached tokens cost less. It is another prompt: a model may
                   answer it otherwise
    system         a system turn before, never removed
    score          logprob, mean_logprob, logit, choice (needs `options`), match, chrf, ..., a plug-in or a
                   function of a Reply. None: choice with options, else logprob, or what the backend can
    masking        drop, placeholder (`placeholder`, or the backend's), or attention (local models)

    samples, terms    replies of one prompt for scores that read them; caps, limits and the store (Terms)

    Raises InputError naming what does not fit. Cost: one model call a mask (`samples` of them if replies
    are read), and one more to write the answer.
    """

    def __init__(
        self,
        backend: Scoring | str,
        question: str,
        documents: Documents,
        answer: str | None = None,
        unit: str | None = None,
        *,
        question_unit: str | None = None,
        system: str | None = None,
        score: str | Scorer | Callable[[Reply], float] | None = None,
        options: Sequence[str] | None = None,
        masking: str = "drop",
        placeholder: str | None = None,
        pinned: Sequence[int] = (),
        fixed_first: bool = False,
        spans: Sequence[tuple[int, int, int]] | None = None,
        max_new_tokens: int = 64,
        samples: int | None = None,
        terms: RequestPolicy = RequestPolicy(),  # noqa: B008 - frozen
    ) -> None:
        chosen = settings(answer, score, options, masking, placeholder, max_new_tokens, samples)
        if not question.strip():
            raise InputError("the question is empty: give the text the documents are to answer")
        model = opened(backend)
        cutter = _Cutter(
            question,
            to_documents(documents),
            unit=unit if unit is not None or spans else "document",
            question_unit=question_unit,
            fixed_first=fixed_first,
            pinned=pinned,
            spans=spans or (),
            tokens=lambda text: token_spans(model, text),
        )
        players, layout = cutter.cut(system)
        at_least_two(players, "give more documents, or use a smaller unit such as unit='sentence'")
        asked = Asked(LayoutPrompt(layout, players), chosen, to_shorten=cutter.to_shorten)
        target = Target(kind="rag", question=question, masking=masking)
        super().__init__(model, players, [asked], target, terms)


class _Cutter:
    """Cuts documents and a question into players. Raises InputError for what does not exist."""

    def __init__(
        self,
        question: str,
        documents: Sequence[Document],
        *,
        unit: str | None,
        question_unit: str | None,
        fixed_first: bool,
        pinned: Sequence[int],
        spans: Sequence[tuple[int, int, int]],
        tokens: Callable[[str], list[tuple[int, int]]],
    ) -> None:
        if unit is not None and unit not in DOCUMENT_UNITS:
            raise InputError(f"unknown unit {unit!r} of documents: use one of {', '.join(DOCUMENT_UNITS)}")
        self._question, self._documents, self._tokens = question, documents, tokens
        self._unit, self._question_unit, self._fixed_first = unit, question_unit, fixed_first
        self._pinned = {self._number(i) for i in pinned}
        self._spans: dict[int, list[tuple[int, int]]] = {}
        for number, start, end in spans:
            self._spans.setdefault(self._number(number), []).append((start, end))

    def cut(self, system: str | None) -> tuple[tuple[Player, ...], Layout]:
        players: list[Player] = []
        documents = list(enumerate(self._documents))
        if self._fixed_first:
            documents.sort(key=lambda pair: pair[0] not in self._pinned)
        asks_first = self._fixed_first and self._question_unit is None
        parts = [*self._asked(players), Part("\n\n")] if asks_first else []
        parts.append(Part("Documents:" + "\n\n" * (not asks_first), group=_QUESTION - 1))
        for number, document in documents:
            own = self._document(number, document, players)
            parts += _gap_first(own) if asks_first else own
        parts += [] if asks_first else self._asked(players)
        user = Turn("user", tuple(parts))
        turns = (Turn("system", (Part(system),)), user) if system else (user,)
        return tuple(players), Layout(turns, len(players))

    def _number(self, number: int) -> int:
        if not -len(self._documents) <= number < len(self._documents):
            raise InputError(
                f"there is no document {number}: {len(self._documents)} are given, numbered from 0"
            )
        return number % len(self._documents)

    def _asked(self, players: list[Player]) -> list[Part]:
        begin = Part("Question: ", group=_QUESTION - 2)
        return [begin, *self._segments(self._question, self._question_unit, players, _QUESTION)]

    def _document(self, number: int, document: Document, players: list[Player]) -> list[Part]:
        """One document with the empty line after it."""
        if number in self._pinned:
            return [Part(document.written + "\n\n", group=number)]
        if self._unit == "document" and number not in self._spans:
            players.append(Player(document.label, "document", document.written))
            return [
                Part(document.written + "\n\n", len(players) - 1, (0, len(document.written)), group=number)
            ]
        before = len(players)
        if number in self._spans:
            segments = own_spans(document.text, self._spans[number])
            body = self._as_players(document.text, segments, "span", players, number)
        else:
            body = self._segments(document.text, self._unit, players, number)
        # With text left between the user's spans the document never vanishes, so its title stays too.
        whole = all(part.player is not None for part in body)
        needs = tuple(range(before, len(players))) if whole else ()
        title = [Part(document.title + "\n", needs=needs, group=number)] if document.title else []
        # Another group: the end of the document's text is where its own last part ends.
        return [*title, *body, Part("\n\n", needs=needs, group=len(self._documents) + number)]

    def _segments(self, text: str, unit: str | None, players: list[Player], group: int) -> list[Part]:
        if unit is None:
            return [Part(text, group=group)]
        tokens = self._tokens(text) if unit == "token" else None
        return self._as_players(text, split(text, unit, token_spans=tokens), unit, players, group)

    def _as_players(
        self, text: str, segments: Sequence[Segment], kind: str, players: list[Player], group: int
    ) -> list[Part]:
        parts = parts_of(text, segments, len(players), group)
        for segment in segments:
            core = text[segment.core_start : segment.core_end]
            players.append(Player(shorten(core), kind, core))
        return parts

    def to_shorten(self, count: Count) -> str:
        """Names the longest document, if the backend can count its tokens."""
        counts = [count(document.written) for document in self._documents]
        known = [(tokens, i) for i, tokens in enumerate(counts, 1) if tokens is not None]
        if not known:
            return "; shorten the documents or give fewer"
        most, number = max(known, key=lambda pair: (pair[0], -pair[1]))
        label = self._documents[number - 1].label
        return (
            f". Document {number} of {len(counts)} ({label}) is the longest with {most:,} tokens: shorten it"
            " or give fewer documents"
        )


def _gap_first(parts: list[Part]) -> list[Part]:
    """A document with its empty line before it and not after it."""
    *rest, last = parts
    if last.text == "\n\n":
        return [last, *rest]
    core = (last.core[0] + 2, last.core[1] + 2) if last.player is not None else last.core
    return [*rest, replace(last, text="\n\n" + last.text.removesuffix("\n\n"), core=core)]
