"""The log on Kafka: partitions, connections, topics, the collectors' and the stages' way onto it, and reading."""
