"""What the console reports of itself to whoever runs it: metrics, logs, crashes. It knows no app."""
