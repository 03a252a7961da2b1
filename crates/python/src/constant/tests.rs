//! The constants compared with CPython: `cpython.txt` holds expressions with what CPython 3.11 shows for them, or the
//! exception that it raises.

use proptest::prelude::*;

use super::*;
use crate::Module;
use crate::module::ast::{self, Expr, Stmt};

/// Expressions with their results; `scripts/cpython-constants` writes the results anew.
const TABLE: &str = include_str!("cpython.txt");

const LIMIT: Limit = Limit { bytes: 4096, members: 4096 };

/// Evaluates an expression without names, over the constants alone.
fn evaluated(expr: &Expr) -> Computed {
    if let Some(literal) = literal(expr) {
        return literal;
    }
    let all = |items: &[Expr]| items.iter().map(evaluated).collect::<Result<Vec<_>, _>>();
    match expr {
        Expr::Tuple(tuple) => Ok(Constant::Tuple(all(&tuple.elts)?.into())),
        Expr::List(list) => Ok(Constant::List(all(&list.elts)?.into())),
        Expr::Dict(dict) => {
            let entry =
                |item: &ast::DictItem| Ok((evaluated(item.key.as_ref().expect("a key"))?, evaluated(&item.value)?));
            Ok(Constant::Dict(dict.items.iter().map(entry).collect::<Result<_, Failure>>()?))
        }
        Expr::UnaryOp(unary_op) => unary(unary_op.op, &evaluated(&unary_op.operand)?),
        Expr::BinOp(binary_op) => {
            binary(binary_op.op, &evaluated(&binary_op.left)?, &evaluated(&binary_op.right)?, LIMIT)
        }
        Expr::Compare(comparison) => {
            let (left, right) = (evaluated(&comparison.left)?, evaluated(&comparison.comparators[0])?);
            compare(comparison.ops[0], &left, &right).map(Constant::Bool)
        }
        Expr::Subscript(holder) => {
            let value = evaluated(&holder.value)?;
            let Expr::Slice(bounds) = &*holder.slice else {
                return subscript(&value, &evaluated(&holder.slice)?);
            };
            let bounds = [&bounds.lower, &bounds.upper, &bounds.step];
            let bounds = bounds.map(|bound| bound.as_ref().map(|bound| evaluated(bound).expect("a bound")));
            let [start, stop, step] = &bounds;
            Slice::of([start.as_ref(), stop.as_ref(), step.as_ref()])?.of_constant(&value)
        }
        Expr::FString(text) => {
            let parts = f_string(text, LIMIT, &mut |element| evaluated(&element.expression).ok());
            let known = parts.into_iter().collect::<Option<String>>();
            known.map(|text| Constant::text(&text)).ok_or_else(|| Failure::NotEvaluated("a part".to_owned()))
        }
        Expr::Call(call) => {
            let positional = all(&call.arguments.args)?;
            let named = call.arguments.keywords.iter();
            let named =
                named.map(|keyword| Ok((keyword.arg.as_ref().expect("a name").as_str(), evaluated(&keyword.value)?)));
            let given = Given { positional, named: named.collect::<Result<_, Failure>>()? };
            match &*call.func {
                Expr::Attribute(attribute) => {
                    method(&evaluated(&attribute.value)?, attribute.attr.as_str(), &given, LIMIT)
                }
                Expr::Name(name) => builtin(name.id.as_str(), &given, LIMIT),
                _ => panic!("a call of something else"),
            }
        }
        _ => panic!("an expression that the table must not hold"),
    }
}

fn of(source: &str) -> Computed {
    let module = Module::parse(source).unwrap_or_else(|problem| panic!("{source}: {problem}"));
    match module.body() {
        [Stmt::Expr(stmt)] => evaluated(&stmt.value),
        _ => panic!("{source}: not one expression"),
    }
}

