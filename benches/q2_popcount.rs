//! Times the product of a packed Z4 matrix with vectors by popcount beside f32 and beside unpacking to f32: `make bench-q2`.
//!
//! A word of 64 bits holds 32 symbols in Gray code, first symbol highest: the high bit of a pair is the sign (1 for positive), the
//! low one is set for a weak weight. With the levels ±½ and ±3/2 a weight is `(2·sign − 1)(3/2 − weak)·τ`. Activations are eight
//! bits in two's complement, each bit a plane that is spread over every other bit, so a sum over 32 weights and one plane is four
//! popcounts. The result is exact, and is compared with the sum over integers.
//!
//! Standard library only, one thread. Times are the least of several passes, block by block, as other work on the machine only
//! adds to them.

use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

const SYMBOLS: usize = 32;
const BLOCK: usize = 64;
const EVEN: u64 = 0x5555_5555_5555_5555;
const PLANES: usize = 8;
/// Twice the levels of A, B, C and D.
const TWICE: [i32; 4] = [-3, -1, 1, 3];

fn main() {
    println!(
        "{:>6} {:>6} {:>8}  {:>12} {:>12} {:>12} {:>12}",
        "rows", "cols", "vectors", "f32", "unpack+f32", "popcount", "prepare x"
    );
    for (rows, cols) in [(2048, 512), (3072, 768), (4096, 1024), (8192, 4096)] {
        products(rows, cols, 1);
        if rows * cols < 1 << 24 {
            products(rows, cols, 16);
        }
    }
    println!("\nns a row of 768 columns, by where rows begin (192 bytes of symbols are one and a half lines of 128)");
    for (what, stride, offset) in [
        ("packed, 192 bytes", 24, 0),
        ("padded to 256 bytes", 32, 0),
        ("packed, 8 bytes off a line", 24, 1),
        ("padded, 8 bytes off a line", 32, 1),
    ] {
        println!("  {what:28} {:6.1}", placed(stride, offset));
    }
}

/// Prints ns per 1,000 weights and vectors of each way.
fn products(rows: usize, cols: usize, vectors: usize) {
    let symbols = noise(rows * cols, 4);
    let packed = pack(&symbols, cols);
    assert_eq!(pack(&[[0u8, 1, 2, 3].as_slice(), &[0; 28]].concat(), 32)[0] >> 56, 0x1E);
    let floats: Vec<f32> = symbols.iter().map(|&s| TWICE[usize::from(s)] as f32 / 2.0).collect();
    let x: Vec<i8> = noise(vectors * cols, 256).iter().map(|&b| b as i8).collect();
    let x_float: Vec<f32> = x.iter().map(|&x| f32::from(x)).collect();
    let planes: Vec<Vec<u64>> = x.chunks(cols).map(spread).collect();

    let mut y = vec![0.0f32; rows * vectors];
    let dense = least(rows, |block| {
        for row in block {
            for (vector, x) in x_float.chunks(cols).enumerate() {
                y[row * vectors + vector] = dot(&floats[row * cols..][..cols], x);
            }
        }
        black_box(&mut y);
    });
    let mut line = vec![0.0f32; cols];
    let table: Vec<[f32; 4]> = (0..=255u8).map(unpacked).collect();
    let words = cols / SYMBOLS;
    let unpack = least(rows, |block| {
        for row in block {
            let bytes = packed[row * words..][..words].iter().flat_map(|word| word.to_be_bytes());
            line.chunks_exact_mut(4)
                .zip(bytes)
                .for_each(|(four, byte)| four.copy_from_slice(&table[usize::from(byte)]));
            for (vector, x) in x_float.chunks(cols).enumerate() {
                y[row * vectors + vector] = dot(&line, x);
            }
        }
        black_box(&mut y);
    });
    let mut z = vec![0i32; rows * vectors];
    let popcount = least(rows, |block| {
        for row in block {
            for (vector, planes) in planes.iter().enumerate() {
                z[row * vectors + vector] = twice_dot(&packed[row * words..][..words], planes);
            }
        }
        black_box(&mut z);
    });
    let prepare = least(1, |_| {
        black_box(x.chunks(cols).map(spread).collect::<Vec<_>>());
    });
    for (row, w) in symbols.chunks(cols).enumerate().step_by(97) {
        for (vector, x) in x.chunks(cols).enumerate() {
            let exact: i32 = w.iter().zip(x).map(|(&s, &x)| TWICE[usize::from(s)] * i32::from(x)).sum();
            assert_eq!(z[row * vectors + vector], exact, "row {row}");
            assert_eq!(y[row * vectors + vector] * 2.0, exact as f32, "row {row}");
        }
    }
    let unit = 1e12 / (rows * cols * vectors) as f64;
    print!("{rows:>6} {cols:>6} {vectors:>8} ");
    [dense, unpack, popcount, prepare].iter().for_each(|seconds| print!(" {:>9.1} ns", seconds * unit));
    println!("  per 1,000 weights and vectors");
}

