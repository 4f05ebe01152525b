#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
# The new service has this method.
curl -s -w '\n%{http_code} by %header{x-service}\n' localhost:8080/v1/shelves/1

# Its errors are answers: only UNIMPLEMENTED goes on.
curl -s -w '\n%{http_code} by %header{x-service}\n' localhost:8080/v1/shelves/9

# It does not implement these, so the old one answers. The body goes with the request.
curl -s -w '\n%{http_code} by %header{x-service}\n' localhost:8080/v1/shelves
curl -s -w '\n%{http_code} by %header{x-service}\n' localhost:8080/v1/shelves -d '{"theme":"Drama"}'

# This was never part of the new API.
curl -s -w '\n%{http_code} by %header{x-service}\n' localhost:8080/v1/opening-hours

# The old service does not have it either: that is its answer.
curl -s -w '%{http_code}\n' -X DELETE localhost:8080/v1/shelves/1

# The gateway's own errors do not go on: the .proto file has no such field.
curl -s localhost:8080/v1/shelves -d '{"colour":"red"}'

# Native gRPC has nowhere else to go: the old service's route is for /v1 alone.
grpcurl -plaintext -d '{"name":"shelves/1"}' localhost:8080 library.v1.Library/GetShelf
grpcurl -plaintext localhost:8080 library.v1.Library/ListShelves
LINES
