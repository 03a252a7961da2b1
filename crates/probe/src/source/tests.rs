//! Each source against a sum over everything that it can draw, and over everything that it decides on the way.

use super::*;
use crate::dice::Weights;

fn sequences(symbols: usize, length: usize) -> Vec<Vec<usize>> {
    (0..length).fold(vec![vec![]], |shorter, _| {
        shorter.iter().flat_map(|before| (0..symbols).map(|symbol| [&before[..], &[symbol]].concat())).collect()
    })
}

fn probability(process: &dyn Process, symbols: &[usize]) -> f64 {
    (-process.nats(symbols).iter().sum::<f64>()).exp()
}

fn processes(symbols: usize) -> Vec<Box<dyn Process>> {
    vec![
        Box::new(iid::Iid::new(symbols)),
        Box::new(markov::Markov::new(symbols, 1)),
        Box::new(markov::Markov::new(symbols, 2)),
        Box::new(mixture::Mixture::new(symbols, 3)),
        Box::new(repeat::Repeat::new(symbols)),
    ]
}

#[test]
fn probabilities_of_all_sequences_of_a_length_sum_to_one() {
    for process in processes(3) {
        for length in 1..=6 {
            let total = crate::sum(sequences(3, length).iter().map(|symbols| probability(&*process, symbols)));
            assert!((total - 1.0).abs() < 1e-12, "{process:?}, {length}: {total}");
        }
    }
}

/// The topics summed out by hand: the probability of a document is the mean over its topics of products.
#[test]
fn a_mixture_is_the_mean_over_its_topics() {
    let mixture = mixture::Mixture::new(10, 3);
    let background = Weights::zipf(10, 3);
    let mut dice = Dice::new(3, 0x6d69_7874);
    let all: Vec<usize> = (0..10).collect();
    let topics: Vec<Vec<usize>> = (0..3).map(|_| dice.choose(&all, 2)).collect();
    // Zipf's weights 1/2 and 1/3 of the two symbols of a topic.
    let of = |topic: &[usize], symbol| {
        let rank = topic.iter().position(|preferred| *preferred == symbol);
        0.4 * background.probability(symbol) + rank.map_or(0.0, |rank| 0.6 * [0.6, 0.4][rank])
    };
    for symbols in sequences(10, 3) {
        let product = |topic: &Vec<usize>| symbols.iter().map(|symbol| of(topic, *symbol)).product::<f64>();
        let mean = topics.iter().map(product).sum::<f64>() / 3.0;
        let exact = probability(&mixture, &symbols);
        assert!((exact / mean - 1.0).abs() < 1e-8, "{symbols:?}: {exact} against {mean}");
    }
}

/// All that a repeating source may decide, one path at a time.
fn paths(symbols: &[usize], at: usize, copying: Option<usize>, law: &Weights) -> f64 {
    let Some(&symbol) = symbols.get(at) else { return 1.0 };
    let (begins, ends) = (1.0 / repeat::BEGINS_ONE_IN as f64, 1.0 / repeat::ENDS_ONE_IN as f64);
    let copy = |from: usize| if symbols[from] == symbol { paths(symbols, at + 1, Some(from + 1), law) } else { 0.0 };
    let new = law.probability(symbol) * paths(symbols, at + 1, None, law);
    let free = match at {
        0 => new,
        _ => (1.0 - begins) * new + begins * (0..at).map(copy).sum::<f64>() / at as f64,
    };
    match copying {
        None => free,
        Some(from) => (1.0 - ends) * copy(from) + ends * free,
    }
}

#[test]
fn a_repeating_source_is_the_sum_over_its_paths() {
    let repeat = repeat::Repeat::new(2);
    for symbols in sequences(2, 7) {
        let (exact, brute) = (probability(&repeat, &symbols), paths(&symbols, 0, None, &Weights::zipf(2, 3)));
        assert!((exact / brute - 1.0).abs() < 1e-12, "{symbols:?}: {exact} against {brute}");
    }
}

