"""The training container: `python -m training_job` trains one session and writes down what came of it.

config -> manifest -> dataset -> model -> engine -> metrics sink -> report. Only sessions.py and
objects.py speak to AWS; the engine takes tensors and gives figures.
"""

from importlib.util import find_spec

if find_spec("torch"):  # the predictor, which decodes images with `pictures`, has none
    from .compiler import leave_compiler_out

    leave_compiler_out()
