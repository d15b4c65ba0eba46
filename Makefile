SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

MODULES := proto services encoder-svc prior-svc segmenter-svc denoiser-svc gateway cli cloud examples
BINARIES := encoder-svc prior-svc segmenter-svc denoiser-svc gateway facestudio
TOOLS := $(CURDIR)/bin/tools
PYTHON := .venv/bin/python
API_PYTHON := .venv-api/bin/python
EXAMPLES ?= 300
SEED ?= $$RANDOM
BUNDLE ?= models/facestudio-128
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# How often a Go test that failed is run again. Continuous integration runs beside other work and gives a test two more
# turns; what needed one is listed, and wants mending.
RERUNS ?= 0

.PHONY: help
help: ## Print the targets.
	@awk -F ':.*## ' '/^[a-z][a-zA-Z-]*:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- for everybody ---------------------------------------------------------

.PHONY: demo
demo: build ## Set up, build, and make pictures of a person through the whole mesh (out/).
	@scripts/demo.sh

.PHONY: test
test: test-go test-web test-api test-training ## Set up and run all tests.

.PHONY: build
build: setup ## Build the command and every service into bin/.
	@mkdir -p bin
	go build -o bin/ -ldflags "-X github.com/facestudio/facestudio/cli/internal/version.Version=$(VERSION)" $(foreach b,$(BINARIES),$(if $(filter facestudio,$(b)),./cli/cmd/facestudio,./$(b)/cmd/$(b)))

.PHONY: build-cloud
build-cloud: setup ## Build the services with the drivers of buckets and key services into bin/, in place of those without.
	@mkdir -p bin
	go build -o bin/ ./cloud/cmd/...

.PHONY: setup
setup: ## Fetch ONNX Runtime and the third-party models, pinned by digest.
	@scripts/setup-models.sh

.PHONY: clean
clean: ## Remove what was built and made (not the fetched files, not training state).
	rm -rf bin out

# --- tests and checks ------------------------------------------------------

go_test = $(if $(filter-out 0,$(RERUNS)),$(TOOLS)/gotestsum --format standard-quiet --rerun-fails=$(RERUNS) --rerun-fails-max-failures=5 --packages="$(2)" -- $(1),go test $(1) $(2))

.PHONY: test-go
test-go: setup $(if $(filter-out 0,$(RERUNS)),$(TOOLS)/gotestsum) ## Run the Go tests of every module (RERUNS=2: those that fail twice more).
	$(call go_test,-timeout 30m,$(MODULES:%=./%/...))
	cd tools && GOWORK=off go test -count=1 ./layout/... ./protoc-gen-apidoc/...

.PHONY: test-web
test-web: build ## Run the tests of the web page in a browser.
	@scripts/setup-web.sh
	cd cli/e2e/browser && node --test --test-concurrency=1 page.test.mjs key.test.mjs

.PHONY: test-api
test-api: build setup-api ## Run the Python example, and some fuzzing of REST, before a real mesh.
	$(API_PYTHON) -m pytest -q cli/e2e/api

.PHONY: fuzz-api
fuzz-api: build setup-api ## Fuzz REST before a real mesh (EXAMPLES=300 of each operation, SEED=random).
	FUZZ_EXAMPLES=$(EXAMPLES) FUZZ_SEED=$(SEED) $(API_PYTHON) -m pytest -s cli/e2e/api/test_fuzz.py

.PHONY: setup-api
setup-api: ## Make the Python environment of examples/python and of the API's tests.
	@scripts/setup-api.sh

.PHONY: test-training
test-training: setup setup-training ## Run the tests of the training code.
	$(PYTHON) -m pytest -q training/tests

.PHONY: race
race: setup $(if $(filter-out 0,$(RERUNS)),$(TOOLS)/gotestsum) ## Run the Go tests that start no programs with the race detector.
	$(call go_test,-race -short -timeout 30m,$(patsubst %,./%/...,$(filter-out proto,$(MODULES))))

.PHONY: chaos
chaos: setup ## Kill, pause and cut off parts of a mesh for CHAOS_DURATION (10m) with CHAOS_SEED (drawn).
	CHAOS_DURATION=$(or $(CHAOS_DURATION),10m) CHAOS_SEED=$(or $(CHAOS_SEED),$(shell date +%s)) go test ./cli/e2e -run '^TestChaos$$' -count=1 -v -timeout 24h

