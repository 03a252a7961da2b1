//! Names, constants, and the flow from value to value.

use super::holds;

#[test]
fn constants_are_folded() {
    holds(
        "arithmetic",
        "
            a = 2
            b = a * 3 + 1
            c = b / 2
            d = -b // 2
        ",
        &[("b", "7", ""), ("c", "3.5", ""), ("d", "-4", "")],
    );
    holds(
        "texts",
        "
            a = 'x' + 'y'
            b = f'{a}_{2}_{val}'
            c = a.upper()
        ",
        &[("a", "'xy'", ""), ("b", "'xy_2_…'", "VAL"), ("c", "'XY'", "")],
    );
    holds(
        "comparisons",
        "
            a = 2 > 1
            b = not a
            c = a and 'yes'
            d = None is None
        ",
        &[("a", "True", ""), ("b", "False", ""), ("c", "'yes'", ""), ("d", "True", "")],
    );
    holds("an overflow is not known", "a = 9223372036854775807 + 1\n", &[("a", "…", "")]);
}

#[test]
fn tuples_are_taken_apart() {
    holds("two names change places", "a, b = 1, val\na, b = b, a\n", &[("a", "tensor", "VAL"), ("b", "1", "")]);
    holds("a starred target gets what is left of it", "a, *b = (1, 2, 3)\n", &[("a", "…", "")]);
    holds("a walrus binds", "a = (b := 3) + 1\n", &[("a", "4", ""), ("b", "3", "")]);
}

#[test]
fn two_names_of_one_list_see_the_same() {
    let program = "
        a = [1]
        b = a
        b.append(val)
        c = list(a)
        c.append(train)
    ";
    holds(
        "aliasing",
        program,
        &[("a", "[1, tensor]", "VAL"), ("b", "[1, tensor]", "VAL"), ("c", "[1, tensor, tensor]", "VAL TRAIN")],
    );
    holds(
        "an entry",
        "
            a = {'x': 1}
            b = a
            b['y'] = val
        ",
        &[("a", "{x: 1, y: tensor}", "VAL")],
    );
}

#[test]
fn a_result_is_made_of_every_operand() {
    holds("union", "a = val + train\nb = a.float().mean()\n", &[("a", "…", "VAL TRAIN"), ("b", "…", "VAL TRAIN")]);
    holds("a factor of zero", "a = val * 0\nb = val * 1\n", &[("a", "…", ""), ("b", "…", "VAL")]);
    holds("overwritten", "a = val\na = 1\n", &[("a", "1", "")]);
}

#[test]
fn a_length_is_a_position_and_no_content() {
    holds(
        "positions",
        "
            a = len(val)
            b = val.shape[0]
            c = range(val.size)
        ",
        &[("a", "…", ""), ("b", "…", ""), ("c", "range of …", "")],
    );
}

#[test]
fn targets_are_known_by_name_and_by_slice() {
    let program = "
        x = val[:-1]
        next_ = val[1:]
        labels = val[:-1]
        limit = labels.numel()
    ";
    holds(
        "targets",
        program,
        &[("x", "…", "VAL"), ("next_", "…", "VAL TARGET"), ("labels", "…", "VAL TARGET"), ("limit", "…", "")],
    );
    holds("an array is marked where something is made of it", "labels = val\n", &[("labels", "tensor", "VAL")]);
}

#[test]
fn global_and_nonlocal_bind_further_out() {
    holds(
        "global",
        "
            n = 1
            def f():
                global n
                n = 5
            f()
        ",
        &[("n", "5", "")],
    );
    holds(
        "without it the name is the function's own",
        "
            n = 1
            def f():
                n = 5
            f()
        ",
        &[("n", "1", "")],
    );
    let program = "
        def f():
            x = 1
            def g():
                nonlocal x
                x = val
            g()
            return x
        r = f()
    ";
    holds("nonlocal", program, &[("r", "tensor", "VAL")]);
}

#[test]
fn an_import_keeps_its_full_name() {
    let program = "
        from torch import nn
        import torch.optim as o
        a = nn.functional.softmax
        b = o.AdamW
        c = nobody_binds_this
    ";
    let rows =
        [("a", "torch.nn.functional.softmax", ""), ("b", "torch.optim.AdamW", ""), ("c", "nobody_binds_this", "")];
    holds("full names", program, &rows);
}
