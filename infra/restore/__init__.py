"""Bringing a stage back to a moment: tables to a file and back, and what S3 has beside them.

docs/deploy.md says when and how; docs/adr/0025-restoring.md why.
"""
