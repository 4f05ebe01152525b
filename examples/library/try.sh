#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
gateway=${1:-localhost:8080}

# run shows a command, with the default address, and what it prints.
run() {
  echo "$ ${*//$gateway/localhost:8080}"
  "$@" 2>&1
  echo
}

# Get, by either of two bindings; list, with parameters.
run curl -s "$gateway/v1/shelves/1"
run curl -s "$gateway/v1/isbn/9780375410673"
run curl -s "$gateway/v1/books?pageSize=1&filter.genre=SCIENCE&filter.authors=Alan%20Turing"

# A response body that is one field of the message.
run curl -s "$gateway/v1/shelves/1/books/1/labels"

# Create, change, lend, move, remove.
run curl -s "$gateway/v1/shelves" -d '{"theme":"Drama"}'
run curl -s "$gateway/v1/shelves/4/books" -d '{"title":"Antigone","authors":["Sophocles"],"genre":"FICTION","words":"11000"}'
run curl -s -X PATCH "$gateway/v1/shelves/4/books/1?updateMask=subtitle" -d '{"subtitle":""}'
run curl -s "$gateway/v1/shelves/4/books/1:checkout" -d '{"reader":"ada","period":"3600s"}'
run curl -s "$gateway/v1/shelves/4/books/1:checkout" -d '{"reader":"bob"}'
run curl -s -X POST "$gateway/v1/shelves/4/books/1:return"
run curl -s "$gateway/v1/shelves/4/books/1:move" -d '{"destination":"shelves/2"}'
run curl -s -X DELETE "$gateway/v1/shelves/4"
run curl -s -X DELETE "$gateway/v1/shelves/2"

# A stream, and one that fails: curl says that the answer is not whole.
run curl -s "$gateway/v1/shelves/3/books:stream"
run curl -sS "$gateway/v1/shelves/3/books:stream?failAfter=1"

# The route for api.example.com has a limit of its own and ignores a parameter.
run curl -s -H "Host: api.example.com" "$gateway/v1/shelves/1?utm_source=letter"
run curl -s "$gateway/v1/shelves/1?utm_source=letter"

# gRPC on the same port: every kind of call.
run grpcurl -plaintext "$gateway" list library.v1.Library
run grpcurl -plaintext "$gateway" describe library.v1.GetLabelsRequest
run grpcurl -plaintext -d '{"name":"shelves/1"}' "$gateway" library.v1.Library/GetShelf
run grpcurl -plaintext -d '{"parent":"shelves/1"}' "$gateway" library.v1.Library/StreamBooks
run grpcurl -plaintext -d '{"parent":"shelves/1","book":{"title":"A"}} {"book":{"title":"B"}}' "$gateway" library.v1.Library/ImportBooks
run grpcurl -plaintext -d '{"count":"POETRY"} {"title":"gawain"}' "$gateway" library.v1.Library/Ask
