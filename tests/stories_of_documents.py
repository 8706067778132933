"""Stories of documents: what a planted reader answers with each set of them kept."""

from __future__ import annotations

from collections.abc import Mapping

from planted_reader import Kept, Reader, Rule

import spexapi

KEY = (
    "The lamp is in the attic.",
    "The key is in the red box.",
    "Mary has the old map.",
    "The red box is in the cellar.",
    "The cat sleeps on the sofa.",
)
WHERE = "Which room is the key in?"
MAP = (
    "The letter says that the treasure lies where the map ends.",
    "The map ends at the old mill.",
    "The old mill stands on Gull Island.",
    "Gull Island lies in the north bay.",
    "The captain had a green parrot.",
    "No ship sails on Sundays.",
)
BAY = "In which bay is the treasure?"
CAPITAL = (
    "Canberra is the capital of Australia.",
    "Sydney is the largest city of Australia.",
    "The parliament of Australia sits in Canberra.",
    "Koalas sleep twenty hours a day.",
)
CITY = "What is the capital of Australia?"
HOTEL = (
    "The rooms are clean and quiet.",
    "The breakfast was cold.",
    "The staff was rude to us.",
    "The view of the lake is lovely.",
)
LIKED = "Did the guest like the hotel?"
ALIBI = tuple(
    f"{who} saw Tom at the {place}."
    for who, place in zip(
        ("Anna", "Ben", "Carla", "David", "Emma", "Felix", "Greta", "Henry"),
        ("market", "station", "harbour", "bakery", "church", "bridge", "school", "library"),
        strict=True,
    )
)
IN_TOWN = "Was Tom in town?"

_RUN = ("engine", "index", "claims", "should_stop", "max_order", "seed", "held_out")


def answered(
    texts: tuple[str, ...],
    rule: Rule,
    question: str,
    answer: str | None = None,
    *,
    budget: int = 64,
    **rest: object,
) -> spexapi.Explanation:
    run = {key: rest.pop(key) for key in _RUN if key in rest}
    reader = Reader(texts, rule, **{key: rest.pop(key) for key in ("ranks", "fails") if key in rest})
    game = spexapi.RagGame(reader, question, texts, answer, **rest)
    return spexapi.explain(game, budget=budget, **run)


def between(answer: str, other: str, chance: float) -> Mapping[str, float]:
    """Two answers that share what there is; the likelier is written."""
    both = {answer: chance, other: 1 - chance}
    return dict(sorted(both.items(), key=lambda each: -each[1]))


def one_document() -> spexapi.Explanation:
    rule = lambda kept: between("Canberra", "Sydney", 0.9375 if 0 in kept else 0.0625)  # noqa: E731
    return answered(CAPITAL[:2] + CAPITAL[3:], rule, CITY)


def one_document_of_an_endpoint_that_tells_likelihoods_only() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        return {"Canberra": 0.9375 if 0 in kept else 0.375 if 2 in kept else 0.03125}

    return answered(CAPITAL, rule, CITY, "Canberra", ranks=False)


def two_documents_together() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        if {1, 3} <= kept:
            return {"the cellar": 0.9375}
        return {
            "the red box" if 1 in kept else "the attic": 0.75,
            "the cellar": 0.25 if 3 in kept else 0.0625,
        }

    return answered(KEY, rule, WHERE)


def two_documents_together_but_others_stand_in() -> spexapi.Explanation:
    texts = (*KEY[:4], "Tom put the key next to the wine.", "The wine is in the cellar.")

    def rule(kept: Kept) -> Mapping[str, float]:
        return between("the cellar", "the attic", 0.875 if {1, 3} <= kept or {4, 5} <= kept else 0.125)

    return answered(texts, rule, WHERE)


def two_documents_each_adding_its_part() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        return {"bad": 0.0625 * 4 ** ((1 in kept) + (2 in kept)) * 0.9375}

    return answered(HOTEL, rule, "How was the stay, good or bad?", "bad", ranks=False)


def three_documents_together() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        if {1, 2, 3} <= kept:
            return {"the north bay": 0.9375}
        return {"at the old mill" if 1 in kept else "I do not know": 0.75, "the north bay": 0.125}

    return answered(MAP, rule, BAY)


def four_documents_together() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        found = {0, 1, 2, 3} <= kept
        return between("the north bay", "the south bay", 0.9375 if found else 0.25 if 3 in kept else 0.0625)

    return answered(MAP, rule, BAY)


def either_document() -> spexapi.Explanation:
    rule = lambda kept: between("Canberra", "Sydney", 0.9375 if kept & {0, 2} else 0.0625)  # noqa: E731
    return answered(CAPITAL, rule, CITY)


def either_document_or_two_others() -> spexapi.Explanation:
    texts = (*CAPITAL, "The parliament sits in the capital.", "The senate meets in the parliament.")

    def rule(kept: Kept) -> Mapping[str, float]:
        found = kept & {0, 3} or {2, 4} <= kept
        return between("Canberra", "Sydney", 0.9375 if found else 0.0625)

    return answered((*texts[:3], "Canberra was built as the capital.", *texts[4:]), rule, CITY)


