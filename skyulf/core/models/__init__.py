"""The models at a pipeline's end, one module per family; a class that stands here can be asked for."""
