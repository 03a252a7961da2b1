//! The contents of a submission's model files, as `caddie audit` finds them, for the legality statement.

use camino::{Utf8Path, Utf8PathBuf};

use super::figures::classes;
use crate::report::Severity;
use caddie_audit::model::{AuditOptions, TensorReport, audit};
use caddie_files::text::thousands;
use caddie_rulebook::Rulebook;

/// Most shards that are searched for; the challenge's validation split has one.
const MAX_SHARDS: usize = 16;

/// The findings in the model files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// Model files that were read.
    pub models: usize,
    /// Number of tensors in the file that has most.
    pub tensors: usize,
    /// Bytes by class of tensor in the first file, largest first, each tensor compressed alone.
    pub classes: Vec<(&'static str, u64)>,
    /// Validation tokens of the shards that were searched for; 0 where there was none.
    pub searched_tokens: u64,
    /// Contents that a state dict of the model would not have, and tokens that stand in the file.
    pub found: Vec<String>,
    /// The reason why a file could not be examined.
    pub unread: Option<String>,
}

impl Payload {
    /// Examines the models, and searches them for the tokens of the validation shards that lie in one of the folders.
    pub fn read(models: &[Utf8PathBuf], folders: &[Utf8PathBuf], rulebook: &Rulebook) -> Payload {
        let val = folders.iter().map(|folder| shards(folder)).find(|found| !found.is_empty());
        let options = AuditOptions { val: val.unwrap_or_default(), ..AuditOptions::default() };
        let mut payload = Payload::default();
        // A records folder names no path of the machine that made it.
        for model in models {
            match audit(model, &options, rulebook) {
                Ok(audit) => {
                    if payload.models == 0 {
                        let bytes =
                            |tensor: &TensorReport| tensor.measured.as_ref().map_or(tensor.bytes, |m| m.compressed);
                        payload.classes = classes(audit.tensors.iter().map(|one| (one.name.as_str(), bytes(one))));
                    }
                    payload.models += 1;
                    payload.tensors = payload.tensors.max(audit.tensors.len());
                    payload.searched_tokens = audit.searches.iter().map(|search| search.shard_tokens).sum();
                    let grave = audit.findings.iter().filter(|finding| finding.severity > Severity::Info);
                    let named = |message: &str| {
                        let shards = audit.searches.iter().map(|search| &search.shard);
                        shards.fold(message.to_owned(), |message, shard| {
                            message.replace(shard.as_str(), shard.file_name().unwrap_or("a shard"))
                        })
                    };
                    payload.found.extend(grave.map(|finding| named(&finding.message)));
                }
                Err(error) => {
                    let file = model.file_name().unwrap_or("the model");
                    let text = error.to_string().replace(model.as_str(), file);
                    payload.unread = Some(options.val.iter().fold(text, |text, shard| {
                        text.replace(shard.as_str(), shard.file_name().unwrap_or("a shard"))
                    }));
                }
            }
        }
        payload
    }

    /// Tells whether the files hold nothing but tensors, and no validation tokens; `None` where that was not looked
    /// for.
    pub fn clean(&self) -> Option<bool> {
        if !self.found.is_empty() {
            return Some(false);
        }
        (self.models > 0 && self.unread.is_none() && self.searched_tokens > 0).then_some(true)
    }

    /// Describes how the files were examined, and the result.
    pub fn basis(&self) -> String {
        if let Some(reason) = &self.unread {
            return format!("A model file could not be examined: {reason}.");
        }
        if self.models == 0 {
            return "The model files were not examined; `caddie audit MODEL --val SHARD` examines them.".to_owned();
        }
        let read = format!("Every model file was read tensor by tensor ({} tensors)", self.tensors);
        match (self.found.first(), self.searched_tokens) {
            (Some(first), _) => format!("{read}: {first}."),
            (None, 0) => format!(
                "{read} and holds nothing beside them. `caddie audit MODEL --val SHARD` searches \
                 tensors for validation tokens."
            ),
            (None, tokens) => format!(
                "{read} and holds nothing beside them; the {} validation tokens were searched for in all of it, and no \
                 run longer than chance gives was found.",
                thousands(tokens)
            ),
        }
    }
}

/// The validation shards in a data folder.
fn shards(data: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = data.read_dir_utf8().into_iter().flatten().flatten();
    let mut found: Vec<Utf8PathBuf> = entries
        .map(|entry| entry.path().to_owned())
        .filter(|path| path.file_name().is_some_and(|name| name.starts_with("fineweb_val_") && name.ends_with(".bin")))
        .collect();
    found.sort();
    found.truncate(MAX_SHARDS);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_for_is_not_said_to_be_absent() {
        assert_eq!(Payload::default().clean(), None);
        let read = Payload { models: 3, tensors: 40, ..Payload::default() };
        assert_eq!(read.clean(), None, "tokens were not searched for");
        assert!(read.basis().contains("40 tensors") && read.basis().contains("caddie audit"));
        let searched = Payload { searched_tokens: 1_000, ..read.clone() };
        assert_eq!(searched.clean(), Some(true));
        let found = Payload { found: vec!["a run of 99 tokens".to_owned()], ..searched };
        assert_eq!(found.clean(), Some(false));
        assert!(found.basis().contains("a run of 99 tokens"));
    }

    #[test]
    fn a_file_that_is_no_model_is_unknown_with_its_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Utf8PathBuf::from_path_buf(folder.path().join("model.int8.zlib")).expect("UTF-8");
        let payload = Payload::read(std::slice::from_ref(&path), &[], &Rulebook::builtin().unwrap());
        assert_eq!(payload.clean(), None);
        assert!(payload.basis().contains(": model.int8.zlib: "), "{}", payload.basis());
    }

    #[test]
    fn the_models_and_the_shards_are_really_read() {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkpoints");
        let folder = tempfile::tempdir().expect("a folder");
        let data = Utf8PathBuf::from_path_buf(folder.path().to_owned()).expect("UTF-8");
        let header: Vec<u8> = [20_240_520_i32, 1, 100].into_iter().chain([0; 253]).flat_map(i32::to_le_bytes).collect();
        let tokens = (0..100_u16).flat_map(|token| (token * 7 % 100).to_le_bytes());
        std::fs::write(data.join("fineweb_val_000000.bin"), header.into_iter().chain(tokens).collect::<Vec<u8>>())
            .expect("writes");
        let book = Rulebook::builtin().unwrap();
        let clean = Payload::read(&[root.join("int8.zlib.ptz")], &[root.clone(), data.clone()], &book);
        assert_eq!((clean.clean(), clean.searched_tokens), (Some(true), 100), "{clean:?}");
        let prefix = Payload::read(&[root.join("prefix.zlib.ptz")], &[data], &book);
        assert_eq!(prefix.clean(), Some(false), "{prefix:?}");
        assert!(!prefix.basis().contains(folder.path().to_str().expect("UTF-8")), "{}", prefix.basis());
    }
}
