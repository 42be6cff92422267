"""What a cold start and a warm request cost, beside a bare app and three peers."""
