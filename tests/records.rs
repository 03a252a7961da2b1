//! The folders that caddie has rendered and ships as examples: the checker finds nothing in them.

use camino::Utf8PathBuf;

use caddie::checks::{self, VerifyOptions};
use caddie::report::Verdict;

#[test]
fn every_folder_under_records_verifies_without_a_finding() {
    let root = Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/records"));
    let list = |dir: &Utf8PathBuf| -> Vec<Utf8PathBuf> {
        dir.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()).filter(|path| path.is_dir()).collect()
    };
    let folders: Vec<Utf8PathBuf> = list(&root).iter().flat_map(list).collect();
    assert!(!folders.is_empty(), "{root} holds no folder");
    for folder in folders {
        let report = checks::verify(&folder, &VerifyOptions::default()).unwrap();
        assert_eq!(report.verdict, Verdict::Pass, "{folder}: {:#?}", report.findings);
        assert_eq!(report.runs.len(), 3, "{folder}");
    }
}
