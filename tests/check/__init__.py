"""`lastcall check`: findings in source, and what is done with them."""
