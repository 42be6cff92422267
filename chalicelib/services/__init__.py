"""The use-cases. They know the Protocols of `ports` and the contract, never boto3 or Chalice."""
