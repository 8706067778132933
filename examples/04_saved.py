"""A saved explanation opens again: another index, another reading, no new model call.

$ python examples/04_saved.py
either document is enough: True
and they share the credit: 50% and 50%
"""

import spexapi

documents = [
    "The coin is in the drawer.",
    "You will find the coin in the drawer.",
    "The drawer is in the hall.",
]
game = spexapi.RagGame(spexapi.open_backend("embedded"), "Where is the coin?", documents, answer="drawer")
spexapi.explain(game, budget=8).to_json("explanation.json")

opened = spexapi.Explanation.from_json("explanation.json")
pair = opened.values("moebius")[(0, 1)]
print("either document is enough:", pair < -1)
shapley = opened.values("sv")
first = shapley[(0,)] / (shapley[(0,)] + shapley[(1,)])
print(f"and they share the credit: {first:.0%} and {1 - first:.0%}")
