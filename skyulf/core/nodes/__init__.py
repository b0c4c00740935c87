"""The steps of a pipeline, one module per family; a class that stands here is a step that can be asked for."""
