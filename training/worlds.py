"""Small worlds with a known truth: documents, questions, answers, and which documents an answer needs.

A world is a list of facts, each told by one document. The truth of a question is worked out from the
documents that are kept, in their order: a later document about the same thing overrides an earlier one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from training import names, words
from training.words import UNKNOWN, Draws

KINDS = ("one", "two", "either", "overridden", "unknown")
_NOT_ROOMS = frozenset((*names.CONTAINERS, *names.PEOPLE, *names.THINGS))


@dataclass(frozen=True, slots=True)
class Question:
    """A question whose answer is known; `needed`: the documents it takes (for "either" each suffices)."""

    kind: str
    documents: list[str]
    question: str
    answer: str
    needed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """`subject` is at `place`; `held` where the place is a person who has it. Damaged facts say nothing."""

    subject: str
    place: str
    held: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A question before its truth is known: about `subject`, in one of the forms "where", "room", "who"."""

    subject: str
    form: str


@dataclass(slots=True)
class Style:
    """How varied the worlds are; training starts plain and widens.

    few        only the first names of each role
    patterns   how many of each list of sentence patterns are used (the first is the plain one)
    facts      fewest and most documents of a world
    two_hop    share of things put in containers or in hands rather than straight into rooms
    chains     share of worlds of nothing but chains: each thing with a place of its own, each place in a room
    """

    few: bool = False
    patterns: int = 99
    facts: tuple[int, int] = (2, 12)
    two_hop: float = 0.6
    chains: float = 0.0
    made_up: float = 0.3
    short: float = 0.0
    again: float = 0.12
    override: float = 0.12
    chatter: float = 0.05
    untidy: float = 0.3


@dataclass(slots=True)
class World:
    """Facts in telling order (None: chatter) with their documents, and the names by their role."""

    facts: list[Fact | None] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    things: list[str] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    rooms: list[str] = field(default_factory=list)


def held_out(subject: str, place: str) -> bool:
    """One pair in ten is never told in training; questions for the evaluation need such pairs only."""
    return zlib.crc32(f"{subject} {place}".encode()) % 10 == 0


def answer(facts: Sequence[Fact | None], asked: Asked) -> str:
    """The truth, from the facts of the kept documents in order.

    "where": the last told place. "who": the holder, if the last told place is one. "room": the end of the
    chain of places; "unknown" when that end is known to be no room.
    """
    last: dict[str, Fact] = {fact.subject: fact for fact in facts if fact is not None}
    fact = last.get(asked.subject)
    if fact is None:
        return UNKNOWN
    if asked.form == "where":
        return fact.place
    if asked.form == "who":
        return fact.place if fact.held else UNKNOWN
    for _ in range(4):
        further = last.get(fact.place)
        if further is None:
            return UNKNOWN if fact.held or fact.place in _NOT_ROOMS else fact.place
        fact = further
    return UNKNOWN


def _some(draws: Draws, known: Sequence[str], n: int, made_up: float, short: float = 0.0) -> list[str]:
    """n different names, each made up with the given chance."""
    found: list[str] = []
    while len(found) < n:
        word = words.made_up_word(draws, short) if draws.unit() < made_up else draws.pick(known)
        if word not in found:
            found.append(word)
    return found


