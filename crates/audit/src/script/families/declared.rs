//! The folder's own words on the origin of its things.

use super::Case;
use caddie_folder::Folder;

/// The files of the folder, and the texts that tell how to set the machine up.
pub(super) struct Declared<'a> {
    pub folder: Option<&'a Folder>,
    texts: String,
}

impl<'a> Declared<'a> {
    /// Reads README and requirements of the folder that the script came in.
    pub fn of(case: &Case<'a>) -> Declared<'a> {
        let folder = case.subject.folder;
        let tells = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.starts_with("readme")
                || name.contains("requirements")
                || name.ends_with(".sh")
                || name == "pyproject.toml"
                || name == "dockerfile"
                || name.ends_with(".yml")
                || name.ends_with(".yaml")
        };
        let mut texts = String::new();
        for file in folder.iter().flat_map(|folder| folder.files.iter().map(move |file| (folder, file))) {
            let (folder, file) = file;
            if file.path.file_name().is_some_and(tells) {
                texts.push_str(&caddie_files::read_text(&folder.path.join(&file.path)).unwrap_or_default());
                texts.push('\n');
            }
        }
        Declared { folder, texts: texts.to_ascii_lowercase() }
    }

    /// Tells whether one of these texts has the word, however its dashes are written.
    pub fn mentions(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        let plain = |text: &str| text.replace(['-', '.'], "_");
        self.texts.contains(&word) || plain(&self.texts).contains(&plain(&word))
    }

    /// Tells whether one of these texts has this very text, in lower case.
    pub fn contains(&self, text: &str) -> bool {
        self.texts.contains(text)
    }

    /// Tells whether the folder has a file of this name, wherever the script thinks it lies.
    pub fn has_file(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.folder.is_some_and(|folder| folder.files.iter().any(|file| file.path.file_name() == Some(name)))
    }

    /// Tells whether the folder has a module or package of this name.
    pub fn has_module(&self, top: &str) -> bool {
        self.folder.is_some_and(|folder| {
            folder.files.iter().any(|file| {
                let stem = file.path.file_stem().map(|stem| stem.split('.').next().unwrap_or(stem));
                let code =
                    file.path.extension().is_some_and(|end| matches!(end, "py" | "pyx" | "so" | "pyd" | "cpp" | "cu"));
                code && (stem == Some(top) || file.path.components().any(|part| part.as_str() == top))
            })
        })
    }
}
