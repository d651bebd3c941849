"""One search over all that the console shows: ids in any table, and texts in what is searched for them."""
