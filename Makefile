# `make` builds, tests and lints. `make help` lists what else there is.
#
# Tools are pinned in tools/go.mod; go builds them when they are first needed,
# which takes some minutes once.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

GO ?= go
TOOL ?= $(GO) tool -modfile=tools/go.mod
BUF ?= $(TOOL) buf
GOLANGCI_LINT ?= $(TOOL) golangci-lint

# What tests and benchmarks are run of: PKGS=./route/...
PKGS ?= ./...
# Further flags for go test: TESTFLAGS='-run TestMatch -count 3'
TESTFLAGS ?=
# How long each fuzz target runs.
FUZZTIME ?= 30s
# What the configuration schema must stay compatible with.
AGAINST ?= main

# Test output becomes a line for each package, what failed, and a count at the end.
SUM = | $(GO) run ./internal/testsum

.PHONY: all
all: build test lint ## Build, test and lint (the default)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.PHONY: build
build: ## Build the commands into bin/
	$(GO) build -trimpath -o bin/ ./cmd/...

.PHONY: test
test: ## Run the tests
	$(GO) test -json $(TESTFLAGS) $(PKGS) $(SUM)

.PHONY: race
race: ## Run the tests with the race detector
	$(GO) test -json -race $(TESTFLAGS) $(PKGS) $(SUM)

.PHONY: cover
cover: ## Run the tests and show the coverage of each function
	$(GO) test -json -coverprofile=cover.prof -coverpkg=./... $(TESTFLAGS) $(PKGS) $(SUM)
	$(GO) tool cover -func=cover.prof

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list $(PKGS)); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

.PHONY: bench
bench: bench-packages bench-gateway bench-streams bench-files bench-transforms bench-forward ## Run all benchmarks

.PHONY: bench-packages
bench-packages: ## Run the benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem $(TESTFLAGS) $(PKGS)

.PHONY: bench-gateway
bench-gateway: ## Measure the whole gateway beside a plain reverse proxy
	$(GO) run ./internal/bench

.PHONY: bench-streams
bench-streams: ## Measure streams of small messages beside a reverse proxy and protojson
	$(GO) run ./internal/bench -streams -rounds 5

.PHONY: bench-files
bench-files: ## Measure downloads and uploads beside a reverse proxy
	$(GO) run ./internal/bench -files -rounds 5

.PHONY: bench-transforms
bench-transforms: ## Measure routes with jq programs beside the same routes without
	$(GO) run ./internal/bench -transforms -rounds 15 -time 800ms

.PHONY: bench-forward
bench-forward: ## Measure routes that forward beside a reverse proxy
	$(GO) run ./internal/bench -forward -rounds 9 -time 1s

.PHONY: soak
soak: ## Run 1,000 streams at once and files of 1 GiB through the gateway, some minutes
	DRAGOMAN_FILE_MIB=1024 $(GO) test -count 1 -v -timeout 30m \
		-run 'TestManyStreams|TestStalledReaders|TestSlowReader|TestFilesInFlatMemory|TestTransferBuffers' ./internal/e2e -e2e.streams 1000

.PHONY: conformance
conformance: ## Install and run protobuf's conformance suite
	internal/conformance/install.sh
	$(GO) test -count 1 -v -run 'TestConformance' ./internal/conformance

.PHONY: npm
npm: ## Install programs of npm that serve functions (300 MB), and run their tests
	internal/npmtest/install.sh
	$(GO) test -count 1 -v ./internal/npmtest

.PHONY: interop
interop: ## Run gRPC's interop cases through the gateway
	$(GO) test -count 1 -v -run 'Interop' ./internal/e2e

.PHONY: lint
lint: lint-go lint-proto ## Run all linters

.PHONY: lint-go
lint-go:
	$(GOLANGCI_LINT) run

# The first commit with a schema has nothing to stay compatible with.
.PHONY: lint-proto
lint-proto:
	$(BUF) lint
	$(BUF) format proto --diff --exit-code
	@if git cat-file -e '$(AGAINST):buf.yaml' 2>/dev/null; then \
		echo "$(BUF) breaking --against .git#ref=$$(git rev-parse $(AGAINST))"; \
		$(BUF) breaking --against ".git#ref=$$(git rev-parse $(AGAINST))"; \
	else \
		echo 'buf breaking: no schema in $(AGAINST) to compare with'; \
	fi

.PHONY: generate
generate: ## Generate gen/ anew
	$(BUF) generate

.PHONY: check-generated
check-generated: ## Check that gen/ is what generate makes
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	$(BUF) generate --output "$$dir"; \
	if ! diff -r "$$dir/gen" gen; then \
		echo 'gen/ is not current: run make generate' >&2; \
		exit 1; \
	fi

.PHONY: clean
clean: ## Remove what was built, not what was installed
	rm -rf bin cover.prof