#[test]
fn everything_in_the_table_is_as_in_cpython() {
    let mut different = Vec::new();
    let mut count = 0;
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (source, expected) = line.split_once("  →  ").unwrap_or_else(|| panic!("{line}: no result"));
        let found = match of(source) {
            Ok(value) => repr(&value, LIMIT).unwrap_or_else(|failure| format!("{failure:?}")),
            Err(Failure::Raises { exception, .. }) => exception.to_owned(),
            Err(failure) => format!("{failure:?}"),
        };
        if found != expected {
            different.push(format!("{source}: {found}, and CPython gives {expected}"));
        }
        count += 1;
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(count > 300, "{count}");
}

#[test]
fn what_is_too_large_or_is_not_evaluated_has_no_value() {
    for source in [
        "9223372036854775807 + 1",
        "-(-9223372036854775807 - 1)",
        "(-9223372036854775807 - 1) // -1",
        "abs(-9223372036854775807 - 1)",
        "2 ** 63",
        "1 << 63",
        "9007199254740993 / 3",
        "'x' * 5000",
        "[0] * 1000000000000",
        "'a'.replace('a', 'b' * 4096) * 2",
        "'a'.ljust(5000)",
        "f\"{'a':5000}\"",
        "'%5000d' % 1",
        "range(5000)",
        "bytes(5000)",
        "'abcd'.replace('', 'x' * 1000)",
        "','.join(['x' * 2000, 'y' * 2000, 'z' * 2000])",
        "10.0 ** 2 ** 70",
        "(-8.0) ** 0.5",
        "'a' is 'a'",
        "'é'.isalpha()",
        "repr('\\u2028')",
        "'{0.real}'.format(1)",
        "format(1234, '010,d')",
        "sum([0.1, 0.2])",
        "enumerate([1, 2], 9223372036854775807)",
        "[1, 2][9223372036854775807::-9223372036854775807] * 9223372036854775807",
        "'a'.center(9223372036854775807, 'é')",
        "format(1.5, '.9999f')",
        "'%.99999999999f' % 1.5",
    ] {
        let found = of(source);
        assert!(matches!(found, Err(Failure::TooLarge | Failure::NotEvaluated(_))), "{source}: {found:?}");
    }
}

/// The members that Python's documentation says a slice selects: those at start, start + step, … before stop.
fn selected(len: i64, slice: Slice) -> Vec<usize> {
    let step = slice.step.unwrap_or(1);
    let from_end = |bound: i64| if bound < 0 { bound + len } else { bound };
    let mut at = match slice.start {
        Some(bound) if step > 0 => from_end(bound).max(0),
        Some(bound) => from_end(bound).min(len - 1),
        None if step > 0 => 0,
        None => len - 1,
    };
    let stop = slice.stop.map(from_end);
    let mut places = Vec::new();
    while (0..len).contains(&at) && stop.is_none_or(|stop| if step > 0 { at < stop } else { at > stop }) {
        places.push(at as usize);
        at += step;
    }
    places
}

fn bound() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(prop_oneof![-12_i64..12, Just(i64::MIN), Just(i64::MAX)])
}

