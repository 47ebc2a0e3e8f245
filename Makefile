# docker loom. `make help` lists the targets.
#
# Targets that need a Docker engine use the one that the docker client reaches. If there is none, scripts/with-engine
# gives them a private one that ends with them (root on Debian or Ubuntu).

SHELL := /bin/bash

VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)
MODULE := github.com/docker-loom/docker-loom
PLUGINS := $(or $(DOCKER_CONFIG),$(HOME)/.docker)/cli-plugins
EXE := $(shell go env GOEXE)

# No VCS stamping: it fails where the work tree belongs to another user, and the version is given below.
export GOFLAGS := $(strip $(shell go env GOFLAGS) -buildvcs=false)

# Compose puts its own version on every container as a label, and leaves it empty unless it is told.
COMPOSE_VERSION = $(shell go list -m -f '{{.Version}}' github.com/docker/compose/v2)
LDFLAGS = -s -w -X $(MODULE)/cmd/docker-loom/metadata.Version=$(VERSION) -X github.com/docker/compose/v2/internal.Version=$(COMPOSE_VERSION)
BUILD_FLAGS = -trimpath -ldflags '$(LDFLAGS)'
# Without cgo everywhere; on macOS that needs a word more.
GO := $(if $(filter darwin,$(shell go env GOOS)),scripts/go-darwin,CGO_ENABLED=0 go)

# -r: the engine that is there, if one is. -n: builds reach the network. -s: with base images.
WITH_ENGINE := scripts/with-engine -r -n -s
# Whether private engines can be had here, for what is run on them only. Never passed over in CI.
PRIVATE_ENGINES := $(shell if [ "$$CI" = true ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; }; then echo yes; fi)

# Which end-to-end tests: a go test -run pattern.
E2E ?= .
E2E_20 ?= .
E2E_TIMEOUT ?= 90m
E2E_PACKAGES := ./e2e/... ./internal/devbox/... ./internal/engine/... ./internal/image/... ./internal/loom/... ./overrides/... ./internal/sandbox/...

LINT_VERSION := v2.15.0
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/docker-loom
LINT := $(CACHE)/bin/golangci-lint-$(LINT_VERSION)

.DEFAULT_GOAL := build

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/docker-loom
	$(GO) build $(BUILD_FLAGS) -o bin/docker-loom$(EXE) ./cmd/docker-loom

.PHONY: install
install: build ## install the plugin into Docker's cli-plugins folder
	mkdir -p "$(PLUGINS)"
	install -m 0755 bin/docker-loom$(EXE) "$(PLUGINS)/docker-loom$(EXE)"

.PHONY: demo
demo: ## bring up examples/shop twice, side by side
	$(WITH_ENGINE) scripts/demo

.PHONY: test
test: test-unit $(if $(PRIVATE_ENGINES),test-scripts) test-e2e $(if $(PRIVATE_ENGINES),test-e2e-20 test-e2e-pools test-e2e-remap) ## all tests

.PHONY: test-unit
test-unit: ## tests that need no engine
	go test ./...

.PHONY: test-scripts
test-scripts: ## tests of scripts/with-engine
	scripts/test-with-engine

# -p 1: the packages share one engine, with its ports and subnets.
.PHONY: test-e2e
test-e2e: build ## end-to-end tests (E2E=PATTERN for some of them)
	$(WITH_ENGINE) go test -tags e2e -p 1 -count=1 -timeout $(E2E_TIMEOUT) -run '$(E2E)' $(E2E_PACKAGES)

# LOOM_E2E_CORE tells the tests to run only their core.
.PHONY: test-e2e-20
test-e2e-20: build ## the core of the end-to-end tests on engine 20.10 (E2E_20=PATTERN)
	LOOM_E2E_CORE=1 scripts/with-engine -e 20 -n -s go test -tags e2e -p 1 -count=1 -timeout $(E2E_TIMEOUT) -run '$(E2E_20)' ./e2e/... ./internal/engine/... ./internal/sandbox/egress

.PHONY: test-e2e-pools
test-e2e-pools: build ## forty networks on an engine with Docker's own address pools, which end at 31
	WITH_ENGINE_POOL=docker scripts/with-engine -s go test -tags e2e -count=1 -timeout $(E2E_TIMEOUT) -v -run TestNetworksBeyondDockersPools ./e2e

.PHONY: test-e2e-remap
test-e2e-remap: build ## agents on an engine that maps its containers' users
	WITH_ENGINE_DOCKERD=--userns-remap=default scripts/with-engine -s go test -tags e2e -count=1 -timeout $(E2E_TIMEOUT) -v -run 'TestAgentWorksAsTheUser|TestScript/^agent_siblings$$' ./e2e

.PHONY: bench-scale
bench-scale: build ## forty looms of three services, beside as many by plain docker compose
	LOOM_BENCH_SCALE=40 scripts/with-engine -s go test -tags e2e -count=1 -timeout $(E2E_TIMEOUT) -v -run TestFortyLooms ./e2e

.PHONY: bench
bench: build ## benchmarks of planning, and against docker compose and the reference CLI of dev containers
	go test -run '^$$' -bench . ./...
	if [ -x scripts/bench-noop ]; then $(WITH_ENGINE) scripts/bench-noop; fi
	if [ -x scripts/bench-devcontainer ]; then $(WITH_ENGINE) scripts/bench-devcontainer; fi

# Into a file with the version in its name, so that a new pin is installed and an old one stays for other branches.
$(LINT):
	mkdir -p "$(@D)/install"
	GOBIN="$(@D)/install" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv "$(@D)/install/golangci-lint" "$@"

.PHONY: lint
lint: $(LINT) ## golangci-lint
	$(LINT) run ./...

.PHONY: fmt
fmt: $(LINT) ## format the Go code
	$(LINT) fmt ./...

SHELL_SCRIPTS = $(shell grep -lsE '^\#!.*\b(ba)?sh$$' scripts/* .ci/run examples/*/*/*.sh)

.PHONY: validate
validate: ## go.mod, formatting, vet, scripts, docs/reference, and that it compiles for Windows and macOS
	go mod tidy -diff
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted (make fmt): $$unformatted"; exit 1; }
	for script in $(SHELL_SCRIPTS); do bash -n "$$script" || exit 1; done
	if command -v shellcheck >/dev/null; then shellcheck -S warning $(SHELL_SCRIPTS); else echo "shellcheck is not installed: skipped"; fi
	go vet ./...
	go vet -tags e2e ./...
	go run ./cmd/docs -check
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build ./...
	GOARCH=arm64 scripts/go-darwin build ./...

.PHONY: docs
docs: ## write docs/reference again, from the commands' help
	go run ./cmd/docs

# Needs tmux and python3. Its own engine: with other looms on it the ports would be others.
.PHONY: picture
picture: build ## draw the README's terminal picture again, from a real run
	scripts/with-engine -s scripts/terminal-picture

.PHONY: cross
cross: ## build dist/docker-loom-OS-ARCH for Linux, macOS and Windows
	@for os in linux darwin windows; do for arch in amd64 arm64; do \
	  file=dist/docker-loom-$$os-$$arch; [ $$os != windows ] || file=$$file.exe; \
	  go=go; [ $$os != darwin ] || go=scripts/go-darwin; \
	  echo "$$file"; CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $$go build $(BUILD_FLAGS) -o "$$file" ./cmd/docker-loom || exit 1; \
	done; done

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
