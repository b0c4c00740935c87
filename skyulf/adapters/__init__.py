"""The only folder that talks to databases, brokers and object stores; only ``runtime`` imports it."""
