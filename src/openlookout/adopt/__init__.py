"""What the service that ended left behind: read, planned, made again under the same names, and compared."""
