"""What `make bench` runs: the product's own figures, each against its bound."""
