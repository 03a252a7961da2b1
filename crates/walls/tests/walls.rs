//! Every wall, tried by a script that wants through it. Needs Linux with namespaces, and python3.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use caddie_walls::{Limits, NO_WALL, Plan};

/// A folder of the run: its writable part, its root, its plan.
struct Cell {
    _temp: tempfile::TempDir,
    path: PathBuf,
    python: PathBuf,
}

impl Cell {
    fn new(python: &Path) -> Cell {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().to_owned();
        for name in ["run", "root"] {
            std::fs::create_dir(path.join(name)).unwrap();
        }
        // Where this test is root, the script is nobody and owns its folder.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(path.join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        Cell { _temp: temp, path, python: python.to_owned() }
    }

    fn command(&self, script: &str, limits: Limits) -> Command {
        std::fs::write(self.path.join("run/script.py"), script).unwrap();
        caddie_walls::command(&self.plan(limits), &self.path.join("plan.json")).unwrap()
    }

    fn plan(&self, limits: Limits) -> Plan {
        Plan {
            command: vec![self.python.to_string_lossy().into_owned(), "-I".to_owned(), "script.py".to_owned()],
            env: [("GIVEN".to_owned(), "yes".to_owned())].into(),
            readable: prefixes(&self.python),
            devices: Vec::new(),
            writable: self.path.join("run"),
            root: self.path.join("root"),
            loopback: Some(self.python.clone()),
            limits,
        }
    }

    fn run_with(&self, script: &str, limits: Limits) -> Output {
        self.command(script, limits).output().unwrap()
    }

    fn run(&self, script: &str) -> Output {
        self.run_with(script, Limits::default())
    }
}

/// The folders of a Python that does not lie in `/usr`.
fn prefixes(python: &Path) -> Vec<PathBuf> {
    let code = "import sys; print(sys.prefix); print(sys.base_prefix)";
    let out = Command::new(python).args(["-I", "-c", code]).output().unwrap().stdout;
    let paths = String::from_utf8(out).unwrap();
    let mut found: Vec<PathBuf> = paths.lines().map(PathBuf::from).filter(|path| !path.starts_with("/usr")).collect();
    found.dedup();
    found
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The script ends well, which it does only when everything that it tried was refused.
fn refused(cell: &Cell, script: &str) {
    let output = cell.run(script);
    assert!(output.status.success(), "{}", said(&output));
}

/// Helpers of the scripts: `no(f)` passes when `f` fails with an error of the system.
const NO: &str = "
def no(action, *kinds):
    try:
        result = action()
    except (kinds or OSError):
        return
    raise SystemExit(f'not refused: {result!r}')
";

fn a_program_runs_and_writes_where_it_may(cell: &Cell) {
    let output = cell.run("import os\nopen('made','w').write('x'); open('/tmp/t','w').write('y')\nprint(os.environ['GIVEN'], os.getcwd())");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).trim(), format!("yes {}", cell.path.join("run").display()));
    assert!(cell.path.join("run/made").exists() && cell.path.join("run/tmp/t").exists());
    assert_eq!(cell.run("raise SystemExit(7)").status.code(), Some(7));
}

fn network(cell: &Cell) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "{NO}\nimport socket\n\
         no(lambda: socket.create_connection(('127.0.0.1', {port}), 2))\n\
         no(lambda: socket.create_connection(('1.1.1.1', 53), 2))\n\
         no(lambda: socket.getaddrinfo('example.org', 80))\n\
         server = socket.create_server(('127.0.0.1', 0))\n\
         socket.create_connection(server.getsockname(), 2)\n"
    );
    refused(cell, &script);
}

/// Processes of one run find one another by name, and nobody else.
fn names(cell: &Cell) {
    let script = "import socket\nhere = {socket.gethostbyname(name) for name in ('localhost', socket.gethostname())}\n\
                  assert here == {'127.0.0.1'}, here\nserver = socket.create_server(('localhost', 0))\n\
                  socket.create_connection(server.getsockname()).close()\n";
    let elsewhere = "no(lambda: socket.gethostbyname('example.org'))\n";
    refused(cell, &format!("{NO}{script}{elsewhere}"));
}

/// A device is there when the plan names it, and only then.
fn devices(cell: &Cell) {
    let named = PathBuf::from("/dev/tty");
    if !named.exists() {
        return;
    }
    let look = "import os\nprint(os.path.exists('/dev/tty'))";
    assert_eq!(said(&cell.run(look)).trim(), "False");
    std::fs::write(cell.path.join("run/script.py"), look).unwrap();
    let plan = Plan { devices: vec![named], ..cell.plan(Limits::default()) };
    let output = caddie_walls::command(&plan, &cell.path.join("plan.json")).unwrap().output().unwrap();
    assert_eq!(said(&output).trim(), "True");
}

fn files(cell: &Cell) {
    let secret = cell.path.join("secret");
    std::fs::write(&secret, "key").unwrap();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    // Of a Python in the home folder the way to it shows, and nothing beside it.
    let known: Vec<String> = prefixes(&cell.python)
        .iter()
        .filter_map(|path| path.strip_prefix(&home).ok()?.components().next())
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let script = format!(
        "{NO}\nimport os\n\
         no(lambda: open({secret:?}).read())\n\
         assert not os.path.isdir({home:?}) or not set(os.listdir({home:?})) - set({known:?}), os.listdir({home:?})\n\
         no(lambda: os.listdir('/home'))\n\
         no(lambda: open('/etc/shadow').read())\n\
         for place in ('/usr/x', '/x', '/etc/x', '/dev/x', '/proc/sys/kernel/hostname'):\n    \
             no(lambda: open(place, 'w').write('x'))\n\
         no(lambda: os.symlink({secret:?}, 'link') or open('link').read())\n"
    );
    refused(cell, &script);
}

