# gatehouse: `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

GOFUMPT_VERSION := v0.12.0
STATICCHECK_VERSION := v0.8.2

BIN := $(CURDIR)/bin
# The longest that one package's tests may take.
TIMEOUT ?= 8m
# What a seed sweep runs: a number of seeds; empty means each sweep's own.
SEEDS ?=
# The only seed that the sweep of random trees runs, and its faults instead of
# the seed's own, separated by semicolons.
SEED ?=
FAULTS ?=
export SEEDS SEED FAULTS
# More arguments for `make demo`, such as ARGS='--http 127.0.0.1:8490'.
ARGS ?=

# Our Go files, without what a generator wrote and what tests feed on.
GO_FILES = find . -name '*.go' -not -name '*.pb.go' \
	-not -path '*/testdata/*' -not -path './bin/*' -not -path './.*' -print0

# Succeeds when a program can be compiled and linked, which the race detector
# needs. A compiler without its C library is as good as none.
CC_WORKS = ( t=$$(mktemp -d); trap 'rm -rf "$$t"' EXIT; \
	printf '\#include <stdlib.h>\nint main(void) { return 0; }\n' >"$$t/a.c"; \
	$$(go env CC) -o "$$t/a.out" "$$t/a.c" ) >/dev/null 2>&1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: ## run a building with people in it; flags by ARGS='--http 127.0.0.1:8490'
	@echo "gatehouse: building the demo; the first time this fetches modules and takes a minute or two"
	@go list -deps ./cmd/gatehouse >/dev/null 2>&1 || true # fetch in silence; an error shows below
	@go build -o $(BIN)/gatehouse ./cmd/gatehouse
	@exec $(BIN)/gatehouse demo $(ARGS)

.PHONY: test
test: check-fmt vet staticcheck race sweeps fuzz-short leakprofile soak-short ## everything that CI runs

# Succeeds when Erlang's supervisor is there as code that can be compiled again.
ERLANG_WORKS = ( command -v escript && erl -noshell -eval '\
	{ok, {_, [{abstract_code, {raw_abstract_v1, _}}]}} = \
		beam_lib:chunks(code:which(supervisor), [abstract_code]), \
	{module, _} = code:ensure_loaded(compile), halt(0).' ) >/dev/null 2>&1 </dev/null

# Programs that tests run, each in the Debian package of its name: age and zstd
# open archives without gatehouse, redis-server is the broker that tests start.
CI_TOOLS = age zstd redis-server
MISSING_TOOLS = for tool in $(CI_TOOLS); do command -v "$$tool" >/dev/null || printf ' %s' "$$tool"; done

# The package redis-server brings a service, which Debian starts as it installs
# it, unless /usr/sbin/policy-rc.d forbids that (as in most containers). Tests
# need the program alone and start it themselves, on a port of their own.
.PHONY: ci-deps
ci-deps: ## install the Debian packages that CI needs (C compiler, Erlang, age, zstd, redis-server)
	@want="$$($(MISSING_TOOLS))"; \
	$(CC_WORKS) || want="$$want gcc libc6-dev"; \
	$(ERLANG_WORKS) || want="$$want erlang-base erlang-dev"; \
	if [ -z "$$want" ]; then echo "ci-deps: C compiler, Erlang, $(CI_TOOLS) are there; nothing to install"; exit 0; fi; \
	sudo=; if [ "$$(id -u)" != 0 ]; then sudo="sudo -n"; fi; \
	echo "ci-deps: installing$$want"; \
	case "$$want" in *redis-server*) [ -e /usr/sbin/policy-rc.d ] || \
		echo "ci-deps: Debian starts redis-server as a service now; nothing here needs it: systemctl disable --now redis-server" >&2 ;; esac; \
	$$sudo apt-get update -qq </dev/null; \
	$$sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends $$want </dev/null; \
	$(CC_WORKS) || { echo "ci-deps: the C compiler still does not work; try: $$(go env CC) --version" >&2; exit 1; }; \
	$(ERLANG_WORKS) || { echo "ci-deps: Erlang still does not work; try: escript supervisor/testdata/otp/otp.erl </dev/null" >&2; exit 1; }; \
	missing="$$($(MISSING_TOOLS))"; \
	[ -z "$$missing" ] || { echo "ci-deps: still not in PATH:$$missing; try: apt-get install$$missing" >&2; exit 1; }

