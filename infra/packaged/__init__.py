"""What `infra.package` made, run as Lambda and API Gateway run it, on the embedded AWS."""
