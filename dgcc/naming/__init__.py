"""How masters and slaves meet: the ORB they start and the Naming Service they share."""
