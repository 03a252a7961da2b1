//! Classes of the script: instances, attributes, methods.

use super::{Config, happens, holds, holds_with};

#[test]
fn instances_have_attributes_of_their_own_and_of_their_class() {
    let program = "
        class A:
            n = 1
            def __init__(self, x):
                self.x = x
        a, b = A(val), A(2)
        x, y, n = a.x, b.x, a.n
    ";
    holds("attributes", program, &[("a", "a A", ""), ("x", "tensor", "VAL"), ("y", "2", ""), ("n", "1", "")]);
    holds(
        "setattr",
        "
            class A: pass
            a = A()
            setattr(a, 'x', val)
            b = getattr(a, 'x')
            c = getattr(a, 'z', 4)
        ",
        &[("b", "tensor", "VAL"), ("c", "4", "")],
    );
    holds(
        "of the class itself",
        "
            class A:
                n = 1
            A.n = val
            b = A().n
        ",
        &[("b", "tensor", "VAL")],
    );
}

#[test]
fn methods_are_looked_up_through_the_bases() {
    let program = "
        class A:
            def f(self):
                return val
        class B(A):
            pass
        x = B().f()
    ";
    holds("inherited", program, &[("x", "tensor", "VAL")]);
    let program = "
        class A:
            @property
            def p(self):
                return 1
            @staticmethod
            def s(x):
                return x
            @classmethod
            def c(cls, x):
                return x
        a = A()
        p, s, c = a.p, a.s(2), A.c(3)
    ";
    holds("decorated", program, &[("p", "1", ""), ("s", "2", ""), ("c", "3", "")]);
}

#[test]
fn super_is_not_followed() {
    let program = "
        class A:
            def __init__(self):
                self.x = val
        class B(A):
            def __init__(self):
                super().__init__()
        x = B().x
    ";
    holds("the attribute is not there", program, &[("x", "method x", "")]);
}

#[test]
fn a_dataclass_has_the_fields_that_it_annotates() {
    let program = "
        @dataclasses.dataclass
        class A:
            x: int = 1
            y: int = 2
        a = A(val, y=3)
        x, y, z = a.x, a.y, A().x
    ";
    holds("fields", program, &[("x", "tensor", "VAL"), ("y", "3", ""), ("z", "1", "")]);
}

#[test]
fn a_setting_that_the_log_states_replaces_the_attribute() {
    let program = "
        class Hyperparameters:
            epochs = int(os.environ.get('EPOCHS', '0'))
            rate = 0.1
        h = Hyperparameters()
        e, r = h.epochs, h.rate
    ";
    holds("the defaults", program, &[("e", "0", ""), ("r", "0.1", "")]);
    holds_with(
        &Config::new([("epochs", "3"), ("rate", "0.5")]),
        "the log",
        program,
        &[("e", "3", ""), ("r", "0.5", "")],
    );
}

#[test]
fn a_call_of_a_model_runs_it() {
    let program = "
        class M(torch.nn.Module):
            def forward(self, x):
                return x * 2
        m = M()
        out = m(val)
        m(val)
    ";
    holds("forward", program, &[("out", "…", "VAL")]);
    happens("events", program, &["Forward 5", "Forward for nothing 6"]);
}