.PHONY: churn
churn: setup ## Have clients come and go for CHURN_DURATION (1h): memory and goroutines.
	CHURN_DURATION=$(or $(CHURN_DURATION),1h) go test ./cli/e2e -run '^TestChurn$$' -count=1 -parallel 2 -v -timeout 24h

.PHONY: load
load: ## Measure the queue: 100,000 calls, costs beside bare NATS and gRPC, scaling (docs/scaling.svg).
	go run ./cli/e2e/load -plot docs/scaling.svg

.PHONY: vet
vet: ## go vet, every module.
	go vet $(foreach m,$(MODULES),./$(m)/...)

.PHONY: lint
lint: $(TOOLS)/golangci-lint $(TOOLS)/buf ## Run the linters.
	cd proto && $(TOOLS)/buf lint
	cd proto && $(TOOLS)/golangci-lint run --config ../.golangci.yml ./client/...
	for m in $(filter-out proto,$(MODULES)); do (cd $$m && $(TOOLS)/golangci-lint run --config ../.golangci.yml ./...); done

.PHONY: modules
modules: ## Build each module by itself, without the workspace.
	for m in $(MODULES); do (cd $$m && GOWORK=off go build -o /dev/null ./...); done

.PHONY: generate
generate: $(TOOLS)/buf $(TOOLS)/protoc-gen-apidoc ## Generate code and the API document from the protos.
	cd proto && PATH="$(TOOLS):$$PATH" buf generate

.PHONY: verify-generate
verify-generate: generate ## Fail when generated code is out of date (fix: make generate).
	@git diff --exit-code --stat -- proto/gen gateway/internal/rest/gen || { echo "generated code was out of date: commit what 'make generate' changed" >&2; exit 1; }

.PHONY: breaking
breaking: $(TOOLS)/buf ## Fail on a breaking change of the protos against main.
	cd proto && $(TOOLS)/buf breaking --against '../.git#branch=main,subdir=proto'

.PHONY: tidy
tidy: ## Tidy every module.
	for m in $(MODULES) tools; do (cd $$m && GOWORK=off go mod tidy); done
	go work sync

.PHONY: bench
bench: build ## Measure speed, memory and start-up with the default bundle.
	@scripts/bench.sh

# --- training (Python) -----------------------------------------------------

.PHONY: setup-training
setup-training: $(PYTHON) ## Make the Python environment of training/ (PyTorch, 5 GB).

$(PYTHON): training/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r training/requirements.txt
	@touch $(PYTHON)

.PHONY: train
train: setup-training ## Train the default bundle from the face shards (hours; resumes).
	cd training && ../$(PYTHON) -m facestudio_training all --config configs/default.toml

.PHONY: train-sample
train-sample: build setup-training ## Run every stage on one picture in a hundred, seconds each, up to a bundle (needs ../shared).
	rm -rf training/.state/sample out/facestudio-sample
	cd training && ../$(PYTHON) -m facestudio_training all --config configs/sample.toml --minutes 0.05
	bin/facestudio bundle verify out/facestudio-sample

.PHONY: eval
eval: build setup-training ## Measure the mesh's pictures of the development people.
	cd training && ../$(PYTHON) -m facestudio_training eval --config configs/default.toml

.PHONY: golden
golden: setup-training ## Compute the golden values of the Go tests anew.
	cd training && ../$(PYTHON) -m facestudio_training.golden

# --- tools, pinned in tools/go.mod -----------------------------------------

GENERATORS := google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc \
	github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3

$(TOOLS)/buf $(TOOLS)/protoc-gen-apidoc &: tools/go.mod $(wildcard tools/protoc-gen-apidoc/*.go)
	@mkdir -p $(TOOLS)
	cd tools && GOWORK=off go build -o $(TOOLS)/ github.com/bufbuild/buf/cmd/buf $(GENERATORS) ./protoc-gen-apidoc
	@touch $(TOOLS)/buf $(TOOLS)/protoc-gen-apidoc

$(TOOLS)/gotestsum: tools/go.mod
	@mkdir -p $(TOOLS)
	cd tools && GOWORK=off go build -o $(TOOLS)/ gotest.tools/gotestsum
	@touch $@

$(TOOLS)/golangci-lint: tools/lint/go.mod
	@mkdir -p $(TOOLS)
	cd tools/lint && GOWORK=off go build -o $(TOOLS)/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@
