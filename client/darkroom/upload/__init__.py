"""Uploading a folder: what is in it, what is missing, sending it, and labelling it."""
