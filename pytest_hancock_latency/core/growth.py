"""How latency grows with the size of its input, and the classes that it is compared with.

Latency that is proportional to n^e grows by 2^e when the size doubles, so the *growth* between two
sizes is the logarithm of the ratio of their latencies, divided by that of the sizes: 1 for a linear
function, 2 for a quadratic one. Each class has a bound halfway to the next one that measurements
can tell from it:

    class           growth            bound
    1, log n        0 to 0.2          0.5     halfway to n
    n, n log n      1 to 1.15         1.3     halfway to n^1.5
    n^1.5           1.5               1.75    halfway to n^2
    n^2             2 (to 2.15)       2.5     halfway to n^3

A logarithm adds about 0.1 to the growth where inputs have thousands of items, which is less than
the caches of a CPU add where data outgrows one of them, or a hash table that is made larger. So `n`
allows what `n log n` does.
"""

from __future__ import annotations

from typing import Final

from ..errors import LatencyError, did_you_mean

BOUNDS: Final = {"1": 0.5, "log n": 0.5, "n": 1.3, "n log n": 1.3, "n^1.5": 1.75, "n^2": 2.5}
"""Growth up to which a function may belong to each class, see above."""
_SPELLINGS: Final = {"constant": "1", "logn": "log n", "linear": "n", "nlogn": "n log n"}
"""Other names, without white space and signs of multiplication."""


def parse_class(at_most: object) -> str:
    """Read the name of a growth class: ``"n log n"``, also as ``O(n log n)`` or ``n*log(n)``.

    Raises:
        LatencyError: it does not name a growth class.
    """
    text = str(at_most).strip().lower()
    text = text.removeprefix("o(").removesuffix(")") if text.startswith("o(") else text
    plain = text.replace("**", "^").replace("²", "^2")
    for sign in " *·()":
        plain = plain.replace(sign, "")
    names = {name.replace(" ", ""): name for name in BOUNDS} | _SPELLINGS
    if plain in names:
        return names[plain]
    near = did_you_mean(str(at_most), BOUNDS)
    classes = ", ".join(f'"{name}"' for name in BOUNDS)
    raise LatencyError(f"at_most={at_most!r} is not a growth class{near}: write one of {classes}")
