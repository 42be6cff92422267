"""The function that tries a model out: an image in, what ONNX Runtime makes of it out.

handler -> models (which, from S3) -> images (pixels) -> outputs (labels and boxes). The decoding is
training_job's own, so that a model sees here what it was evaluated on.
"""
