//! Learning: steps of optimizers, tables, states put back, and the scores that these reach.

use super::{Budget, Config, dedented, followed, happens, run};
use crate::script::trace::Action;

/// A model with an optimizer.
const MODEL: &str = "
    class M(torch.nn.Module):
        def __init__(self):
            self.w = torch.nn.Parameter(torch.zeros(3))
        def forward(self, x):
            return F.linear(x, self.w)
    m = M()
    o = torch.optim.SGD(m.parameters(), lr=1)
";

/// A program after [`MODEL`].
fn with_model(program: &str) -> String {
    format!("{}{}", dedented(MODEL), dedented(program))
}

/// Returns the number of updates that reached each score of a program that follows [`MODEL`].
fn updates_of_scores(program: &str) -> Vec<usize> {
    followed(&with_model(program), &Config::default(), Budget::default(), |machine| {
        let events = machine.events.trace.events.iter();
        let scores = events.filter_map(|event| match event.action {
            Action::Score { data } => Some(machine.taints.get(data).updates.len()),
            _ => None,
        });
        scores.collect()
    })
}

#[test]
fn a_step_of_an_optimizer_reaches_what_the_model_gives_after_it() {
    let program = "
        total = 0
        for x in val:
            loss = F.cross_entropy(m(x), x)
            total += loss
            loss.backward()
            o.step()
    ";
    assert_eq!(updates_of_scores(program), [0, 1], "scored first: the second iteration meets the step of the first");
    let program = "
        total = 0
        for x in val:
            F.cross_entropy(m(x), x).backward()
            o.step()
            total += F.cross_entropy(m(x), x)
    ";
    assert_eq!(updates_of_scores(program), [1, 2], "learnt first");
    let program = "
        F.cross_entropy(m(val), val).backward()
        o.step()
        other = M()
        kept = []
        kept.append(F.cross_entropy(other(val), val))
    ";
    assert_eq!(updates_of_scores(program), [0], "another model learnt nothing");
}

#[test]
fn a_state_that_is_put_back_takes_away_what_was_learnt() {
    let learn = "F.cross_entropy(m(val), val).backward()\no.step()\n";
    let score = "kept = [0]\nkept[0] = F.cross_entropy(m(val), val)\n";
    let before = "state = m.state_dict()\n";
    assert_eq!(updates_of_scores(&format!("{learn}{score}")), [1]);
    assert_eq!(updates_of_scores(&format!("{before}{learn}m.load_state_dict(state)\n{score}")), [0]);
    assert_eq!(updates_of_scores(&format!("{before}{learn}if input():\n    m.load_state_dict(state)\n{score}")), [1]);
}

#[test]
fn gradients_that_were_cleared_teach_nothing() {
    let learnt = |program: &str| {
        followed(&with_model(program), &Config::default(), Budget::default(), |machine| {
            let mut events = machine.events.trace.events.iter();
            events.find_map(|event| match event.action {
                Action::Update { data, .. } => Some(machine.taints.flags(data).names().join(" ")),
                _ => None,
            })
        })
    };
    let backward = "F.cross_entropy(m(val), val).backward()\n";
    assert_eq!(learnt(&format!("{backward}o.step()\n")).as_deref(), Some("VAL LOSS"));
    assert_eq!(learnt(&format!("{backward}o.zero_grad()\no.step()\n")).as_deref(), Some(""));
}

#[test]
fn who_learns_is_told_apart() {
    let program = "
        bias = torch.zeros(3, requires_grad=True)
        o = torch.optim.SGD([bias], lr=1)
        F.cross_entropy(val + bias, val).backward()
        o.step()
    ";
    happens("a tensor of its own", program, &["Loss 3", "Update of Offset 4"]);
    let program = "
        counts = np.zeros(9)
        for x in val:
            counts[x] += 1
    ";
    happens("a table", program, &["Update of Table 3", "Update of Table 3"]);
    let program = "
        counts = {}
        for x in val:
            counts[x ^ 3] = 1
        np.add.at(counts, val[:9], 1)
    ";
    happens("a dictionary under hashes", program, &["Update of Table 3", "Update of Table 3", "Update of Table 4"]);
    let program = "
        for x in val:
            once = np.zeros(9)
            once[x] += 1
    ";
    happens("what is made anew in each iteration keeps nothing", program, &[]);
}

#[test]
fn a_loss_is_a_score_where_it_is_kept() {
    let rows = [
        ("added", "t = 0\nt += F.cross_entropy(val, val)\n"),
        ("appended", "t = []\nt.append(F.cross_entropy(val, val))\n"),
        ("written into a buffer", "t = torch.zeros(2)\nt[0] = F.cross_entropy(val, val)\n"),
        ("copied into a buffer", "t = torch.zeros(2)\nt.copy_(F.cross_entropy(val, val))\n"),
    ];
    for (how, program) in rows {
        happens(how, program, &["Loss 2", "Score 2"]);
    }
    happens("of training tokens it is none", "t = []\nt.append(F.cross_entropy(train, train))\n", &["Loss 2"]);
    let ran = run("t = 0\nt += F.cross_entropy(val, val)\n", &["t"], &Config::default(), Budget::default());
    assert_eq!(ran.holds[0].1, "VAL LOSS");
}
