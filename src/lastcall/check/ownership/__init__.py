"""Who holds a session and who closes it, over the whole project."""
