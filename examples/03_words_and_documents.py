"""Documents and the words of the question as players of one game; the answer to explain is given.

$ python examples/03_words_and_documents.py
embedded scored 128 of 128 prompts
strongest: The lamp is in the attic. + lamp?
"""

import spexapi

documents = ["Anna has the ring.", "The lamp is in the attic.", "Tom is in the garden."]
game = spexapi.RagGame(
    spexapi.open_backend("embedded"), "Where is the lamp?", documents, answer="attic", question_unit="word"
)
explanation = spexapi.explain(game, budget=128)

interaction, strength = explanation.top(1)[0]
print(f"{game.backend_name} scored {explanation.cost.calls} of {2 ** len(game.players)} prompts")
print("strongest:", " + ".join(game.players[i].text for i in interaction))
