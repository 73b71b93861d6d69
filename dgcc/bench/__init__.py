"""`make bench`: DGCC measured against make and the other farms, side by side on one machine; results in docs/benchmarks."""
