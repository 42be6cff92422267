"""What Lambda and the training container agree on; standard library only.

Both sides read the same attribute names, key builders, states, records and errors from here, so
neither can drift from the other. Nothing in here does I/O.
"""
