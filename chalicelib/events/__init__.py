"""What queues and schedules bring in."""
