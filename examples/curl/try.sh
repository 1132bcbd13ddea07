#!/bin/sh
# The REST API with curl, against a running server with the iris model.
# Usage: examples/curl/try.sh [url of the server]
set -eu
server=${1:-http://127.0.0.1:8000}
json='content-type: application/json'

echo '# one row'
curl -sS --fail-with-body "$server/api/v1/predict" -H "$json" -d '{"model": "iris", "features": [5.1, 3.5, 1.4, 0.2]}'
echo; echo '# many rows'
curl -sS --fail-with-body "$server/api/v1/predict/batch" -H "$json" \
  -d '{"model": "iris", "instances": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6, 2.5]]}'
echo; echo '# inputs and outputs by name'
curl -sS --fail-with-body "$server/api/v1/models/iris/predict" -H "$json" \
  -d '{"inputs": {"features": [[6, 2.7, 5.1, 1.6]]}, "outputs": ["probabilities"]}'
echo; echo '# the signature'
curl -sS --fail-with-body "$server/api/v1/models/iris"
echo; echo '# a mistake'
curl -sS "$server/api/v1/predict" -H "$json" -d '{"model": "iris", "features": [5.1, 3.5]}'
echo
