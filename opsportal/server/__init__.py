"""The web server's own part: gunicorn's worker, changed so that slow peers hold no thread."""