# install NAME PACKAGE VERSION puts a tool into ./bin, unless exactly that
# version, built by this Go, is there: a tool built by an older Go cannot read
# newer code.
define install
	@stamp="$(3) $$(go env GOVERSION)"; \
	if [ ! -x $(BIN)/$(1) ] || [ "$$(cat $(BIN)/.$(1).version 2>/dev/null)" != "$$stamp" ]; then \
		echo "tools: installing $(1) $(3) into ./bin"; \
		mkdir -p $(BIN); rm -f $(BIN)/.$(1).version; \
		GOBIN=$(BIN) go install $(2)@$(3); \
		echo "$$stamp" >$(BIN)/.$(1).version; \
	fi
endef

.PHONY: tools gofumpt-tool staticcheck-tool
tools: gofumpt-tool staticcheck-tool ## install the pinned Go tools into ./bin
gofumpt-tool:
	$(call install,gofumpt,mvdan.cc/gofumpt,$(GOFUMPT_VERSION))
staticcheck-tool:
	$(call install,staticcheck,honnef.co/go/tools/cmd/staticcheck,$(STATICCHECK_VERSION))

.PHONY: fmt
fmt: gofumpt-tool ## format our Go files
	@$(GO_FILES) | xargs -0 -r $(BIN)/gofumpt -w

.PHONY: check-fmt
check-fmt: gofumpt-tool
	@echo "== gofumpt"
	@bad="$$($(GO_FILES) | xargs -0 -r $(BIN)/gofumpt -l)"; \
	if [ -n "$$bad" ]; then printf 'not formatted (make fmt does it):\n%s\n' "$$bad" >&2; exit 1; fi

.PHONY: vet
vet:
	@echo "== go vet"
	@go vet ./...

.PHONY: staticcheck
staticcheck: staticcheck-tool
	@echo "== staticcheck"
	@$(BIN)/staticcheck ./...

# Without a working C compiler there is no race detector. That is a poorer
# test, so it is said where it cannot be missed, and CI does not accept it.
.PHONY: race
race:
	@if [ "$$(go env CGO_ENABLED)" = 1 ] && $(CC_WORKS); then \
		echo "== go test -race"; \
		go test -race -shuffle=on -timeout $(TIMEOUT) ./...; \
	elif [ "$${CI:-}" = true ]; then \
		echo "ERROR: the race detector needs a C compiler and CGO_ENABLED=1; make ci-deps installs one" >&2; \
		exit 1; \
	else \
		printf '%s\n' \
			"********************************************************************" \
			"** NO RACE DETECTOR: no working C compiler (or CGO_ENABLED is 0). **" \
			"** The tests run without -race. To have it: make ci-deps          **" \
			"********************************************************************" >&2; \
		CGO_ENABLED=0 go test -shuffle=on -timeout $(TIMEOUT) ./...; \
		echo "** The tests ran WITHOUT the race detector (see above). **" >&2; \
	fi

.PHONY: sweeps
sweeps:
	@echo "== seed sweeps"
	@go test -run '^TestSweep|^TestTorture[FQ]$$' -timeout $(TIMEOUT) ./... # F and Q compare durations, which the detector distorts
	@command -v escript >/dev/null || printf '%s\n' \
		"********************************************************************" \
		"** NOT COMPARED WITH ERLANG/OTP: Erlang is not installed.         **" \
		"** To have it: make ci-deps                                       **" \
		"********************************************************************" >&2

# Whose sweeps `make sim` runs; ./actors sweeps a whole building, a seed takes seconds.
SIM ?= ./supervisor/...
.PHONY: sim
sim: ## run the seed sweeps alone, e.g. make sim SEEDS=10000, or one tree: SEED=17
	@if [ -n "$(SEED)" ]; then go test -count=1 -v -run '^TestSweepTrees$$' ./supervisor; \
	else go test -count=1 -run '^TestSweep' -timeout $(TIMEOUT) $(SIM); fi

# The build has Go's goroutine leak profile; the TestMain of these packages looks at it
# (supervisortest.Main).
.PHONY: leakprofile
leakprofile: ## run actors' tests; fail on goroutines that Go proves to be stuck for ever
	@echo "== goroutine leak profile"
	@GOEXPERIMENT=goroutineleakprofile LEAKPROFILE=1 \
		go test -count=1 -vet=off -skip '^TestSweep|^TestTorture[FQ]$$' -timeout $(TIMEOUT) ./supervisor/... ./actors

