//! Constants: what Python computes of them is known, and what is known in part stays so.

use super::holds;

#[test]
fn numbers_are_those_of_python() {
    let program = "
        a = -7 // 2, 7 // -2, -7 % 3, 7 % -3
        b = 2 ** 10, 1 << 20, 6 & 3, 6 ^ 3, ~5
        c = 7 / 2, 7.5 // 2, -7.5 % 2, 2 ** -1
        d = True + 1, 10 ** 30, 1 // 0
        e = 1 == 1.0, 'a' == 1, 'a' in 'cab', 3 in (1, 2), 9007199254740993 == 9007199254740992.0
    ";
    holds(
        "numbers",
        program,
        &[
            ("a", "(-4, -4, 2, -2)", ""),
            ("b", "(1024, 1048576, 2, 5, -6)", ""),
            ("c", "(3.5, 3.0, 0.5, 0.5)", ""),
            ("d", "(2, …, …)", ""),
            ("e", "(True, False, True, False, False)", ""),
        ],
    );
}

#[test]
fn texts_are_cut_and_written_as_python_does() {
    let program = "
        a = 'fineweb_1024'[8:], 'abc'[::-1], 'abc'[-1], 'abc'[5]
        b = 'a,b,c'.split(',', 1), '--x-'.strip('-'), 'x.py'.removesuffix('.py')
        c = f'{7:06d}|{0.5:.2f}|{\"x\":>3}', '%05.1f of %s' % (2.25, 'x'), '{:,}'.format(1234567)
        d = int(' 1_000 '), int('ff', 16), float('1e-3'), str(1e-7), len('été'), int('True')
    ";
    holds(
        "texts",
        program,
        &[
            ("a", "('1024', 'cba', 'c', …)", ""),
            ("b", "(['a', 'b,c'], 'x', 'x')", ""),
            ("c", "('000007|0.50|  x', '002.2 of x', '1,234,567')", ""),
            ("d", "(1000, 255, 0.001, '1e-07', 3, 1)", ""),
        ],
    );
}

#[test]
fn parts_of_a_text_that_are_not_known_stay_holes() {
    let program = "
        import sys
        n = sys.argv[1]
        a = f'final_{n}_Roundtrip'.lower()
        b = ('  ' + 'run_' + n).strip() + '.log'
        c = f'run_{n}'.split('_'), f'run_{n}'[:3], f'{n:>8}'
    ";
    holds("holes", program, &[("a", "'final_…_roundtrip'", ""), ("b", "'run_….log'", ""), ("c", "(…, …, '…')", "")]);
}
