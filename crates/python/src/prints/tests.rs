use super::*;

fn prints(source: &str) -> Prints {
    let (mut prints, mut reached) = (Prints::default(), Reached::default());
    let module = Module::parse(source).expect("parses");
    reached.add(&module);
    prints.add(&module, &reached);
    prints
}

#[track_caller]
fn makes(source: &str, lines: &[&str], others: &[&str]) {
    let prints = prints(source);
    for line in lines {
        assert!(prints.can_make(line), "{line:?} is made by:\n{source}");
    }
    for line in others {
        assert!(!prints.can_make(line), "{line:?} is not made by:\n{source}");
    }
}

#[test]
fn every_way_to_build_a_text_is_read() {
    makes(
        "log0(f\"step:{step}/{n} val_loss:{loss:.4f} val_bpb:{bpb:.4f}\")",
        &["step:1/20 val_loss:2.0700 val_bpb:1.2244", "[rank0] step:1/20 val_loss:nan val_bpb:1.2244 more"],
        &["step:1/20 val_loss:2.07001 val_bpb:1.2244", "ttt_epoch:1/3 val_bpb:1.2244", "val_loss:2.0700 step:1/2"],
    );
    makes(
        "print('epoch %d: loss=%.3f (%s%%)' % (a, b, c))",
        &["epoch 1: loss=2.345 (7%)"],
        &["epoch 1: loss=2.3 (7%)"],
    );
    makes("print('a {} of {n:.2f} {{x}} loss'.format(a, n=b))", &["a 7 of 1.25 {x} loss"], &["a 7 of 1.2 {x} loss"]);
    makes("print('val_bpb:', bpb, 'after', n)", &["val_bpb: 1.2 after 7"], &["val_bpb:1.2 after 7"]);
    makes("print('val_bpb', bpb, sep='=')", &["val_bpb=1.2"], &["val_bpb 1.2"]);
    makes("line = 'total ' + str(n) + ' loss:' + str(x)\nlog(line)", &["total 7 loss:1.2"], &["total 7 bpb:1.2"]);
    makes("print(f\"{x=:.2f} {y = }\")", &["x=1.25 y = 3"], &["x=1.2 y = 3"]);
    makes("log(f'first:{a}\\nsecond:{b}')", &["first:1", "second:2"], &["third:1"]);
    makes("msg = f'step:{a}'\nmsg += f' lr:{b}'\nlog(msg)", &["step:7 lr:0.1"], &["epoch:7"]);
    makes(
        "log('using_ema_weights:1')\nlog(f'qat:on alpha=1.0')",
        &["using_ema_weights:1", "qat:on alpha=1.0"],
        &["alpha=2.0"],
    );
}

#[test]
fn a_text_of_holes_makes_what_has_the_programs_words() {
    let source = "for k, v in {'matrix_lr': 1, 'epoch': 2}.items(): print(f'{k}: {v}')";
    makes(source, &["matrix_lr: 0.1", "lr_matrix: 0.1"], &["ttt_epoch: 3", "matrix_lr=0.1"]);
}

#[test]
fn a_line_of_many_places_is_tried_within_bounds() {
    let source = format!("print(f\"{}\")", "a{x}".repeat(50));
    let long = "a".repeat(20_000);
    prints(&source).can_make(&format!("{long}b:1"));
}

#[test]
fn lines_of_other_programs_and_pieces_of_lines_are_not_told_apart() {
    makes(
        "print(f'train_loss:{x}')\nsource = '''\nprintf(\"kernel_time: %f\", t);\n'''",
        &["ain_loss:6.9", "kernel_time: 0.5"],
        &["ttt_epoch:1", "loss:6.9x"],
    );
}

#[test]
fn a_function_that_nothing_names_prints_nothing() {
    let adapt = "def adapt(n):\n    print(f\"ttt:epoch:{n}/3 loss:{n:.4f}\")\n    adapt(n - 1)\n";
    let line = ["ttt:epoch:1/3 loss:1.9625"];
    for unused in ["print('step:', 1)\n", "def other():\n    adapt(3)\n", "'''adapt'''\n"] {
        makes(&format!("{adapt}{unused}"), &[], &line);
    }
    for used in [
        "adapt(3)\n",
        "def other():\n    adapt(3)\nother()\n",
        "run = {'adapt': adapt}['adapt']\n",
        "getattr(module, 'adapt')(3)\n",
        "globals()['ad' + mode](3)\n",
        "class Run:\n    def go(self):\n        adapt(3)\n",
    ] {
        makes(&format!("{adapt}{used}"), &line, &[]);
    }
}