# The faults that `make mutants` plants: those whose name contains this.
MUTANT ?=
.PHONY: mutants
mutants: ## plant faults in the runtime, each of which a test must notice, e.g. MUTANT=budget
	@MUTANTS=1 MUTANT='$(MUTANT)' go test -count=1 -v -run '^TestMutants$$' -timeout 90m ./supervisor

# How many scripts `make otp` runs, or the seed of the only one.
SCRIPTS ?= 5000
SCRIPT ?=
.PHONY: otp
otp: ## compare the supervisor with Erlang's, e.g. make otp SCRIPTS=20000 or SCRIPT=17
	@SCRIPTS=$(SCRIPTS) SCRIPT=$(SCRIPT) go test -count=1 -v -run '^TestSweepOTP' -timeout $(TIMEOUT) ./supervisor

.PHONY: journal-10m
journal-10m: ## open a journal of 10 million events; JOURNAL_EVENTS=... for another size
	@JOURNAL_EVENTS=$${JOURNAL_EVENTS:-10000000} go test -count=1 -run "^TestOpenReadsFootersAndTheNewestSegment$$" -bench "^BenchmarkOpen$$" -benchtime 3x -v -timeout 30m ./persistence/journal | grep -v "^=== RUN"

# How many power cuts `make powercut` makes; or the seed of its only life.
CUTS ?= 2000
.PHONY: powercut
powercut: ## cut the power under journal and store, e.g. make powercut CUTS=10000 or SEED=17
	@CUTS=$(CUTS) go test -count=1 -v -run 'PowerCuts' -timeout 60m ./persistence/disktest
	@CUTS=$(CUTS) go test -count=1 -v -run 'InTheNight' ./cmd/gatehouse/daemon

.PHONY: frozen
frozen: ## freeze the disk for 5 s and compare how long decisions take
	@RATIO=1 go test -count=1 -v -run '^TestFrozenDisk' ./cmd/gatehouse/daemon

# How many megabytes of events `make night` archives.
NIGHT_MB ?= 1229
.PHONY: night
night: ## archive 1.2 GB of events under traffic; memory and goroutines; NIGHT_MB=... for another size
	@NIGHT_MB=$(NIGHT_MB) go test -count=1 -v -run '^TestNight$$' -timeout 30m ./cmd/gatehouse

# How often `make kill` kills a daemon.
KILLS ?= 1000
.PHONY: kill
kill: ## kill a daemon under load, then during imports, at random points, e.g. make kill KILLS=5000
	@KILLS=$(KILLS) go test -count=1 -v -run '^TestSweepKills' -timeout 60m ./cmd/gatehouse

# How many people `make people-1m` imports; a sixth of the cards are second ones.
PEOPLE ?= 1000000
.PHONY: people-1m
people-1m: ## import a million people, open, look up: times and RssAnon, e.g. PEOPLE=100000
	@PEOPLE=$(PEOPLE) go test -count=1 -v -run '^TestPeopleAtScale$$' -timeout 30m ./persistence/store
	@PEOPLE=$(PEOPLE) go test -count=1 -v -run '^TestPeopleOfARunningBuilding$$' -timeout 30m ./cmd/gatehouse

.PHONY: big-start
big-start: ## start a building with a million people and 10 million events: times, RssAnon; PEOPLE=... JOURNAL_EVENTS=...
	@PEOPLE=$(PEOPLE) JOURNAL_EVENTS=$${JOURNAL_EVENTS:-10000000} go test -count=1 -v -run '^TestBigStart$$' -timeout 60m ./cmd/gatehouse | grep -v '^{'

# How many damages `make rot` does to a file of people.
FLIPS ?= 10000
.PHONY: rot
rot: ## damage a store at random: every answer is right or an error, e.g. FLIPS=50000
	@FLIPS=$(FLIPS) go test -count=1 -v -run '^TestRot$$' -timeout 60m ./persistence/store

.PHONY: diag-cycles
diag-cycles: ## diagnose, profile and record 1,000 times in a row; CYCLES=... for another number
	@CYCLES=$(if $(CYCLES),$(CYCLES),1000) go test -count=1 -v -run '^TestCycles$$' -timeout 30m ./cmd/gatehouse/diag

.PHONY: drill
drill: ## replace a box: backup, restore, serve, first grant, timed, e.g. PEOPLE=10000
	@PEOPLE=$(if $(filter file,$(origin PEOPLE)),100000,$(PEOPLE)) go test -count=1 -v -run '^TestDrill$$' -timeout 30m ./cmd/gatehouse | grep -v '^{'

