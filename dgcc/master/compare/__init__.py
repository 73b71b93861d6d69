"""What a slave made of a recipe beside what this machine makes of it: every difference, and where it begins."""

from dgcc.master.compare.outputs import Difference, Made, describe, differences, ending, made_of, printed

__all__ = ["Difference", "Made", "describe", "differences", "ending", "made_of", "printed"]
