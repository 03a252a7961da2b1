//! Errors of git with the remedy that helps, and the part of the environment that git is given.

use camino::Utf8Path;

/// Variables that name the user's own configuration; every other variable of git's may lead to another repository.
pub(super) const OF_THE_USER: [&str; 3] = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];
/// Most settings given by environment that are examined.
const MAX_SETTINGS: usize = 1_000;

/// Returns the variables that hand on the directories which the environment declares safe, and no other setting.
pub(super) fn trusted_by_environment(variable: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let count = variable("GIT_CONFIG_COUNT").and_then(|count| count.trim().parse::<usize>().ok()).unwrap_or(0);
    let key = |index: usize| variable(&format!("GIT_CONFIG_KEY_{index}"));
    let safe =
        (0..count.min(MAX_SETTINGS)).filter(|index| key(*index).is_some_and(|key| key.eq_ignore_ascii_case(SAFE)));
    let values: Vec<String> = safe.filter_map(|index| variable(&format!("GIT_CONFIG_VALUE_{index}"))).collect();
    if values.is_empty() {
        return Vec::new();
    }
    let mut kept = vec![("GIT_CONFIG_COUNT".to_owned(), values.len().to_string())];
    for (index, value) in values.into_iter().enumerate() {
        kept.push((format!("GIT_CONFIG_KEY_{index}"), SAFE.to_owned()));
        kept.push((format!("GIT_CONFIG_VALUE_{index}"), value));
    }
    kept
}

/// The setting that makes git read a repository of another user.
const SAFE: &str = "safe.directory";

/// Returns git's message, or its meaning with a remedy where that is known.
pub(super) fn explained(said: &str, dir: &Utf8Path, filter: impl Fn() -> Option<String>) -> String {
    let missing = ["git has no file", "not a tree object", "lazy fetching", "unable to read", "bad object", "missing"];
    if said.contains("not a git repository") {
        return "not a git repository; run caddie in one, or name it with --repo".to_owned();
    }
    if said.contains("dubious ownership") || said.contains("unsafe repository") {
        let whole = dir.canonicalize_utf8().unwrap_or_else(|_| dir.to_owned());
        let named = said.split('\'').nth(1).filter(|path| path.starts_with('/')).unwrap_or(whole.as_str());
        return format!(
            "the repository belongs to another user, so git does not read it; where you trust it, run \
             `git config --global --add safe.directory {named}`"
        );
    }
    if said.contains("safe.bareRepository") {
        return format!("{said}; where you trust it, run `git config --global safe.bareRepository all`");
    }
    if said.contains("repository extension") || said.contains("Expected git repo version") {
        return format!("{said}; a newer git reads it: update git");
    }
    if missing.iter().any(|words| said.contains(words))
        && let Some(filter) = filter()
    {
        return format!(
            "the clone was made with --filter={filter} and lacks objects ({said}); clone it without --filter, or run \
             `git fetch --refetch --no-filter` in it (actions/checkout: no filter, no sparse-checkout)"
        );
    }
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_settings_in_the_environment_only_safe_directories_are_handed_on() {
        let given = [
            ("GIT_CONFIG_COUNT", "3"),
            ("GIT_CONFIG_KEY_0", "core.fsmonitor"),
            ("GIT_CONFIG_VALUE_0", "a program"),
            ("GIT_CONFIG_KEY_1", "Safe.Directory"),
            ("GIT_CONFIG_VALUE_1", "*"),
            ("GIT_CONFIG_KEY_2", "safe.directory"),
            ("GIT_CONFIG_VALUE_2", "/work"),
        ];
        let find = |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let kept: Vec<String> = trusted_by_environment(find).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        let expected = [
            "GIT_CONFIG_COUNT=2",
            "GIT_CONFIG_KEY_0=safe.directory",
            "GIT_CONFIG_VALUE_0=*",
            "GIT_CONFIG_KEY_1=safe.directory",
            "GIT_CONFIG_VALUE_1=/work",
        ];
        assert_eq!(kept, expected);
        assert!(trusted_by_environment(|_| None).is_empty());
    }

    #[test]
    fn each_trouble_of_git_has_its_own_remedy() {
        let told = |said: &str| explained(said, "/nowhere".into(), || None);
        let owned = told("git rev-parse: detected dubious ownership in repository at '/srv/a b'");
        assert!(owned.contains("safe.directory /srv/a b`") && !owned.contains("fetch"), "{owned}");
        assert!(
            told("git rev-parse: unsafe repository ('/x' is owned by someone else)").contains("safe.directory /x`")
        );
        assert!(told("git rev-parse: not a git repository (or any of …)").contains("--repo"));
        assert!(told("git x: unknown repository extension found: reftable").contains("update git"));
        assert_eq!(told("git ls-tree: something else"), "git ls-tree: something else");
        let filter = || Some("blob:none".to_owned());
        let partial = explained("git ls-tree: not a tree object", "/nowhere".into(), filter);
        assert!(partial.contains("--filter=blob:none and lacks objects"), "{partial}");
    }
}
