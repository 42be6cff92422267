"""The worker of imports and exports: `python -m data_job`, a Batch job on Fargate."""
