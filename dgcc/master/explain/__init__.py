"""What DGCC would do with one target, and why; without a farm, and without building anything."""

from dgcc.master.explain.ask import ExplainError, Recipe, ask
from dgcc.master.explain.tell import Explanation, as_json, as_text, explain

__all__ = ["ExplainError", "Explanation", "Recipe", "as_json", "as_text", "ask", "explain"]
