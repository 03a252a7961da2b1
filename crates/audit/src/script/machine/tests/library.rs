//! Effects of library functions: the table of effects, seen from a script.

use super::{Config, happens, holds, holds_with};

#[test]
fn three_functions_called_load_do_three_things() {
    let program = "
        a = torch.load('bytes.pt')
        b = np.load('bytes.npy')
        c = json.load(open('bytes.json'))
    ";
    let rows =
        [("a", "tensor", "SHIPPED FOREIGN"), ("b", "tensor", "SHIPPED FOREIGN TABLE_FILE"), ("c", "other", "SHIPPED")];
    holds("load", program, &rows);
}

#[test]
fn paths_name_the_data() {
    let program = "
        p = os.path.join(os.environ.get('DATA', './data'), 'fineweb_val_*.bin')
        a = np.fromfile(p)
        b = open(p).read()
        c = torch.load('model.pt')
    ";
    holds(
        "paths",
        program,
        &[
            ("p", "'./data/fineweb_val_*.bin'", "VAL"),
            ("a", "tensor", "VAL"),
            ("b", "…", "VAL"),
            ("c", "tensor", "SHIPPED FOREIGN"),
        ],
    );
}

#[test]
fn what_is_written_is_read_again() {
    let program = "
        torch.save(train, 'a.pt')
        a = torch.load('a.pt')
        np.save('b.npy', train)
        b = np.load('b.npy')
        open('c', 'w').write(train)
        c = open('c').read()
    ";
    holds("files", program, &[("a", "tensor", "TRAIN"), ("b", "tensor", "TRAIN"), ("c", "…", "TRAIN")]);
    happens(
        "validation tokens are told of",
        "np.save('b.npy', val)\ntorch.save(val, 'a.pt')\n",
        &["Written 1", "Written 2"],
    );
}

#[test]
fn probabilities_become_those_of_the_token_and_losses() {
    let program = "
        p = F.softmax(val, -1)
        g = p.gather(-1, val[1:])
        l = -g.log()
        n = F.cross_entropy(val, val)
        c = torch.nn.CrossEntropyLoss()(val, val)
    ";
    let rows = [
        ("p", "…", "VAL DISTRIBUTION"),
        ("g", "…", "VAL TARGET DISTRIBUTION GOLD"),
        ("l", "…", "VAL TARGET DISTRIBUTION GOLD"),
        ("n", "…", "VAL LOSS"),
        ("c", "…", "VAL LOSS"),
    ];
    holds("losses", program, &rows);
}

#[test]
fn samples_counts_hashes_and_orders_are_told_apart() {
    let program = "
        s = torch.multinomial(F.softmax(val, -1), 1)
        c = np.bincount(val)
        h = (val * 31) ^ 7
        k = h % 1024
        o = np.random.permutation(9)
    ";
    let rows = [
        ("s", "…", "GENERATED"),
        ("c", "…", "VAL COUNTED"),
        ("h", "…", "VAL HASHED"),
        ("k", "…", "VAL HASHED"),
        ("o", "…", "REORDERED SHUFFLED"),
    ];
    holds("arrays", program, &rows);
    holds(
        "a list",
        "
            a = list(val)
            random.shuffle(a)
            b = sorted(val)
        ",
        &[("a", "[*…]", "VAL REORDERED SHUFFLED"), ("b", "[*…]", "VAL")],
    );
}

#[test]
fn a_tensor_that_learns_belongs_to_a_model_or_to_none() {
    let program = "
        a = torch.zeros(3, requires_grad=True)
        b = torch.zeros(3)
        c = torch.nn.Parameter(b)
        for i in val:
            d = torch.zeros(3, requires_grad=True)
    ";
    holds(
        "offsets",
        program,
        &[("a", "tensor", "OFFSET"), ("b", "tensor", ""), ("c", "tensor", "OFFSET"), ("d", "tensor", "OFFSET ANEW")],
    );
    let program = "
        class M(torch.nn.Module):
            def __init__(self):
                self.w = torch.nn.Parameter(torch.zeros(3))
        w = M().w
    ";
    holds("of a model", program, &[("w", "tensor", "")]);
}

#[test]
fn the_environment_is_what_the_log_states_or_the_default() {
    let program = "
        a = int(os.environ.get('STEPS', '10'))
        b = int(os.getenv('WORLD_SIZE', '1'))
        c = os.environ.get('VAL_FILES')
        d = int(os.environ.get('SEED', 1))
    ";
    holds("defaults", program, &[("a", "10", ""), ("b", "8", ""), ("c", "None", "VAL"), ("d", "1", "SEED")]);
    let config = Config::new([("steps", "20"), ("world_size", "1")]);
    holds_with(&config, "the log", program, &[("a", "20", ""), ("b", "1", "")]);
}

