"""Request and response models, per noun: neither the rows nor the events."""
