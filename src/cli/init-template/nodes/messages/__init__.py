"""The records of the topics, for all nodes: records.json."""
