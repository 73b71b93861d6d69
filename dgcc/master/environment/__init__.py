"""What a recipe needs of the master's system, as environments: compilers, plain tools, by content."""
