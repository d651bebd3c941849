"""Alerts: rules that the worker evaluates, and signed webhooks that notify of what they find. Knows no app: the apps
register what can be watched (`watches`)."""
