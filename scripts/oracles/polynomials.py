"""Coefficients of the float32 polynomials in src/core/exp.ts and src/core/gate-activations.ts.

exp: q(r) = (e^r - 1 - r) / r^2 on |r| <= ln2/2, degree 5.
log: p(f) = (ln(1+f) - f + f^2/2) / f^3 on 1+f in [sqrt(1/2), sqrt(2)), degree 8.
tanh: p(z) = (tanh(x) - x) / x^3 with z = x^2 on |x| <= 5/8, degree 4.
All by interpolation at Chebyshev nodes in exact rational arithmetic (series), then rounded to
float32; printed from the highest degree down.

    python scripts/oracles/polynomials.py
"""

import hashlib
from fractions import Fraction
from math import factorial

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial


def exp_rest(r):
    x = Fraction(float(r))
    return float(sum(x ** (n - 2) / factorial(n) for n in range(2, 22)))


def log_rest(f):
    x = Fraction(float(f))
    return float(sum((-1) ** (n + 1) * x ** (n - 3) / n for n in range(3, 160)))


def tanh_rest(z):
    x = Fraction(float(z))
    sinh = sum(x**n / factorial(2 * n + 1) for n in range(14))
    cosh = sum(x**n / factorial(2 * n) for n in range(14))
    return float((sinh / cosh - 1) / x)


def fit(function, low, high, degree):
    fitted = Chebyshev.interpolate(np.vectorize(function), degree, domain=[low, high])
    coefficients = fitted.convert(kind=Polynomial).coef
    return [float(np.float32(c)) for c in reversed(coefficients)]


TANH_SPLIT = 0.625
HALF_LN2 = np.log(2) / 2 * 1.0001


def exp32(x):
    """src/core/exp.ts, exp32 in numpy float32, for -87 <= x <= 88."""
    f = np.float32
    n = np.rint(x * f(np.log2(np.e)))
    r = (x - n * f(0.693359375)) - n * f(np.log(2) - 0.693359375)
    top, *rest = fit(exp_rest, -HALF_LN2, HALF_LN2, 5)
    q = f(top)
    for c in rest:
        q = q * r + f(c)
    return ((q * (r * r) + r) + f(1)) * np.exp2(n.astype(np.float64)).astype(f)


def sigmoid32(x):
    """src/core/gate-activations.ts, sigmoid32, for -87 <= x <= 87."""
    f = np.float32
    e = exp32(-np.abs(x))
    return np.where(x < 0, e, f(1)) / (f(1) + e)


def tanh32(x):
    """src/core/gate-activations.ts, tanh32, for |x| <= 43."""
    f = np.float32
    a = np.abs(x)
    z = a * a
    top, *rest = fit(tanh_rest, 0, TANH_SPLIT**2 * 1.0001, 4)
    p = f(top)
    for c in rest:
        p = p * z + f(c)
    e = exp32(f(-2) * a)
    return np.copysign(np.where(a < f(TANH_SPLIT), a + a * z * p, (f(1) - e) / (f(1) + e)), x)


def sha256(y):
    return hashlib.sha256(y.tobytes()).hexdigest()


if __name__ == "__main__":
    print("exp", fit(exp_rest, -HALF_LN2, HALF_LN2, 5))
    print("log", fit(log_rest, np.sqrt(0.5) - 1, np.sqrt(2) - 1, 8))
    print("tanh", fit(tanh_rest, 0, TANH_SPLIT**2 * 1.0001, 4))
    x = (np.arange(175 * 2048 + 1) / 2048 - 87).astype(np.float32)
    print("exp32 from -87 to 88 by 1/2048, sha256", sha256(exp32(x)))
    x = (np.arange(40 * 4096 + 1) / 4096 - 20).astype(np.float32)
    print("sigmoid32 from -20 to 20 by 1/4096, sha256", sha256(sigmoid32(x)))
    print("tanh32 from -20 to 20 by 1/4096, sha256", sha256(tanh32(x)))