#[test]
fn a_line_of_the_log_is_reported_where_it_sums_up_scores() {
    let program = "
        total = 0
        for x in val:
            total += F.cross_entropy(x, x)
        print(f'val_bpb:{total}')
        print('done')
    ";
    happens("a report", program, &["Loss 3", "Score 3", "Loss 3", "Score 3", "Report 4"]);
}

#[test]
fn what_a_full_name_does_not_say_is_taken_for_torch() {
    let program = "
        import kernels
        from kernels import log_softmax
        a = kernels.cross_entropy(val, val)
        b = log_softmax(val)
        c = kernels.attention(val)
    ";
    holds(
        "a package without a row",
        program,
        &[("a", "…", "VAL LOSS UNFOLLOWED"), ("b", "…", "VAL DISTRIBUTION UNFOLLOWED"), ("c", "…", "VAL UNFOLLOWED")],
    );
    let program = "
        import torch.distributed as dist
        h = (val * 31 + val[1:]) ^ 7
        a = dist.gather(h, h)
        b = torch.gather(h, -1, h)
    ";
    holds(
        "a package with rows is known to the end",
        program,
        &[("a", "…", "VAL TARGET HASHED"), ("b", "…", "VAL TARGET HASHED TARGET_LOOKUP")],
    );
}

#[test]
fn what_reaches_outside_and_sets_seeds_is_told_of() {
    let program = "
        import subprocess, urllib.request
        subprocess.run(['git', 'clone', 'x'])
        urllib.request.urlopen('http://x')
        torch.manual_seed(4)
        if time.time() > 600:
            pass
    ";
    happens("outside", program, &["Import 1", "Import 1", "Outside 2", "Unfollowed 2", "Outside 3", "Seed 4"]);
    happens(
        "a limit in a loop",
        "
            for x in val:
                if time.time() > 600:
                    break
        ",
        &["Clock 2", "Clock 2"],
    );
}

#[test]
fn what_native_code_returns_and_writes_is_marked() {
    let program = "
        import ctypes
        lib = ctypes.CDLL('mixer.so')
        lib.mix.restype = ctypes.c_double
        a, b, c, d = np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(4)
        r = lib.mix(val, a.ctypes.data, b.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), ctypes.byref(c))
        n = len(a)
        e = np.zeros(4)
        e[a, a] += 1
    ";
    let rows = [
        ("r", "…", "VAL UNFOLLOWED"),
        ("a", "tensor", "VAL UNFOLLOWED"),
        ("b", "tensor", "VAL UNFOLLOWED"),
        ("c", "tensor", "VAL UNFOLLOWED"),
        ("d", "tensor", ""),
        ("n", "…", ""),
        ("e", "tensor", "UNFOLLOWED"),
    ];
    holds("a compiled library", program, &rows);
    happens(
        "every line is a place",
        "import ctypes\nlib = ctypes.CDLL('a.so')\nlib.f(val)\nlib.f(val)\n",
        &["Import 1", "Outside 2", "Unfollowed 3", "Unfollowed 4"],
    );
    let program = "
        import importlib.util
        spec = importlib.util.spec_from_file_location('mixer', 'mixer.py')
        mixer = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(mixer)
        r = mixer.mix(val)
    ";
    holds("a file by its path", program, &[("r", "…", "VAL UNFOLLOWED")]);
}

#[test]
fn threads_and_executors_call_what_they_are_given() {
    let program = "
        import threading, queue
        from concurrent.futures import ThreadPoolExecutor
        table, results = {}, queue.Queue()
        def work(tokens):
            table[0] = tokens
            results.put(tokens[1:])
        thread = threading.Thread(target=work, args=(val,))
        thread.start()
        a, b = table[0], results.get()
        pool = ThreadPoolExecutor(4)
        c = pool.submit(lambda tokens: F.softmax(tokens, -1), val).result()
        d = list(pool.map(lambda tokens: F.softmax(tokens, -1), [val]))[0]
    ";
    let rows = [
        ("a", "tensor", "VAL"),
        ("b", "…", "VAL TARGET"),
        ("c", "…", "VAL DISTRIBUTION"),
        ("d", "…", "VAL DISTRIBUTION"),
    ];
    holds("threads", program, &rows);
}
