"""Solves a `resolver-cases/1` file with resolvelib, pip's solver, and prints JSON: what it found and the milliseconds.

    python3 resolvelib_cases.py CASES.json [--cpu]       (Debian: python3-resolvelib)

A set of versions is a Python integer of one bit a version, so that the provider costs next to nothing beside the solver.
Newest versions come first; packages of the last conflict go first, as in pip, then those with the fewest versions left.
"""

import json
import sys
import time

import resolvelib

CLOCK = time.process_time if "--cpu" in sys.argv else time.perf_counter


class Provider(resolvelib.AbstractProvider):
    def __init__(self, universe):
        self.needs = {}
        masks = {name: [mask(bounds) for _, *bounds in package["ranges"]] for name, package in universe.items()}
        self.all = {name: (1 << len(package["versions"])) - 1 for name, package in universe.items()}
        for name, package in universe.items():
            if any(package.get("optional") or []):
                raise SystemExit("resolvelib has no dependency that counts only where present")
            self.needs[name] = [
                [(other, masks[other][number] if other in masks else 0) for other, number in table.items()]
                for table in package["deps"]
            ]

    def identify(self, requirement_or_candidate):
        return requirement_or_candidate[0]

    def get_preference(self, identifier, resolutions, candidates, information, backtrack_causes):
        in_conflict = any(identifier == cause.requirement[0] for cause in backtrack_causes)
        left = self.all.get(identifier, 0)
        for one in information[identifier]:
            left &= one.requirement[1]
        return (not in_conflict, bin(left).count("1"), identifier)

    def find_matches(self, identifier, requirements, incompatibilities):
        left = self.all.get(identifier, 0)
        for _, versions in requirements[identifier]:
            left &= versions
        for _, version in incompatibilities[identifier]:
            left &= ~(1 << version)
        return [(identifier, version) for version in range(left.bit_length() - 1, -1, -1) if left >> version & 1]

    def is_satisfied_by(self, requirement, candidate):
        return bool(requirement[1] >> candidate[1] & 1)

    def get_dependencies(self, candidate):
        return self.needs[candidate[0]][candidate[1]]


def mask(bounds):
    found = 0
    for k in range(0, len(bounds), 2):
        found |= (1 << (bounds[k + 1] + 1)) - (1 << bounds[k])
    return found


def solve(provider, requirements):
    try:
        resolvelib.Resolver(provider, resolvelib.BaseReporter()).resolve(requirements, max_rounds=10**12)
        return "sat"
    except resolvelib.ResolutionImpossible:
        return "unsat"


def milliseconds(since):
    return (CLOCK() - since) * 1000


def roots(file):
    """Each version of each package, installed by itself; one letter a version."""
    started = CLOCK()
    provider = Provider(next(iter(file["universes"].values())))
    compiled = milliseconds(started)
    started = CLOCK()
    answers = {}
    for name, letters in file["roots"].items():
        answers[name] = "".join(solve(provider, [(name, 1 << index)])[0] for index in range(len(letters)))
    return {"answers": answers, "compile": compiled, "solve": milliseconds(started)}


def cases(file):
    answers = {}
    compile_time = solve_time = 0
    for one in file["cases"]:
        started = CLOCK()
        provider = Provider(file["universes"][one["universe"]])
        compile_time += milliseconds(started)
        started = CLOCK()
        answers[one["name"]] = solve(provider, [(name, mask(bounds)) for name, (_, *bounds) in one["root"].items()])
        solve_time += milliseconds(started)
    return {"answers": answers, "compile": compile_time, "solve": solve_time}


with open(sys.argv[1], encoding="utf-8") as source:
    data = json.load(source)
print(json.dumps(roots(data) if data.get("roots") else cases(data)))