def draw_world(draws: Draws, style: Style, n_facts: int, made_up: float) -> World:
    """n_facts documents about things in containers, in hands and in rooms; pairs held out are never told."""
    world = World()
    chained = style.chains > 0.0 and draws.unit() < style.chains
    n_places = max(1, n_facts // 3 if chained else round(n_facts * 0.3))
    n_holders = max(1, n_places * 2 // 3)
    taken: set[str] = set()
    for role, drawn, n in (
        ("things", world.things, max(1, n_facts * 2 // 3)),
        ("containers", world.containers, n_places),
        ("people", world.people, n_holders),
        ("rooms", world.rooms, n_facts if chained else 2 + n_places),
    ):
        found = _some(draws, names.known(role, few=style.few), n, made_up, style.short)
        drawn += [name for name in found if name not in taken]
        taken.update(drawn)
    facts = (_chains if chained else _facts)(draws, style, world, n_facts)
    draws.shuffle(facts)
    for fact in facts:
        world.facts.append(fact)
        world.documents.append(tell(draws, style, world, fact))
    return world


def _chains(draws: Draws, style: Style, world: World, n: int) -> list[Fact | None]:
    """Two facts a chain; where a chain would tell a held-out pair, it is left out."""
    movers = world.containers + world.people
    draws.shuffle(movers)
    facts: list[Fact | None] = []
    for thing, mover in zip(world.things, movers, strict=False):
        chain = (Fact(thing, mover, held=mover in world.people), Fact(mover, draws.pick(world.rooms)))
        if len(facts) + 2 <= n and not any(held_out(fact.subject, fact.place) for fact in chain):
            facts += chain
    return facts + _facts(draws, style, world, n - len(facts))


def _facts(draws: Draws, style: Style, world: World, n: int) -> list[Fact | None]:
    facts: list[Fact | None] = []
    for _ in range(20 * n):
        if len(facts) >= n:
            break
        u = draws.unit()
        if u < style.chatter:
            facts.append(None)
        elif facts and u < style.chatter + style.again:
            facts.append(draws.pick(facts))
        else:
            fact = _fact(draws, style, world)
            moved = any(old is not None and old.subject == fact.subject for old in facts)
            if not held_out(fact.subject, fact.place) and (not moved or draws.unit() < style.override):
                facts.append(fact)
    return facts


def _fact(draws: Draws, style: Style, world: World) -> Fact:
    """A thing somewhere or, as often as two hops need it, a container or a person in a room."""
    movers = world.containers + world.people
    if movers and world.rooms and draws.unit() < 0.5 * style.two_hop + 0.1:
        return Fact(draws.pick(movers), draws.pick(world.rooms))
    thing = draws.pick(world.things)
    if movers and (not world.rooms or draws.unit() < style.two_hop):
        place = draws.pick(movers)
        return Fact(thing, place, held=place in world.people)
    return Fact(thing, draws.pick(world.rooms or world.containers))


def tell(draws: Draws, style: Style, world: World, fact: Fact | None) -> str:
    """One document: the fact in one of the patterns."""
    if fact is None:
        return draws.pick(words.CHATTER)
    if fact.held:
        frames = words.HELD
        place = fact.place
    else:
        frames = words.PERSON_IN if fact.subject in world.people else words.THING_IN
        place = named(draws, style, world, fact.place)
    frame = draws.pick(frames[: style.patterns])
    text = frame.format(s=named(draws, style, world, fact.subject), p=place, h=fact.place)
    return text[:-2] if draws.unit() < 0.1 * style.untidy else text


def named(draws: Draws, style: Style, world: World, name: str) -> str:
    """People go by their name; other things mostly by "the"."""
    if name in world.people:
        return name
    return (
        ("my ", "a ", "our ", "")[draws.below(4)] + name
        if draws.unit() < 0.2 * style.untidy
        else "the " + name
    )


def ask(draws: Draws, style: Style, world: World, asked: Asked) -> str:
    """The question in words."""
    frames = {"where": words.WHERE, "room": words.WHICH_ROOM, "who": words.WHO}[asked.form]
    subject = asked.subject if asked.subject in world.people else f"the {asked.subject}"
    text = draws.pick(frames[: style.patterns]).format(s=subject)
    return text[:-2] if draws.unit() < 0.1 * style.untidy else text


# ---- evaluation: questions of one kind, built around the documents they need


def questions(
    kind: str,
    seed: int,
    count: int,
    *,
    held_out: bool = True,
    made_up: bool = False,
    n_documents: tuple[int, int] = (4, 12),
    style: Style | None = None,
) -> Iterator[Question]:
    """Questions of one kind; with `held_out` every needed fact is a pair never told in training."""
    draws = Draws((seed, KINDS.index(kind), int(made_up)))
    style = style or Style()
    found = 0
    while found < count:
        low, high = n_documents
        built = _build(
            draws, style, kind, low + draws.below(high - low + 1), held_out, 1.0 if made_up else 0.0
        )
        if built is not None:
            found += 1
            yield built


def _build(draws: Draws, style: Style, kind: str, n: int, new_pairs: bool, made_up: float) -> Question | None:
    """One try: the core facts of the kind among distractors about other things; None if it failed."""
    world = draw_world(draws, style, max(n, 2), made_up)
    core, asked = _core(draws, style, kind, world, made_up)
    if new_pairs and made_up == 0.0 and not all(held_out(fact.subject, fact.place) for fact in core):
        return None
    own = {asked.subject, *(fact.subject for fact in core)}
    rest = [
        (f, d) for f, d in zip(world.facts, world.documents, strict=True) if f is None or f.subject not in own
    ]
    rest = rest[: n - len(core)]
    if len(rest) < n - len(core):
        return None
    places = sorted(_sample(draws, n, len(core)))
    facts: list[Fact | None] = [fact for fact, _ in rest]
    documents = [document for _, document in rest]
    order = list(core)
    if kind == "two":
        draws.shuffle(order)
    for place, fact in zip(places, order, strict=True):
        facts.insert(place, fact)
        documents.insert(place, tell(draws, style, world, fact))
    if kind == "either" and len({documents[i] for i in places}) == 1 and style.patterns > 1:
        return None
    truth = answer(facts, asked)
    expected = UNKNOWN if kind == "unknown" else core[-1].place
    if truth != expected:
        return None
    needed = {"overridden": tuple(places[-1:]), "unknown": ()}.get(kind, tuple(places))
    return Question(kind, documents, ask(draws, style, world, asked), truth, needed)


def _sample(draws: Draws, n: int, k: int) -> list[int]:
    order = list(range(n))
    draws.shuffle(order)
    return order[:k]


def _core(draws: Draws, style: Style, kind: str, world: World, made_up: float) -> tuple[list[Fact], Asked]:
    """The facts a question of this kind turns on, and the question."""
    role = "people" if (holder := draws.unit() < 0.4 and bool(world.people)) else "containers"
    [thing], [mover], rooms = (
        _some(draws, names.known(each, few=style.few), n, made_up)
        for each, n in (("things", 1), (role, 1), ("rooms", 2))
    )
    if holder and mover not in world.people:
        world.people.append(mover)
    put = Fact(thing, mover, held=holder)
    if kind == "two":
        return [put, Fact(mover, rooms[0])], Asked(thing, "room")
    if kind == "unknown":
        broken = draws.below(3)
        core = [[], [put], [Fact(mover, rooms[0])]][broken]
        if broken == 1 and made_up:
            return [], Asked(thing, "room")
        return core, Asked(thing, "room" if broken == 1 else draws.pick(("where", "room", "who")))
    direct = Fact(thing, rooms[0])
    fact, form = draws.pick(((put, "who" if holder else "where"), (direct, "where"), (direct, "room")))
    if kind == "overridden":
        other = Fact(thing, rooms[1])
        return [other, fact], Asked(thing, form)
    return [fact, fact] if kind == "either" else [fact], Asked(thing, form)
