//! Loops, comprehensions, and the state that one iteration leaves for the next.

use super::{happens, holds};

#[test]
fn few_known_members_are_followed_one_by_one() {
    holds(
        "a tuple",
        "
            n = 0
            for i in (1, 2, 3):
                n += i
        ",
        &[("n", "6", ""), ("i", "3", "")],
    );
    holds(
        "pairs",
        "for i, x in enumerate([val, train]):\n    last = x\n",
        &[("i", "1", ""), ("last", "tensor", "TRAIN")],
    );
    holds(
        "none",
        "
            n = 0
            for i in range(0):
                n = val
        ",
        &[("n", "0", "")],
    );
    holds(
        "one",
        "
            n = 0
            for i in range(5, 6):
                n += i
        ",
        &[("n", "5", "")],
    );
}

#[test]
fn other_loops_are_followed_twice() {
    holds(
        "a counter",
        "
            n = 0
            for i in range(1000):
                n += 1
        ",
        &[("n", "2", ""), ("i", "…", "")],
    );
    holds(
        "while",
        "
            n = 0
            while input():
                n += 1
        ",
        &[("n", "2", "")],
    );
    holds(
        "while it is known to hold",
        "
            n = 0
            while n < 1:
                n += 1
        ",
        &[("n", "1", "")],
    );
}

#[test]
fn one_iteration_meets_what_the_one_before_left() {
    holds(
        "carried",
        "
            before = 0
            for x in val:
                seen = before
                before = x
        ",
        &[("seen", "…", "VAL")],
    );
    holds(
        "two loops further",
        "
            a = b = c = 0
            for x in val:
                c = b
                b = a
                a = x
        ",
        &[("b", "…", "VAL"), ("c", "0", "")],
    );
}

#[test]
fn what_a_branch_binds_before_it_leaves_a_loop_is_kept() {
    let program = "
        x = train.sum()
        for i in range(9):
            if input():
                x = val.sum()
                break
    ";
    holds("break", program, &[("x", "…", "VAL TRAIN")]);
    let program = "
        x = last = 0
        for i in range(9):
            last = x
            if input():
                x = val.sum()
                continue
            z = 1
    ";
    holds("continue", program, &[("last", "…", "VAL"), ("z", "1", "")]);
    holds(
        "a certain break",
        "
            for i in (1, 2, 3):
                if i == 2:
                    break
        ",
        &[("i", "2", "")],
    );
    holds(
        "else",
        "
            for i in (1, 2):
                pass
            else:
                x = 3
        ",
        &[("x", "3", "")],
    );
    holds(
        "else after a break",
        "
            for i in (1, 2):
                break
            else:
                x = 3
        ",
        &[("x", "unbound", "")],
    );
    holds(
        "a return",
        "
            def f():
                for i in (1, 2):
                    return i
            x = f()
        ",
        &[("x", "1", "")],
    );
}

#[test]
fn a_comprehension_is_followed_once_with_names_of_its_own() {
    let program = "
        i = 7
        a = [i + 1 for i in (1, 2)]
        b = {k: v for k, v in [(1, val)]}
        c = [x for x in val if x > 3]
    ";
    holds("names", program, &[("i", "7", ""), ("a", "[*3]", ""), ("b", "[*tensor]", "VAL"), ("c", "[*…]", "VAL")]);
    holds("of nothing", "a = [x for x in ()]\n", &[("a", "[]", "")]);
}

#[test]
fn a_list_that_is_filled_in_a_loop_has_one_member_for_all() {
    holds(
        "append",
        "
            a = []
            for x in val:
                a.append(x)
            a.append(train.sum())
        ",
        &[("a", "[*…]", "VAL TRAIN")],
    );
}

#[test]
fn every_iteration_has_events_of_its_own() {
    happens("two", "for x in val:\n    F.cross_entropy(x, x)\n", &["Loss 2", "Loss 2"]);
    let nest: String = (0..8).map(|level| format!("{}for x{level} in val:\n", " ".repeat(level))).collect();
    let program = format!("{nest}{}F.cross_entropy(val, val)\n", " ".repeat(8));
    // Six loops of two iterations, and one iteration of those within.
    happens("loops within loops", &program, &["Loss 9"; 64]);
}
