"""The store of who may do what. Secrets come in whole and are kept as digests."""
