"""The training container: `python -m training_job` trains one session and writes down what came of it.

config -> manifest -> dataset -> model -> engine -> metrics sink -> report. Only sessions.py and
objects.py speak to AWS; the engine takes tensors and gives figures.
"""
