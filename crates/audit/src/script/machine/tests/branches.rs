//! Conditions, failures, blocks that are left early.

use super::{happens, holds};

#[test]
fn a_known_condition_has_one_branch_followed() {
    holds(
        "if",
        "
            if 2 > 1:
                x = 1
            else:
                x = val
        ",
        &[("x", "1", "")],
    );
    holds("a choice", "x = val if False else 2\n", &[("x", "2", "")]);
    holds(
        "a switch that is off by default",
        "
            if int(os.environ.get('ON', '0')):
                x = 1
            else:
                x = 2
        ",
        &[("x", "2", "")],
    );
}

#[test]
fn an_unknown_condition_has_both_branches_joined() {
    holds(
        "other constants",
        "
            if input():
                x = 1
            else:
                x = 2
        ",
        &[("x", "…", "")],
    );
    holds(
        "the same constant",
        "
            if input():
                x = 1
            else:
                x = 1
        ",
        &[("x", "1", "")],
    );
    holds(
        "one branch alone",
        "
            x = train.sum()
            if input():
                x = val.sum()
        ",
        &[("x", "…", "VAL TRAIN")],
    );
    holds("a name of one branch", "if input():\n    x = 1\n", &[("x", "1", "")]);
    holds("a choice", "x = (1, val.sum()) if input() else (1, train.sum())\n", &[("x", "(1, …)", "VAL TRAIN")]);
    holds(
        "what is called outlives None",
        "
            f = None
            if input():
                f = len
        ",
        &[("f", "len", "")],
    );
}

#[test]
fn branches_add_up_in_objects() {
    let program = "
        a = []
        if input():
            a.append(val)
        else:
            a.append(train)
    ";
    holds("a list", program, &[("a", "[*tensor]", "VAL TRAIN")]);
}

#[test]
fn nothing_flows_from_a_condition() {
    holds(
        "implicit flow",
        "
            x = 0
            if val.sum() > 3:
                x = 1
        ",
        &[("x", "…", "")],
    );
}

#[test]
fn a_loss_that_is_kept_by_comparing_losses_is_chosen() {
    let program = "
        a = F.cross_entropy(val, val)
        b = F.cross_entropy(val, train)
        kept = torch.zeros(2)
        if a < b:
            kept[0] = a
    ";
    holds("the exception", program, &[("kept", "tensor", "VAL LOSS CHOSEN_BY_LOSS HINDSIGHT")]);
}

#[test]
fn a_block_that_leaves_is_not_joined_with_what_follows() {
    holds(
        "an early return",
        "
            def f():
                if input():
                    return 1
                return 2
            x = f()
        ",
        &[("x", "…", "")],
    );
    holds(
        "one that is certain",
        "
            def f():
                if True:
                    return 1
                return val
            x = f()
        ",
        &[("x", "1", "")],
    );
    holds(
        "None yields",
        "
            def f():
                if input():
                    return None
                return 3
            x = f()
        ",
        &[("x", "3", "")],
    );
    let program = "
        def f():
            x = 1
            if input():
                x = val
                raise ValueError
            return x
        y = f()
    ";
    holds("a failure", program, &[("y", "1", "")]);
}

#[test]
fn a_run_that_has_a_score_did_not_end_before() {
    let program = |test: &str| {
        format!(
            "
        def f(audit):
            if {test}:
                raise AssertionError('the order was not kept')
            return val.sum()
        x = f(True)
        "
        )
    };
    holds("raised for sure", &program("audit"), &[("x", "…", "VAL")]);
    let caught = "
        def fast():
            if True:
                raise ImportError
            return val.sum()
        try:
            x = fast()
        except ImportError:
            x = 2
    ";
    holds("caught", caught, &[("x", "…", "")]);
}

#[test]
fn a_handler_follows_the_whole_body() {
    let program = "
        try:
            x = val.sum()
            y = 1
        except ValueError:
            x = train.sum()
        finally:
            z = 3
    ";
    holds("try", program, &[("x", "…", "VAL TRAIN"), ("y", "1", ""), ("z", "3", "")]);
    let program = "
        try:
            import fast
        except ImportError:
            fast = None
        import slow
    ";
    happens("an import that may fail", program, &["Import 2", "Import 5"]);
}

#[test]
fn any_case_of_a_match_may_be_taken() {
    let program = "
        match input():
            case 'a':
                x = val.sum()
            case _:
                x = train.sum()
    ";
    holds("match", program, &[("x", "…", "VAL TRAIN")]);
}

#[test]
fn what_happens_under_an_unknown_condition_is_not_sure() {
    let program = "
        loss = F.cross_entropy(val, val)
        if input():
            loss = F.cross_entropy(val, val)
    ";
    happens("events", program, &["Loss 1", "Loss 3?"]);
}
