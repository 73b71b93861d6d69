"""`make bench`: DGCC measured against make and the other farms, side by side; results in docs/benchmarks."""
