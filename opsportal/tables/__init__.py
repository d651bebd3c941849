"""The tables themselves: migrate, verify, diagnose and price them, from the command line and on a page."""
