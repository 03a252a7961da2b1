//! Functions of the script, and calls of unknown functions.

use super::holds;

#[test]
fn arguments_are_bound_as_python_binds_them() {
    let program = "
        def f(a, b=2, *rest, c=3, **more):
            return a, b, c, rest, more
        x = f(1)
        y = f(val, 5, 6, c=7, d=8)
    ";
    holds("defaults", program, &[("x", "(1, 2, 3, (), {})", ""), ("y", "(tensor, 5, 7, (6), {d: 8})", "VAL")]);
    holds(
        "settings",
        "
            def f(a=1, b=2):
                return a, b
            x = f(**{'b': val.sum()})
        ",
        &[("x", "(1, …)", "VAL")],
    );
    holds(
        "spread",
        "
            def f(a, b):
                return b
            x = f(*(1, val))
        ",
        &[("x", "tensor", "VAL")],
    );
    holds(
        "a default is worked out at each call",
        "
            n = 1
            def f(a=n):
                return a
            n = 2
            x = f()
        ",
        &[("x", "2", "")],
    );
}

#[test]
fn a_parameter_may_be_named_as_a_target() {
    holds(
        "y",
        "
            def f(x, y):
                return y
            a = f(val[:-1], val[:-1])
            b = f(1, 2)
        ",
        &[("a", "…", "VAL TARGET"), ("b", "2", "")],
    );
}

#[test]
fn functions_within_functions_see_what_surrounds_them() {
    let program = "
        def outer(x):
            def inner():
                return x
            return inner()
        a = outer(val)
    ";
    holds("a closure", program, &[("a", "tensor", "VAL")]);
    holds(
        "a lambda",
        "
            f = lambda x, k=2: x * k
            a = f(3)
            b = f(val)
        ",
        &[("a", "6", ""), ("b", "…", "VAL")],
    );
    holds("map", "a = list(map(lambda x: x + 1, [1, 2]))\n", &[("a", "[*3]", "")]);
    holds(
        "partial is the function itself",
        "
            def f(a, b=1):
                return b
            g = functools.partial(f, 2)
        ",
        &[("g", "function f", "")],
    );
}

#[test]
fn a_function_is_followed_twice_within_itself() {
    let program = "
        def f(n, x):
            return x if n == 0 else f(n - 1, x)
        a = f(1, val)
        b = f(9, val)
    ";
    holds("recursion", program, &[("a", "tensor", "VAL"), ("b", "…", "VAL")]);
}

#[test]
fn a_generator_gives_what_it_yields_first() {
    holds(
        "yield",
        "
            def g():
                yield val.sum()
                yield train.sum()
            a = next(g())
        ",
        &[("a", "…", "VAL")],
    );
}

#[test]
fn decorators_and_context_managers_change_nothing() {
    let program = "
        @torch.compile
        def f(x):
            return x
        with torch.no_grad():
            a = f(val)
    ";
    holds("decorated", program, &[("a", "tensor", "VAL")]);
    holds(
        "with",
        "with open('fineweb_val_1.bin', 'rb') as f:\n    a = f.read()\n",
        &[("f", "file", "VAL"), ("a", "…", "VAL")],
    );
}

#[test]
fn what_nobody_knows_reads_and_writes_what_it_is_given() {
    let program = "
        kernel = input()
        buffer = torch.zeros(3)
        out = kernel(buffer, val)
    ";
    holds("a call of an unknown value", program, &[("out", "…", "VAL"), ("buffer", "tensor", "VAL")]);
    let program = "
        import package
        buffer = torch.zeros(3)
        out = package.kernel(buffer, val)
    ";
    let rows = [("out", "…", "VAL UNFOLLOWED"), ("buffer", "tensor", "")];
    holds("a library without a row writes nothing", program, &rows);
}
