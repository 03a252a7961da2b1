//! The page for a browser: complete in itself, whatever the folder holds.

use super::*;

/// Elements and attributes by which a page reaches for something else, or runs something.
const REACHES: [&str; 12] =
    ["<script", "<iframe", "<object", "<embed", "<link", "<img", "<base", "<form", "<audio", "<video", " src=", " on"];

/// The tags of the page without the values of their attributes: escaped text holds no `<`, and values no quote.
fn tags(page: &str) -> Vec<String> {
    let names = |tag: &str| tag.split('"').step_by(2).collect::<String>();
    page.split('<').skip(1).filter_map(|part| Some(format!("<{}", names(part.split('>').next()?)))).collect()
}

#[test]
fn a_page_reaches_for_nothing_and_runs_nothing() {
    for report in [hostile(), Report::new("x/1".to_owned(), vec![support::report(&Copy::new())])] {
        let page = report.render(format("html"), Look::default());
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
        assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"), "{page}");
        for reach in REACHES {
            assert_eq!(tags(&page).into_iter().find(|tag| tag.contains(reach)), None, "{reach}");
        }
        assert!(!page.contains("@import") && !page.contains("url("));
        let links = page.matches("href=\"").count();
        assert_eq!(links, page.matches("href=\"#folder-").count(), "a stranger's address is no link");
    }
}

#[test]
fn the_page_draws_size_curves_and_documents_and_opens_errors() {
    let copy = bad();
    let repository = Repository::new(&copy);
    let page = repository.verify(&[FOLDER, "--format", "html"]);
    for part in [
        "<title>fail: records",
        "counted bytes against the limit",
        "documents by nats per token",
        "<details open>",
        "train_seed42.log:16",
        "@media print",
        "prefers-color-scheme:dark",
        "name=\"viewport\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.matches("<details open>").count() < page.matches("<details").count(), "warnings are folded");
    // Two prints of the loss make a curve.
    copy.edit(
        "train_seed42.log",
        "step:13700/20000 val_loss",
        "step:9000/20000 train_loss:2.2\nstep:13700/20000 val_loss",
    );
    let page = Repository::new(&copy).verify(&[FOLDER, "--format", "html"]);
    assert!(page.contains("training loss of each seed") && page.contains("<polyline"), "{page}");
}

/// Folders of a commit are not on disk: nothing else is drawn in their place.
#[test]
fn several_folders_and_unread_ones_are_listed_first() {
    let mut report = hostile();
    report.folders.push(support::report(&Copy::new()));
    let page = report.render(format("html"), Look::default());
    assert!(page.contains("3 folders") && page.contains("href=\"#folder-2\"") && page.contains("id=\"folder-2\""));
    assert!(page.contains(">unread<"), "{page}");
}
