"""The judge: talks to an endpoint, compares with the service's definition, and knows nothing of what answers."""
