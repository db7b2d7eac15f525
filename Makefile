# Everything a person runs here. Paths are relative, so that a checkout works in a folder with a space in its name.
PYTHON ?= python3
ARGS ?=
# One more than CI has cores: much of the time a test waits for a lease, a server or a page.
WORKERS ?= 3
PYTEST = .venv/bin/python -m pytest
# Hundreds of processes are started: each would compile every module again where the environment forbids to keep what was compiled.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test check format slow long faults cluster monitoring manners browser fuzz docs audit licences upgrade drills container lock disaster servers clean

demo: .venv/.demo  ## a simulated detector, from raw file to catalog
	@.venv/bin/python -m headframe demo $(ARGS)

test: .venv/.dev servers  ## all that CI runs
	$(MAKE) --jobs 2 --output-sync check .venv/.compiled
	$(PYTEST) tests -m "not slow and not long" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/.dev  ## style, types, imports
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

format: .venv/.dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

slow: .venv/.compiled servers  ## the long ones: 500 viewers for ten minutes, 100,000 files, a requeue of 100,000, a week's history of 600,000, ten kills of 500 files, all 140 real files, times on an idle machine
	$(PYTEST) tests -m slow $(ARGS)

long: .venv/.compiled servers  ## all that takes half a minute or more and that the targets below have in parts
	$(PYTEST) tests -m long $(ARGS)

faults: .venv/.compiled servers  ## break everything: make faults ARGS="--seconds 900 --files 20000 --seed 7"
	$(PYTEST) tests/faults -m "not slow" -s -v --seconds 60 --files 300 $(ARGS)

cluster: .venv/.compiled servers  ## a real SLURM of four nodes: 1,000 files, walltimes, 200 failing submissions, every fault
	$(PYTEST) tests/cluster tests/integration/test_no_double_submission.py tests/integration/test_slurm_server.py tests/integration/test_slurm_doctor.py tests/benchmarks/test_launcher_at_500.py -m "slow or not slow" -s -v $(ARGS)

monitoring: .venv/.compiled servers  ## a real Prometheus and Alertmanager: every alert is caused, arrives at a receiver, and clears
	$(PYTEST) tests/monitoring -m "long or not long" -s -v $(ARGS)

manners: .venv/.compiled servers  ## every process starts soon, waits politely, leaves in time, servers frozen, away, refusing; what each took is printed
	$(PYTEST) tests/integration/test_manners.py tests/integration/test_manners_away.py tests/integration/test_hangs.py tests/integration/test_log_trail.py -m "long or not long" -s -v $(ARGS)

fuzz: .venv/.compiled servers  ## every REST call with much valid and invalid input: make fuzz FUZZ_EXAMPLES=1000
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),100) $(PYTEST) tests/integration/test_schemathesis.py --timeout 14400 $(ARGS)

browser: .venv/.compiled servers  ## every page in Chromium, wide and narrow, light and dark: it fits, axe finds nothing serious, people act on it
	$(PYTEST) tests/browser -m "long or not long" $(ARGS)

docs: .venv/.dev  ## the handbook as a site, in build/docs; a link or anchor that leads nowhere is an error
	sh docs/diagrams.sh
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

audit: .venv/.dev  ## bandit, and known advisories of what comes along: make audit ADVISORIES=a-clone-of-pypa/advisory-database
	.venv/bin/bandit --quiet --configfile pyproject.toml --recursive daemon web consumers statemachine migrations src/headframe/client
	ADVISORIES="$(ADVISORIES)" .venv/bin/python -m tests.security.audit

licences: .venv/.dev  ## docs/licences.md, from what is installed
	.venv/bin/python -m tests.security.licences

upgrade: .venv/.compiled servers  ## from the last release to this one under load, one process at a time, and its code back
	$(PYTEST) tests/upgrade -m "long or not long" -s -v $(ARGS)

drills: .venv/.compiled servers  ## each disaster of docs/drills.md, brought about on private servers; what was printed is kept in build/drills
	$(PYTEST) tests/drills -s $(ARGS)

container: .venv/.compiled servers  ## the steps of k8s/Containerfile on a bare Debian, run as any user, read only; sizes of the processes (root)
	$(PYTEST) tests/k8s -m "long or not long" -s -v $(ARGS)

lock:  ## pin what the images are made of, for Python 3.11 on x86_64: k8s/requirements-*.txt
	$(PYTHON) k8s/lock.py

disaster: .venv/.compiled servers  ## database and broker are lost wholly: restored from a backup, and from WAL to a moment
	$(PYTEST) tests/backup -m "slow or long" -s -v $(ARGS)

servers:  ## what the tests need besides Python: installed when root, named when not
	@sh tests/servers.sh

.venv/.demo: pyproject.toml
	@sh tests/venv.sh "$(PYTHON)" tpc,embedded
	@touch .venv/.demo

.venv/.dev: pyproject.toml
	@sh tests/venv.sh "$(PYTHON)" dev
	@touch .venv/.demo .venv/.dev

.venv/.compiled: .venv/.dev
	@echo "compiling the reconstruction, once: every process of a test would, beside all others"
	@.venv/bin/python -c "from headframe.consumers.tpc.reconstruction import warm_up; warm_up()"
	@touch .venv/.compiled

clean:
	rm -rf .venv build dist demo-data .mypy_cache .pytest_cache .ruff_cache .hypothesis