proptest! {
    #[test]
    fn slices_select_what_python_says(len in 0_usize..9, start in bound(), stop in bound(), step in proptest::option::of(-4_i64..4)) {
        let slice = Slice { start, stop, step };
        match slice.places(len) {
            Err(_) => prop_assert_eq!(step, Some(0)),
            Ok(places) => {
                let places: Vec<usize> = places.places().collect();
                let small = |bound: Option<i64>| bound.map(|bound| bound.clamp(-100, 100));
                let expected = selected(len as i64, Slice { start: small(start), stop: small(stop), step });
                prop_assert_eq!(&places, &expected);
                let members: Vec<usize> = (0..len).collect();
                prop_assert_eq!(slice.part(&members), Ok(expected));
            }
        }
    }

    #[test]
    fn a_slice_of_a_text_is_one_of_its_characters(text in "[aé€😀]{0,7}", start in bound(), stop in bound(), step in -3_i64..4) {
        let slice = Slice { start, stop, step: Some(step).filter(|step| *step != 0) };
        let characters: Vec<char> = text.chars().collect();
        let expected: String = slice.part(&characters).expect("no step of zero").into_iter().collect();
        prop_assert_eq!(slice.of_text(&text), Ok(expected));
    }

    #[test]
    fn quotient_and_remainder_make_up_the_dividend(left: i64, right: i64) {
        let (left_value, right_value) = (Constant::Int(left), Constant::Int(right));
        let of = |op| binary(op, &left_value, &right_value, LIMIT);
        match (of(ast::Operator::FloorDiv), of(ast::Operator::Mod)) {
            (Ok(Constant::Int(quotient)), Ok(Constant::Int(rest))) => {
                prop_assert_eq!(i128::from(quotient) * i128::from(right) + i128::from(rest), i128::from(left));
                prop_assert!(rest == 0 || (rest < 0) == (right < 0));
                prop_assert!(rest.unsigned_abs() < right.unsigned_abs());
            }
            (Err(Failure::Raises { exception, .. }), _) => prop_assert_eq!((exception, right), ("ZeroDivisionError", 0)),
            other => prop_assert!(left == i64::MIN && right == -1, "{:?}", other),
        }
    }

    #[test]
    fn integers_and_floats_compare_exactly(int: i64, near in -2_i64..3) {
        // A double that lies beside the integer, which it may not be able to hold.
        let float = int as f64 + near as f64;
        let exact = i128::from(int).cmp(&(float as i128));
        let (int, float) = (Constant::Int(int), Constant::Float(float));
        prop_assert_eq!(compare(ast::CmpOp::Lt, &int, &float), Ok(exact.is_lt()));
        prop_assert_eq!(compare(ast::CmpOp::Gt, &int, &float), Ok(exact.is_gt()));
        prop_assert_eq!(equal(&float, &int), exact.is_eq());
    }

    #[test]
    fn a_float_is_read_as_it_is_shown(float: f64) {
        let shown = shown(&Constant::Float(float), LIMIT).expect("shown");
        let given = Given::positional([Constant::text(&shown)]);
        let read = builtin("float", &given, LIMIT).expect("a number");
        prop_assert!(equal(&read, &Constant::Float(float)) || float.is_nan(), "{}", shown);
    }

    #[test]
    fn parts_are_joined_to_what_was_split(text in "[ab,é]{0,12}", by in "[a,é]{1,2}", most in -1_i64..4, from_right: bool) {
        let name = if from_right { "rsplit" } else { "split" };
        let given = Given { positional: vec![Constant::text(&by)], named: vec![("maxsplit", Constant::Int(most))] };
        let parts = text_method(&text, name, &given, LIMIT).expect("parts");
        prop_assert!(most < 0 || parts.length().is_some_and(|len| len as i64 <= most + 1));
        let joined = text_method(&by, "join", &Given::positional([parts]), LIMIT).expect("a text");
        prop_assert_eq!(joined.as_text(), Some(text.as_str()));
    }

    #[test]
    fn nothing_makes_it_panic(source in "[-a-z0-9 %{}:.,+*/'\"\\[\\]()é]{0,24}", value in any::<i64>(), float: f64) {
        for value in [Constant::Int(value), Constant::Float(float), Constant::text(&source)] {
            let _ = format(&value, &source, LIMIT);
            let _ = binary(ast::Operator::Mod, &Constant::text(&source), &value, LIMIT);
            let _ = text_method(&source, "format", &Given::positional([value]), LIMIT);
        }
        if let Ok(module) = Module::parse(&source)
            && let [Stmt::Expr(_)] = module.body()
        {
            for name in ["split", "rsplit", "splitlines", "strip", "title", "isdigit"] {
                let _ = text_method(&source, name, &Given::default(), LIMIT);
            }
        }
    }
}