fn processes(cell: &Cell) {
    let script = format!(
        "{NO}\nimport os, signal\n\
         seen = [int(name) for name in os.listdir('/proc') if name.isdigit()]\n\
         assert len(seen) < 5, seen\n\
         no(lambda: os.kill({}, signal.SIGKILL))\n\
         os.kill(1, signal.SIGKILL) if False else None\n",
        std::process::id()
    );
    refused(cell, &script);
}

fn identity(cell: &Cell) {
    let script = format!(
        "{NO}\nimport os\n\
         assert os.getuid() == os.geteuid() == 65534, os.getuid()\n\
         status = open('/proc/self/status').read()\n\
         assert 'CapEff:\\t0000000000000000' in status and 'NoNewPrivs:\\t1' in status, status\n\
         no(lambda: os.setuid(0)); no(lambda: os.chroot('/tmp'))\n"
    );
    refused(cell, &script);
}

fn environment(cell: &Cell) {
    let mut command = cell.command("import os\nprint(sorted(os.environ))", Limits::default());
    command.env("CADDIE_SECRET", "key");
    let output = command.output().unwrap();
    assert!(!said(&output).contains("SECRET") && said(&output).contains("GIVEN"), "{}", said(&output));
}

fn system_calls(cell: &Cell) {
    let script = format!(
        "{NO}\nimport ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n\
         def call(name, *arguments):\n    \
             if getattr(libc, name)(*arguments) == -1: raise OSError(ctypes.get_errno(), name)\n\
         no(lambda: call('ptrace', 16, os.getppid(), 0, 0))\n\
         no(lambda: call('unshare', 0x10000000))\n\
         no(lambda: call('mount', b'tmpfs', b'/tmp', b'tmpfs', 0, None))\n\
         no(lambda: call('setns', 0, 0))\n"
    );
    refused(cell, &script);
}

fn limits(cell: &Cell) {
    let few = Limits { memory: 1 << 30, processes: 40, file: 1 << 20, cpu_seconds: 1, ..Limits::default() };
    let script = format!("{NO}\nno(lambda: bytearray(2 << 30), MemoryError)\n");
    assert!(cell.run_with(&script, few).status.success());
    let script = "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\ntry:\n    open('big', 'wb').write(b'x' * (2 << 20))\nexcept OSError:\n    raise SystemExit(3)";
    let _ = cell.run_with(script, few);
    assert!(std::fs::metadata(cell.path.join("run/big")).unwrap().len() <= 1 << 20);
    let script = "import os, time\nchildren = 0\ntry:\n    while children < 200:\n        if os.fork() == 0:\n            time.sleep(30); os._exit(0)\n        children += 1\nexcept OSError:\n    raise SystemExit(3)";
    assert_eq!(cell.run_with(script, few).status.code(), Some(3));
    let started = Instant::now();
    assert_eq!(cell.run_with("while True: pass", few).status.code(), Some(128 + 9));
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// What a program leaves behind ends with it, also what left its session and ignores every signal.
fn nothing_outlives(cell: &Cell) {
    let script = "import os, signal, time\n\
        if os.fork() == 0:\n    \
            os.setsid()\n    \
            for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)\n    \
            while True:\n        \
                open('alive', 'w').write(str(time.time())); time.sleep(0.05)\n\
        while not os.path.exists('alive'): time.sleep(0.05)\n";
    assert!(cell.run(script).status.success());
    let alive = || std::fs::read_to_string(cell.path.join("run/alive")).unwrap();
    let last = alive();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(alive(), last, "a process outlived its program");
    // And whoever started it takes all of it along.
    let _ = std::fs::remove_file(cell.path.join("run/alive"));
    let mut child = cell
        .command(&script.replace("while not os.path.exists('alive'):", "while True:"), Limits::default())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !cell.path.join("run/alive").exists() && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let last = alive();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(alive(), last, "a process outlived a killed run");
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(code) = caddie_walls::enter(&arguments) {
        return code.into();
    }
    let Some(python) = find_python() else {
        println!("skipped: no python3 here");
        return ExitCode::SUCCESS;
    };
    let probe = Cell::new(&python).run("print('inside')");
    if probe.status.code() == Some(i32::from(NO_WALL)) {
        println!("skipped: {}", said(&probe).trim());
        return ExitCode::SUCCESS;
    }
    let tests: &[(&str, Test)] = &[
        ("a_program_runs_and_writes_where_it_may", a_program_runs_and_writes_where_it_may),
        ("network", network),
        ("names", names),
        ("devices", devices),
        ("files", files),
        ("processes", processes),
        ("identity", identity),
        ("environment", environment),
        ("system_calls", system_calls),
        ("limits", limits),
        ("nothing_outlives", nothing_outlives),
    ];
    for (name, test) in tests {
        test(&Cell::new(&python));
        println!("test {name} ... ok");
    }
    println!("\ntest result: ok. {} passed; 0 failed", tests.len());
    ExitCode::SUCCESS
}

type Test = fn(&Cell);

fn find_python() -> Option<PathBuf> {
    let out = Command::new("python3").args(["-I", "-c", "import sys; print(sys.executable)"]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(out.stdout).ok()?.trim()))
}