/// What is drawn is what is stated: the counts of all sequences of three symbols against their probabilities.
#[test]
fn draws_follow_the_stated_probabilities() {
    for (number, process) in processes(3).iter().enumerate() {
        let mut dice = Dice::new(number as u64, 9);
        let all = sequences(3, 3);
        let mut counts = vec![0.0; all.len()];
        for _ in 0..20_000 {
            let drawn = process.draw(3, &mut dice);
            counts[all.iter().position(|symbols| *symbols == drawn).unwrap()] += 1.0;
        }
        let expected = all.iter().map(|symbols| 20_000.0 * probability(&**process, symbols));
        let chi: f64 = counts.iter().zip(expected).map(|(count, expected)| (count - expected).powi(2) / expected).sum();
        // 26 degrees of freedom: above 60 once in 6,000.
        assert!(chi < 60.0, "{process:?}: {chi}");
    }
}

/// Every stream of a length: with the BOS and what is cut off at the end they sum to one.
#[test]
fn streams_of_each_length_sum_to_one() {
    let source = Source::new(Kind::Repeat, &[7, 9], 3).unwrap();
    let (end, go_on) = (1.0 / 3.0, 2.0 / 3.0);
    // Tokens 0 and 1 are the symbols, 2 is BOS.
    for length in 1..=6 {
        let total: f64 = crate::sum(sequences(3, length).iter().map(|tokens| {
            let documents: Vec<&[usize]> = tokens.split(|token| *token == 2).collect();
            if documents.iter().rev().skip(1).any(|document| document.is_empty()) {
                return 0.0;
            }
            let of = |document: &&[usize]| match document.len() {
                0 => 1.0,
                n => probability(&*source.process, document) * f64::powi(go_on, n as i32 - 1),
            };
            documents.iter().map(of).product::<f64>() * f64::powi(end, documents.len() as i32 - 1)
        }));
        assert!((total - 1.0).abs() < 1e-12, "{length}: {total}");
    }
}

#[test]
fn a_stream_states_what_its_tokens_say() {
    for kind in Kind::ALL {
        let symbols: Vec<u16> = (10..60).collect();
        let source = Source::new(kind, &symbols, 20).unwrap();
        let stream = source.draw(1000, &mut Dice::new(4, 0));
        assert_eq!((stream.tokens.len(), stream.nats.len(), stream.tokens[0]), (1001, 1000, BOS));
        let documents: Vec<Vec<usize>> = stream.tokens[1..]
            .split(|token| *token == BOS)
            .map(|document| document.iter().map(|token| usize::from(*token) - 10).collect())
            .collect();
        assert!(documents.len() > 20 && documents.iter().all(|document| !document.is_empty()), "{kind}");
        let inside: usize = documents.iter().map(|document| document.len() - 1).sum();
        let content: f64 = documents.iter().map(|document| source.process.nats(document).iter().sum::<f64>()).sum();
        let lengths = (documents.len() - 1) as f64 * 20f64.ln() - inside as f64 * 0.95f64.ln();
        assert!((stream.total() - content - lengths).abs() < 1e-8, "{kind}");
        let rows = stream.documents();
        assert_eq!(rows.iter().map(|row| row.0).sum::<usize>(), 1000);
        assert!((rows.iter().map(|row| row.1).sum::<f64>() - stream.total()).abs() < 1e-8);
        assert_eq!(source.draw(1000, &mut Dice::new(4, 0)), stream);
        assert_ne!(source.draw(1000, &mut Dice::new(5, 0)), stream);
    }
}

#[test]
fn kinds_are_spelled_as_they_are_read() {
    for kind in Kind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    for wrong in ["", "IID", "markov", "markov:0", "markov:4", "markov:x", "model:a"] {
        assert_eq!(wrong.parse::<Kind>(), Err(Error::Kind(wrong.to_owned())));
    }
}
