"""The verdict on a recipe: may it travel, and why. Pure: nothing here touches more than the World it is given."""
