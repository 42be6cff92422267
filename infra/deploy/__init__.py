"""From a checkout to a URL in the user's own AWS account, and back: `python -m infra.deploy`."""
