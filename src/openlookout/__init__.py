"""Amazon Lookout for Equipment, self-hosted: the same 49 operations, with real detection behind them."""
