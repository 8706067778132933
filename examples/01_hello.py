"""A function of eight switches, explained: which ones matter, and which only together.

$ python examples/01_hello.py
engine exact, R² 1.00
+3.00  alarm + armed
+1.00  light
-0.50  fan
"""

import numpy as np

import spexapi


def value(masks: np.ndarray) -> np.ndarray:
    """(m, 8) bool -> (m,) float: any function of which players are kept."""
    alarm, armed, light, fan = masks[:, 0], masks[:, 1], masks[:, 2], masks[:, 3]
    return 3.0 * (alarm & armed) + 1.0 * light - 0.5 * fan


players = ["alarm", "armed", "light", "fan", "radio", "clock", "door", "window"]
explanation = spexapi.explain(spexapi.FunctionGame(value, players=players), budget=256, index="moebius")

print(f"engine {explanation.audit.method}, R² {explanation.audit.r2:.2f}")
for interaction, strength in explanation.top(3):
    print(f"{strength:+.2f}  {explanation.label(interaction)}")
