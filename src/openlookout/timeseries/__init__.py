"""Sensor readings: from CSV files to Parquet parts, statistics and an even grid. Knows streams, files and arrays only.

Imports nothing here: the API loads the pure modules of this package and must load neither numpy nor polars.
"""