# How long `make fuzz` runs each fuzz target: those whose name contains FUZZ.
FUZZTIME ?= 10s
FUZZ ?=
.PHONY: fuzz
fuzz: ## run every fuzz target, e.g. make fuzz FUZZTIME=1h FUZZ=Archive
	@grep -r --include='*_test.go' -E '^func Fuzz' . | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9]*).*|\1 \2|' | sort | \
	while read -r package name; do \
		case "$$name" in *'$(FUZZ)'*) ;; *) continue ;; esac; \
		echo "== $$package $$name"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x "$$package" </dev/null; \
	done

# Numbers of runs and not seconds: at the end of a time Go's fuzzing now and then
# fails with "context deadline exceeded", which is no finding. About 10 s in all.
.PHONY: fuzz-short
fuzz-short:
	@echo "== fuzzing"
	@$(MAKE) fuzz FUZZ=FuzzSegment FUZZTIME=8000x
	@$(MAKE) fuzz FUZZ=FuzzImport FUZZTIME=6000x
	@$(MAKE) fuzz FUZZ=FuzzArchive FUZZTIME=6000x

# How long `make soak` soaks the daemon, and how many days the building in
# virtual time.
SOAK ?= 10m
VIRTUAL ?= 187d
.PHONY: soak
soak: ## soak the daemon for 10 minutes and a building for 187 virtual days, e.g. SOAK=8h VIRTUAL=2000d
	@go run ./cmd/gatehouse-bench soak --virtual $(VIRTUAL)
	@SOAK=$(SOAK) go test -count=1 -v -run '^TestRealSoak$$' -timeout 0 ./bench/soak

# The self-test with planted leaks is among the sweeps.
.PHONY: soak-short
soak-short:
	@echo "== soak"
	@go run ./cmd/gatehouse-bench soak --virtual 187d
	@SOAK=60s go test -count=1 -v -run '^TestRealSoak' -timeout $(TIMEOUT) ./bench/soak

.PHONY: build
build: ## build ./bin/gatehouse and ./bin/gatehouse-bench, each one static file
	@mkdir -p $(BIN)
	CGO_ENABLED=0 go build -trimpath -o $(BIN)/ ./cmd/gatehouse ./cmd/gatehouse-bench

.PHONY: bench-building
bench-building: ## measure a building against the design's budgets, best of 5
	@echo "machine: $$(nproc) cores, $$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $$(go version)"
	@go test -run '^$$' -bench 'Building$$' -benchtime 1x ./actors

.PHONY: bench-archive
bench-archive: ## measure the archive's memory: live heap for 64 and 512 MiB, RssAnon over 1.2 GB
	@ARCHIVE_MB=512 go test -count=1 -v -run '^TestMemoryDoesNotGrow$$' -timeout $(TIMEOUT) ./persistence/archive
	@ARCHIVE_NIGHT_MB=1216 go test -count=1 -v -run '^TestMemoryOfANight$$' -timeout $(TIMEOUT) ./persistence/archive

.PHONY: bench-journal
bench-journal: ## measure the journal beside bbolt and a bare file, best of 5, e.g. ROW=groups
	@echo "machine: $$(nproc) cores, $$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $$(df --output=fstype . | tail -n 1), $$(go version)"
	@go run ./bench/journal -row '$(ROW)' -dir "$${DIR:-.}"

.PHONY: query-10m
query-10m: ## search a journal of 10,000,000 events: time and RssAnon; needs 2 GB of disk
	@echo "machine: $$(nproc) cores, $$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $$(go version)"
	@EVENTS=$${EVENTS:-10000000} go test -run '^$$' -bench '^BenchmarkQuery$$' -benchtime 1x -timeout 30m ./persistence/index

.PHONY: incident
incident: ## the old night, its published fixes and this house side by side, under 3 minutes; report in bin/incident
	@mkdir -p $(BIN)
	@go build -o $(BIN)/gatehouse-bench ./cmd/gatehouse-bench
	@$(BIN)/gatehouse-bench incident --out $(BIN)/incident --commit "$$(git describe --always --dirty 2>/dev/null || true)"

# Which rows `make bench-supervisor` runs: those whose name contains this.
ROW ?=
.PHONY: bench-supervisor
bench-supervisor: ## measure the runtime beside stock protoactor, best of 5, e.g. ROW=tell
	@echo "machine: $$(nproc) cores, $$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $$(go version)"
	@go run ./bench/supervisor -row '$(ROW)'
