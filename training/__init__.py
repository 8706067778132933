"""How the embedded reader is made: worlds with a known truth, a tokenizer, a training run, an evaluation."""
