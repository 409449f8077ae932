"""The pages, one module an area; importing a module registers its pages."""
