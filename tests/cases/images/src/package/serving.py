import json
from os.path import join as score

try:

    def predict(body):
        return json.loads(body)
finally:
    pass
