#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
# A function that was written for API Gateway, called by gRPC. The gateway has the
# descriptors, so it answers reflection.
grpcurl -plaintext -d '{"station":"oslo"}' localhost:8080 weather.v1.Weather/GetReport
grpcurl -plaintext -d '{"station":"oslo","unit":"FAHRENHEIT"}' localhost:8080 weather.v1.Weather/GetReport

# Its 404 is NOT_FOUND.
grpcurl -plaintext -d '{"station":"atlantis"}' localhost:8080 weather.v1.Weather/GetReport

# A function that takes the message and returns the other one; and when it fails.
grpcurl -plaintext -d '{"temperatures":[1,2,6]}' localhost:8080 weather.v1.Weather/Average
grpcurl -plaintext localhost:8080 weather.v1.Weather/Average

# A function that streams: a message of the method is a line of it.
grpcurl -plaintext -d '{"station":"cairo","hours":2}' localhost:8080 weather.v1.Weather/Watch
grpcurl -plaintext -d '{"station":"atlantis","hours":2}' localhost:8080 weather.v1.Weather/Watch

# HTTP and JSON as for any other method: from JSON to a message, and to JSON for the function.
curl -s -w '\n' 'localhost:8080/v1/stations/oslo/report?unit=FAHRENHEIT'
curl -sN -H 'Accept: text/event-stream' 'localhost:8080/v1/stations/cairo/report:watch?hours=2'
curl -s -w '\n' localhost:8080/v1/stations/oslo/report?unit=KELVIN
LINES
