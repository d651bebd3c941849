"""What the console tells of itself to whoever runs it: metrics, logs, crashes. It knows no app."""
