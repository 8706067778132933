"""Which attention heads act together when an answer takes two documents? The embedded model, looked into.

The picture, heads.svg, has every head with its share, and arcs that join what acts in combination.

$ python examples/06_heads.py
32 heads, 300 selections of them asked 4 questions each
layer 0 head 0 + layer 0 head 6: stronger together
wrote heads.svg
"""

import spexapi

STORIES = [
    ("ring", "bag", "kitchen", "lamp", "attic"),
    ("coin", "box", "cellar", "map", "garden"),
    ("letter", "drawer", "office", "key", "hall"),
    ("watch", "basket", "garden", "ball", "kitchen"),
]
questions = [
    spexapi.Question(
        f"Documents:\n\nThe {other} is in the {elsewhere}.\n\nThe {thing} is in the {holder}.\n\n"
        f"The {holder} is in the {room}.\n\nQuestion: Which room is the {thing} in?",
        answer=room,
        options=(room, elsewhere, holder),
    )
    for thing, holder, room, other, elsewhere in STORIES
]

game = spexapi.HeadGame("embedded", questions)  # the value: the mean log-odds of the right answer
explanation = spexapi.explain(game, budget=300 * len(questions))

print(f"{len(game.players)} heads, 300 selections of them asked {len(questions)} questions each")
sure = [heads for heads, (low, high) in explanation.intervals.items() if low > 0 or high < 0]
pair = next(heads for heads, _ in explanation.top(100) if len(heads) == 2 and heads in sure)
print(f"{explanation.label(pair)}: {explanation.meaning(pair)}")
explanation.svg("heads.svg")
print("wrote heads.svg")
