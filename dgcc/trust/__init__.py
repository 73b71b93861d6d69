"""Who may do what in a farm: its authority, its certificates, and the roles that they give."""
