"""The web console: server-rendered pages over the same 49 functions as the wire, and read ports for pictures."""
