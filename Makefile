# Each target is a command of tasks.py, which needs nothing but Python: `python3 tasks.py help`.
# More words for a command: make test ARGS="tests/sessions -x"
PYTHON ?= python3
ARGS ?=

.PHONY: help setup run test check bench

help setup run test check bench:
	@$(PYTHON) tasks.py $@ $(ARGS)
