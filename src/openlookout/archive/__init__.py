"""Model versions as files: exported from one installation, imported into another, readable without either."""
