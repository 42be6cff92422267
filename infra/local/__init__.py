"""The embedded AWS: Darkroom on one machine, with no AWS account.

moto keeps the state, `infra/template.yaml` says what there is, and the modules here add what moto
lacks. Nothing in chalicelib/ or training_job/ knows of it: they see only AWS_ENDPOINT_URL.
"""