def any_of_three_documents() -> spexapi.Explanation:
    texts = (*CAPITAL[:3], "The embassies are in Canberra, the capital.", CAPITAL[3])
    rule = lambda kept: between("Canberra", "Sydney", 0.9375 if kept & {0, 2, 3} else 0.0625)  # noqa: E731
    return answered(texts, rule, CITY)


def nothing_is_needed() -> spexapi.Explanation:
    return answered(CAPITAL[:2], lambda _: {"Paris": 0.96875}, "What is the capital of France?")


def nothing_is_needed_but_it_is_likelier_with_documents() -> spexapi.Explanation:
    rule = lambda kept: {"Canberra": 0.9375 if 0 in kept else 0.625, "Sydney": 0.03125}  # noqa: E731
    return answered(CAPITAL, rule, CITY)


def spread_over_many_documents() -> spexapi.Explanation:
    rule = lambda kept: between("yes", "no", 0.9375 if len(kept) > 5 else (1 + len(kept)) / 16)  # noqa: E731
    return answered(ALIBI, rule, IN_TOWN, budget=256)


def spread_over_a_few_of_many_documents() -> spexapi.Explanation:
    texts = tuple(f"Note {i + 1}: {text}" for i, text in enumerate(ALIBI + ALIBI[:2]))

    def rule(kept: Kept) -> Mapping[str, float]:
        return between("yes", "no", 0.9375 if set(range(1, 6)) <= kept else 0.0625 + len(kept & {2, 3}) / 16)

    return answered(texts, rule, IN_TOWN, budget=1024)


def documents_for_and_against() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        return {"yes": 0.125 * 6.0 ** (len(kept & {0, 3}) > 0) / 6.0 ** (len(kept & {1, 2}) > 0)}

    return answered(HOTEL, rule, LIKED, "yes", ranks=False)


def documents_that_speak_against_the_answer() -> spexapi.Explanation:
    rule = lambda kept: between("yes", "no", 0.75 / 4 ** len(kept & {1, 2}))  # noqa: E731
    return answered(HOTEL, rule, LIKED, "yes")


def a_document_against_the_two_that_are_needed() -> spexapi.Explanation:
    texts = (*KEY[:4], "Some say that the key is lost.")

    def rule(kept: Kept) -> Mapping[str, float]:
        high = 0.59375 if 4 in kept else 0.96875
        return between("the cellar", "the attic", high if {1, 3} <= kept else 0.0625)

    return answered(texts, rule, WHERE)


def close() -> spexapi.Explanation:
    # two words: what stays is sqrt(2) ln 2 = 0.98 nats below; the key alone lies 0.90 below
    def rule(kept: Kept) -> Mapping[str, float]:
        whole = 0.9375 if {1, 3} <= kept else 0.59765625 if 1 in kept else 0.0625
        return {"the cellar": whole}

    return answered(KEY, rule, WHERE, "the cellar", ranks=False)


def choice_of_two() -> spexapi.Explanation:
    rule = lambda kept: between("negative", "positive", 0.9375 if 2 in kept else 0.125)  # noqa: E731
    return answered(HOTEL, rule, "Is the review positive?", "negative", options=["negative", "positive"])


def choice_of_three() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        if {1, 2} <= kept:
            return {"bad": 0.875, "good": 0.0625, "mixed": 0.0625}
        return {"mixed": 0.5, "good": 0.375, "bad": 0.125}

    return answered(HOTEL, rule, "How was the stay?", "bad", options=["bad", "good", "mixed"])


def choice_that_the_model_would_not_make() -> spexapi.Explanation:
    rule = lambda kept: between("positive", "negative", 0.375 if 0 in kept else 0.0625)  # noqa: E731
    return answered(HOTEL, rule, "Is the review positive?", "positive", options=["negative", "positive"])


def given_answer_that_the_model_would_not_say() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        return {"the cellar": 0.9375, "the garden": 0.03125 if 2 in kept else 0.00390625}

    return answered(KEY, rule, WHERE, "the garden")


def generated_answer_that_the_model_does_not_stand_behind() -> spexapi.Explanation:
    def rule(kept: Kept) -> Mapping[str, float]:
        return {"a red parrot": 0.125 if 4 in kept else 0.03125, "a green cat": 0.0625}

    return answered(MAP, rule, "What did the sailor bring?")


def long_answer() -> spexapi.Explanation:
    said = "Anna works at the North Institute, which is led by Professor Keller"

    def rule(kept: Kept) -> Mapping[str, object]:
        where = 0.9375 if 0 in kept else 0.125
        who = 0.9375 if {0, 1} <= kept else 0.0625
        words = [0.96875] * 4 + [where] * 2 + [0.96875] * 4 + [who] * 2
        institute = "North Institute" if 0 in kept else "city hospital"
        led = "Professor Keller" if {0, 1} <= kept else "Doctor Lang"
        return {f"Anna works at the {institute}, which is led by {led}": words, said: words}

    texts = ("Anna works at the North Institute.", "Professor Keller leads the North Institute.", *KEY[2:4])
    return answered(texts, rule, "Where does Anna work, and who leads it?")


def span_of_a_long_answer() -> spexapi.Explanation:
    whole = long_answer()
    start = whole.target.answer.index("Professor Keller")
    return whole.span(start, start + len("Professor Keller"))
