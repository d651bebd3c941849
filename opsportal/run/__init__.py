"""`make run`: the console, its engine and its simulator as one program that stops as one.

``python -m opsportal.run``. Read from the environment, all optional: PORT, ENGINE_PORT, DATA_DIR,
DEMO_PASSWORD, SIMULATE, DEMO, OPSPORTAL_ENGINE (dynoxide, moto or aws; without it dynoxide, else moto)
and AWS_ENDPOINT_URL_DYNAMODB (as aws, at another endpoint).
"""
