//! Every page that a comment, a message or another page cites is in the repository, with the heading that the citation names.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Folders of any place that hold what others wrote, or what a program made.
const NOT_OURS: [&str; 3] = ["target", "fixtures", "seeds"];
/// Folders of the root that hold runs and their results.
const RESULTS: [&str; 3] = ["records", "demo", "runs"];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

/// Comments and literals of Rust: a literal is found only so that nothing inside it is taken for a comment.
static RUST: LazyLock<Regex> = LazyLock::new(|| {
    let comments = r"//[^\n]*|/\*.*?\*/";
    let strings = r####"r###".*?"###|r##".*?"##|r#".*?"#|r"[^"]*"|"(?:\\.|[^"\\])*""####;
    let characters = r"'(?:\\[^\n]{1,10}?|[^\\'\n])'";
    regex(&format!("(?s){comments}|{strings}|{characters}"))
});
/// Comments and literals of Python and TOML; what stands between three quotes is a description.
static HASHED: LazyLock<Regex> =
    LazyLock::new(|| regex(r####"(?s)#[^\n]*|""".*?"""|'''.*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"####));
/// A page below docs/, from the root or from deeper in it, with the headings that are named: `page.md#one, #other`.
static PAGE: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?:^|[^\w/.-])((?:\.\./)*docs/[\w./-]*\.md)((?:#\p{L}[\w-]*(?:(?:, | and )#\p{L}[\w-]*)*)?)")
});
/// A page of a folder called spec, wherever that lies.
static SPEC: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:^|[^\w/.-])((?:[\w.-]+/)*spec/[\w.-]+\.md)"));
/// The target of a link in Markdown.
static LINK: LazyLock<Regex> = LazyLock::new(|| regex(r#"\]\(([^)\s]+)(?:\s+"[^"]*")?\)"#));
static FENCE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?ms)^ *```.*?^ *```"));
static CODE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?ms)^ *```.*?^ *```|`[^`\n]*`"));
static HEADING: LazyLock<Regex> = LazyLock::new(|| regex(r"(?m)^#{1,6} +(.+?)[ #]*$"));

/// A checkout, and the headings of the pages that were asked for.
struct Checkout {
    root: PathBuf,
    headings: BTreeMap<PathBuf, Option<Vec<String>>>,
    references: usize,
    failures: Vec<String>,
}

impl Checkout {
    /// Reads every file below `root` that is written by hand.
    fn read(root: &Path) -> Checkout {
        let mut checkout =
            Checkout { root: root.to_owned(), headings: BTreeMap::new(), references: 0, failures: Vec::new() };
        let mut files = Vec::new();
        walk(root, true, &mut files);
        files.sort();
        for path in &files {
            let bytes = std::fs::read(path).expect("a file of the checkout");
            // A file that is no text cites nothing.
            if let Ok(text) = String::from_utf8(bytes) {
                checkout.file(path.strip_prefix(root).expect("below the root"), &text);
            }
        }
        checkout
    }

    fn file(&mut self, file: &Path, text: &str) {
        let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default();
        let of_a_test = file.components().any(|part| part.as_os_str() == "tests");
        let prose = match extension {
            "rs" => comments(&RUST, text, &["//", "/*"]),
            "md" => text.to_owned(),
            _ => comments(&HASHED, text, &["#", "\"\"\"", "'''"]),
        };
        // Messages send a reader to pages too; the strings of tests are examples.
        let citing = if of_a_test { prose.as_str() } else { text };
        for found in PAGE.captures_iter(citing) {
            let (page, anchors) = (found.get(1).expect("a page"), &found[2]);
            let path = PathBuf::from(page.as_str().trim_start_matches("../"));
            let place = place(file, citing, page.start());
            self.cited(&place, page.as_str(), &path, "");
            for anchor in anchors.split([',', ' ']).filter_map(|word| word.strip_prefix('#')) {
                self.cited(&place, &format!("{}#{anchor}", page.as_str()), &path, anchor);
            }
        }
        if extension == "md" {
            self.links(file, &blanked(&CODE, text));
        }
        for (at, _) in prose.match_indices('§') {
            self.fail(&place(file, &prose, at), "§", "numbers of sections move; name a heading of a page below docs/");
        }
        for found in SPEC.captures_iter(&prose) {
            let page = found.get(1).expect("a page");
            let beside = file.parent().map(|folder| self.root.join(folder).join(page.as_str()));
            let of_this_page = extension == "md" && beside.is_some_and(|path| path.is_file());
            if !page.as_str().trim_start_matches("../").starts_with("docs/") && !of_this_page {
                self.fail(&place(file, &prose, page.start()), page.as_str(), "a page outside docs/, which nobody has");
            }
        }
    }

    /// The relative links of a page in Markdown.
    fn links(&mut self, file: &Path, text: &str) {
        for found in LINK.captures_iter(text) {
            let target = found.get(1).expect("a target");
            let (path, anchor) = target.as_str().split_once('#').unwrap_or((target.as_str(), ""));
            if path.contains(':') || path.starts_with('/') || path.contains("{{") {
                continue;
            }
            let path = match path {
                "" => file.to_owned(),
                _ => plain(&file.parent().unwrap_or(Path::new("")).join(path)),
            };
            self.cited(&place(file, text, target.start()), target.as_str(), &path, anchor);
        }
    }

    /// Whether the file at `path` is there and, where an anchor is named, has its heading.
    fn cited(&mut self, place: &str, reference: &str, path: &Path, anchor: &str) {
        self.references += 1;
        let whole = self.root.join(path);
        if !whole.exists() {
            return self.fail(place, reference, "no such file");
        }
        if anchor.is_empty() {
            return;
        }
        let page = || path.extension().is_some_and(|end| end == "md").then(|| std::fs::read_to_string(&whole).ok());
        let headings = self.headings.entry(path.to_owned()).or_insert_with(|| Some(slugs(&page()??)));
        let reason = match headings {
            Some(known) if known.iter().any(|slug| slug == anchor) => return,
            Some(_) => "the page has no such heading",
            None => "only a page in Markdown has headings",
        };
        self.fail(place, reference, reason);
    }

    fn fail(&mut self, place: &str, reference: &str, reason: &str) {
        self.failures.push(format!("{place}: {reference}: {reason}"));
    }
}

/// Every file of a kind that cites pages. Links are not followed.
fn walk(folder: &Path, is_root: bool, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the checkout") {
        let entry = entry.expect("an entry of a folder");
        let (kind, name) = (entry.file_type().expect("a kind of file"), entry.file_name());
        let name = name.to_string_lossy();
        let left_out = NOT_OURS.contains(&&*name) || (is_root && RESULTS.contains(&&*name)) || name.starts_with('.');
        if kind.is_dir() && !left_out {
            walk(&entry.path(), false, files);
        } else if kind.is_file() && [".rs", ".py", ".toml", ".md"].iter().any(|end| name.ends_with(end)) {
            files.push(entry.path());
        }
    }
}

/// `text` with everything blank but its comments, which are the tokens that begin with one of `begins`.
fn comments(tokens: &Regex, text: &str, begins: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for token in tokens.find_iter(text).filter(|token| begins.iter().any(|begin| token.as_str().starts_with(begin))) {
        out += &blank(&text[end..token.start()]);
        out += token.as_str();
        end = token.end();
    }
    out + &blank(&text[end..])
}

/// `text` with every match of `pattern` blank.
fn blanked(pattern: &Regex, text: &str) -> String {
    pattern.replace_all(text, |found: &regex::Captures| blank(&found[0])).into_owned()
}

/// As many bytes and lines.
fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// `file:line` of the byte `at`.
fn place(file: &Path, text: &str, at: usize) -> String {
    format!("{}:{}", file.display(), text[..at].matches('\n').count() + 1)
}

/// The path without `..` and `.`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// The anchors that GitHub gives the headings of a page: lower case, words joined by hyphens, everything else left out, and a
/// number behind the second of a name.
fn slugs(page: &str) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for heading in HEADING.captures_iter(&blanked(&FENCE, page)) {
        let shown = LINK.replace_all(&heading[1], "]");
        let kept = shown.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let twin = |known: &[String], n: usize| known.contains(&format!("{slug}-{n}"));
        let slug = match known.contains(&slug) {
            false => slug,
            true => format!("{slug}-{}", (1..).find(|n| !twin(&known, *n)).unwrap_or(1)),
        };
        known.push(slug);
    }
    known
}

#[test]
fn every_reference_to_a_page_leads_somewhere() {
    let checkout = Checkout::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    // Far fewer would mean that the patterns do not see what is there.
    assert!(checkout.references > 100, "only {} references were found", checkout.references);
    let failures = &checkout.failures;
    assert!(failures.is_empty(), "{} references lead nowhere:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_leads_nowhere_is_named_with_its_line() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
        std::fs::write(path, text).expect("writes");
    };
    write(
        "docs/a.md",
        "# A `page`: of *two*\n\n[b](b.md#other), [c](c.md), [here](#a-page-of-two), [x](https://x.example/y.md)\n",
    );
    write(
        "docs/b.md",
        "## Twice\n```\n## Code\n```\n## Twice\n[up](../src/lib.rs) `[code](none.md)`\n\n[spec](spec/s.md)\n",
    );
    write("docs/spec/s.md", "# S_1 – ümlaut\n");
    write(
        "src/lib.rs",
        "//! docs/a.md#a-page-of-two, #none\n/// docs/b.md#twice and #twice-1, docs/b.md#code\nconst A: &str = \"§ // §\"; // §1.3\n\
         const B: char = '\"'; // spec/s.md\nconst C: &str = r#\"\"// spec/s.md\"#; /* docs/spec/s.md#s_1--ümlaut */\n\
         fn message<'a>() -> &'a str { \"see docs/d.md\" }\n// https://x.example/docs/e.md\n",
    );
    write("tests/t.rs", "const T: &str = \"docs/d.md\"; // docs/a.md\n");
    write("run.py", "\"\"\"Sums (spec/s.md).\"\"\"\nS = '# §'  # docs/none.md\n");
    write("x.toml", "a = \"§ # §\" # §\n");
    for elsewhere in ["fixtures/f.md", "target/t.md", "records/r.md", ".git/g.md", "crates/c/fixtures/f.rs"] {
        write(elsewhere, "// § docs/none.md [a](none.md)\n");
    }
    let outside = "spec/s.md: a page outside docs/, which nobody has";
    let number = "§: numbers of sections move; name a heading of a page below docs/";
    let mut expected = vec![
        "docs/a.md:3: b.md#other: the page has no such heading".to_owned(),
        "docs/a.md:3: c.md: no such file".to_owned(),
        "run.py:2: docs/none.md: no such file".to_owned(),
        format!("run.py:1: {outside}"),
        "src/lib.rs:1: docs/a.md#none: the page has no such heading".to_owned(),
        "src/lib.rs:2: docs/b.md#code: the page has no such heading".to_owned(),
        "src/lib.rs:6: docs/d.md: no such file".to_owned(),
        format!("src/lib.rs:3: {number}"),
        format!("src/lib.rs:4: {outside}"),
        format!("x.toml:1: {number}"),
    ];
    let mut failures = Checkout::read(dir.path()).failures;
    expected.sort();
    failures.sort();
    assert_eq!(failures, expected);
}
