"""One run that test_training_resume.py kills: python retrained_run.py <log> <store> <out.json> <jobs>"""

import os
import sys
import time

import spexapi


def train(kept, seed):
    with open(sys.argv[1], "a") as log:  # one line a training, written at once
        log.write(f"{' '.join(map(str, kept))} seed {seed}\n")
        log.flush()
        os.fsync(log.fileno())
    time.sleep(0.01)
    return set(kept.tolist())


def measure(model):
    return 1.0 * ({1, 4} <= model) + 0.5 * bool({2, 7} & model)


def main(_, store, out, jobs):
    game = spexapi.TrainingGame(
        train, measure, 9, empty=0.0, noise=2, name="killed", store=store, jobs=int(jobs), batch=4
    )
    # far more than it trains before it is killed, however late that is
    spexapi.explain(game, engine="lime", budget=100 * int(jobs), seed=3).to_json(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
