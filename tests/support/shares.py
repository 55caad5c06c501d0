"""The order of tests for pytest-xdist's workers: what takes long comes first, so that no worker is alone at the end."""

from __future__ import annotations

import itertools

# How much longer a test takes than one without any of these markers; the first that it has counts.
LONG = {"docker": 40, "embedded": 20, "postgres": 20, "planoai": 10}


def weight(item):
    return next((weight for name, weight in LONG.items() if item.get_closest_marker(name)), 1)


def in_shares(items, workers):
    """Return tests in an order whose equal parts take equally long, each with its long tests first.

    Args:
        items: all tests of a run; those of a module that take long stay together, since they share what they start.
        workers: how many parts pytest-xdist's `worksteal` makes of the order, each for a worker.

    """
    modules = {}
    for item in items:
        if weight(item) > 1:
            modules.setdefault(item.path, []).append(item)
    costs = {path: sum(map(weight, found)) for path, found in modules.items()}
    shares = [[] for _ in range(workers)]
    for path in sorted(modules, key=costs.get, reverse=True):
        min(shares, key=lambda share: sum(map(weight, share))).extend(modules[path])
    short = (item for item in items if weight(item) == 1)
    left = len(items)
    for behind, share in enumerate(shares):
        size = left // (workers - behind)
        share.extend(itertools.islice(short, max(0, size - len(share))))
        left -= len(share)
    return [*itertools.chain(*shares), *short]
