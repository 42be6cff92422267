"""DynamoDB, S3, AWS Batch, Pillow, argon2 and JWT, each behind a Protocol of services/*ports.py."""
