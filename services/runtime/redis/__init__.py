"""State in Redis: what each stage keeps, what others look up of it, what all workers share. Guide: docs/redis.md."""