/// Nanoseconds a row of 768 columns whose rows are `stride` words apart and begin `offset` words behind a line's start.
fn placed(stride: usize, offset: usize) -> f64 {
    const ROWS: usize = 3072;
    let row = pack(&noise(768, 4), 768);
    let mut words = vec![0u64; ROWS * stride + 64];
    let line = words.as_ptr().align_offset(128) + offset;
    for i in 0..ROWS {
        words[line + i * stride..][..row.len()].copy_from_slice(&row);
    }
    let planes = spread(&noise(768, 256).iter().map(|&b| b as i8).collect::<Vec<_>>());
    let seconds = least(ROWS, |block| {
        let row = |i: usize| twice_dot(&words[line + i * stride..][..24], &planes);
        black_box(block.map(row).fold(0, i32::wrapping_add));
    });
    seconds * 1e9 / ROWS as f64
}

/// Twice the product of a packed row with an activation's planes.
fn twice_dot(w: &[u64], planes: &[u64]) -> i32 {
    let mut sums = [0i32; PLANES];
    for (&word, planes) in w.iter().zip(planes.chunks_exact(PLANES)) {
        let (sign, weak) = (word >> 1 & EVEN, word & EVEN);
        let both = sign & weak;
        for (sum, &plane) in sums.iter_mut().zip(planes) {
            let count = |bits: u64| (bits & plane).count_ones() as i32;
            // 2·(2·sign − 1)(3/2 − weak) = 6·sign − 3 − 4·sign·weak + 2·weak
            *sum += 6 * count(sign) - 3 * count(EVEN) - 4 * count(both) + 2 * count(weak);
        }
    }
    let [.., last] = sums;
    sums[..PLANES - 1].iter().enumerate().map(|(bit, sum)| sum << bit).sum::<i32>() - (last << (PLANES - 1))
}

/// The planes of an activation: for each word of the row, bit b of its 32 numbers, each at the place of its symbol's low bit.
fn spread(x: &[i8]) -> Vec<u64> {
    let plane = |x: &[i8], bit: usize| x.iter().fold(0, |word, &x| word << 2 | u64::from(x as u8 >> bit & 1));
    x.chunks_exact(SYMBOLS).flat_map(|x| (0..PLANES).map(move |bit| plane(x, bit))).collect()
}

fn pack(symbols: &[u8], cols: usize) -> Vec<u64> {
    assert_eq!(cols % SYMBOLS, 0);
    symbols.chunks(SYMBOLS).map(|s| s.iter().fold(0, |word, &s| word << 2 | u64::from(s ^ (s >> 1)))).collect()
}

fn unpacked(byte: u8) -> [f32; 4] {
    [6, 4, 2, 0].map(|place| {
        let g = byte >> place & 3;
        TWICE[usize::from(g ^ (g >> 1))] as f32 / 2.0
    })
}

/// A dot product in sixteen sums, so that the compiler uses vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

/// Numbers below `n` that are the same every time.
fn noise(count: usize, n: u64) -> Vec<u8> {
    let mut state = count as u64;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % n) as u8
        })
        .collect()
}

/// Seconds of a pass over all rows: the sum over blocks of 64 rows of each one's least time, in passes over half a second. A block
/// is short beside the slices that other programs get.
fn least(rows: usize, mut pass: impl FnMut(Range<usize>)) -> f64 {
    let mut least = vec![f64::INFINITY; rows.div_ceil(BLOCK)];
    let (begin, mut passes) = (Instant::now(), 0);
    while begin.elapsed().as_secs_f64() < 0.5 || passes < 5 {
        for (block, least) in least.iter_mut().enumerate() {
            let start = Instant::now();
            pass(block * BLOCK..((block + 1) * BLOCK).min(rows));
            *least = least.min(start.elapsed().as_secs_f64());
        }
        passes += 1;
    }
    least.iter().sum()
}
