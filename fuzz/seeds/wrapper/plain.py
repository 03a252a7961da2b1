import os
class A:
    x: int = int(os.environ.get("X", 1))

def f(a, *b, **c):
    return f"{a!r:>{b}} {c}"
