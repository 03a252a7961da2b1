//! The variants of a study: the reference, and what differs from it by one thing at a time, by every combination, or by one
//! rung more.

use caddie_format::sha256;

use super::choice::{Axis, Choice, Together};
use super::subject::Settings;
use crate::{Error, Result};

/// Variants of a study, above anybody's patience.
const MOST: usize = 2000;
/// Characters of a variant's folder; a longer name is cut and told apart by a hash.
const LONGEST: usize = 120;
/// Name of the reference in every table.
pub const REFERENCE: &str = "reference";

/// What a study varies.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub axes: Vec<Axis>,
    /// Components to switch off.
    pub drops: Vec<String>,
    /// True for every combination; else one thing differs from the reference at a time.
    pub grid: bool,
    /// Variants that differ from the reference by several settings each.
    pub together: Vec<Together>,
    /// The rungs of a ladder, in the place of everything else.
    pub rungs: Vec<Together>,
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Folder of its trials, below `runs/`.
    pub folder: String,
    /// Settings that differ, under the names that the user gave them.
    pub choices: Vec<Choice>,
    /// Components that are switched off.
    pub dropped: Vec<String>,
    /// Setting that makes its artifact as large as the reference's.
    pub knob: Option<Choice>,
    /// Everything that is changed in the reference.
    pub changes: Vec<Choice>,
}

impl Variant {
    /// Name in tables: `reference`, `matrix_lr=0.03`, `without ttt`.
    pub fn name(&self) -> String {
        let choices = self.choices.iter().map(Choice::to_string);
        let dropped = self.dropped.iter().map(|component| format!("without {component}"));
        let parts: Vec<String> = choices.chain(dropped).collect();
        if parts.is_empty() { REFERENCE.to_owned() } else { parts.join(", ") }
    }

    /// [`Variant::name`] with the knob that is being tried.
    pub fn shown(&self) -> String {
        self.knob.as_ref().map_or_else(|| self.name(), |knob| format!("{} ({knob})", self.name()))
    }

    /// Returns the same variant with a knob set.
    pub fn turned(&self, key: &str, whole_key: &str, value: &str) -> Variant {
        let change = Choice::new(whole_key, value);
        let folder =
            cut(format!("{}.{}", self.folder, plain(&change.to_string())), &[self.folder.clone(), change.to_string()]);
        let changes = self.changes.iter().cloned().chain([change]).collect();
        Variant { folder, knob: Some(Choice::new(key, value)), changes, ..self.clone() }
    }
}

/// One of the values of an axis, a component switched off, or a rung.
#[derive(Debug, Clone)]
struct Arm {
    choices: Vec<Choice>,
    dropped: Option<String>,
    changes: Vec<Choice>,
    slug: String,
}

/// Lays out the variants, the reference first. Notes say what is left out because it is there already.
///
/// # Errors
/// When nothing is varied, a key, value or component cannot be used, or there are too many variants.
pub fn variants(settings: &dyn Settings, wish: &Wish) -> Result<(Vec<Variant>, Vec<String>)> {
    if !wish.rungs.is_empty() {
        return ladder(settings, &wish.rungs);
    }
    let axes = arms(settings, wish)?;
    let combinations = if wish.grid { grid(&axes)? } else { axes.iter().flatten().map(|arm| vec![arm]).collect() };
    let mut seen = vec![(settings.configured(&[])?, REFERENCE.to_owned())];
    let mut variants = vec![variant(&settings.stem(), &[])];
    let mut notes = Vec::new();
    for combination in combinations {
        let variant = variant(&settings.stem(), &combination);
        let configured = settings.configured(&variant.changes)?;
        match seen.iter().find(|(other, _)| *other == configured) {
            // The combination without any arm is the reference itself.
            Some(_) if variant.changes.is_empty() => {}
            Some((_, name)) => notes.push(format!("{} is the same as {name}, and is run once", variant.name())),
            None => {
                seen.push((configured, variant.name()));
                variants.push(variant);
            }
        }
    }
    Ok((variants, notes))
}

/// Each rung is a variant with everything that the rungs before it changed. It bears its own settings as its name.
fn ladder(settings: &dyn Settings, rungs: &[Together]) -> Result<(Vec<Variant>, Vec<String>)> {
    let mut before = settings.configured(&[])?;
    let mut climbed: Vec<Arm> = Vec::new();
    let mut variants = vec![variant(&settings.stem(), &[])];
    for rung @ Together(choices) in rungs {
        climbed.push(several(settings, rung)?);
        let all = variant(&settings.stem(), &climbed.iter().collect::<Vec<_>>());
        let rung = Variant { choices: choices.clone(), ..all };
        let configured = settings.configured(&rung.changes)?;
        if configured == before {
            return Err(Error::usage(format!("the rung {} changes nothing; leave it out", rung.name())));
        }
        before = configured;
        variants.push(rung);
    }
    Ok((variants, Vec::new()))
}

/// Several settings that are changed at once.
fn several(settings: &dyn Settings, Together(choices): &Together) -> Result<Arm> {
    let change = |choice: &Choice| Ok(Choice::new(settings.whole_key(&choice.key)?, &choice.value));
    let changes: Vec<Choice> = choices.iter().map(change).collect::<Result<_>>()?;
    let slug = changes.iter().map(Choice::to_string).collect::<Vec<_>>().join("+");
    Ok(Arm { choices: choices.clone(), dropped: None, changes, slug })
}

fn arms(settings: &dyn Settings, wish: &Wish) -> Result<Vec<Vec<Arm>>> {
    if wish.axes.is_empty() && wish.drops.is_empty() && wish.together.is_empty() {
        return Err(Error::usage(
            "nothing is varied; pass --vary KEY=A,B, --drop COMPONENT, --variant 'KEY=VALUE KEY=VALUE' or --rung KEY=VALUE",
        ));
    }
    let mut axes = Vec::new();
    for (i, axis) in wish.axes.iter().enumerate() {
        let key = settings.whole_key(&axis.key)?;
        let others = wish.axes[..i].iter().map(|other| settings.whole_key(&other.key)).collect::<Result<Vec<_>>>()?;
        if others.contains(&key) {
            return Err(Error::usage(format!("--vary names {key} twice; list all its values at once")));
        }
        let arm = |value: &String| {
            let change = Choice::new(&key, value);
            let slug = change.to_string();
            Arm { choices: vec![Choice::new(&axis.key, value)], dropped: None, changes: vec![change], slug }
        };
        axes.push(axis.values.iter().map(arm).collect());
    }
    for (i, component) in wish.drops.iter().enumerate() {
        if wish.drops[..i].contains(component) {
            return Err(Error::usage(format!("--drop names {component} twice")));
        }
        let changes = settings.without(component)?;
        let slug = format!("without-{component}");
        axes.push(vec![Arm { choices: Vec::new(), dropped: Some(component.clone()), changes, slug }]);
    }
    let together = wish.together.iter().map(|settings_of_it| several(settings, settings_of_it).map(|arm| vec![arm]));
    axes.extend(together.collect::<Result<Vec<_>>>()?);
    Ok(axes)
}

/// Every combination of one value of each setting, with and without each component.
fn grid(axes: &[Vec<Arm>]) -> Result<Vec<Vec<&Arm>>> {
    let mut combinations: Vec<Vec<&Arm>> = vec![Vec::new()];
    for axis in axes {
        let optional = axis.iter().any(|arm| arm.dropped.is_some());
        let mut next = Vec::new();
        for combination in &combinations {
            next.extend(optional.then(|| combination.clone()));
            next.extend(axis.iter().map(|arm| combination.iter().copied().chain([arm]).collect::<Vec<&Arm>>()));
        }
        if next.len() > MOST {
            return Err(Error::usage(format!(
                "--grid makes more than {MOST} variants; vary fewer values, or leave --grid out to vary one at a time"
            )));
        }
        combinations = next;
    }
    Ok(combinations)
}

fn variant(stem: &str, arms: &[&Arm]) -> Variant {
    let slugs: Vec<String> = arms.iter().map(|arm| arm.slug.clone()).collect();
    let parts: Vec<String> = std::iter::once(stem.to_owned()).chain(slugs.iter().map(|slug| plain(slug))).collect();
    Variant {
        folder: cut(parts.join("."), &slugs),
        choices: arms.iter().flat_map(|arm| arm.choices.clone()).collect(),
        dropped: arms.iter().filter_map(|arm| arm.dropped.clone()).collect(),
        knob: None,
        changes: arms.iter().flat_map(|arm| arm.changes.clone()).collect(),
    }
}

/// Characters that every file system takes; others become `_`.
pub(super) fn plain(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "._-+=".contains(c) { c } else { '_' };
    text.chars().map(keep).collect()
}

/// The name of a folder that is no longer than it may be, and differs where `parts` do.
fn cut(name: String, parts: &[String]) -> String {
    if name.len() <= LONGEST && parts.iter().all(|part| plain(part) == *part) {
        return name;
    }
    let hash = sha256(format!("{name}\n{}", parts.join("\n")).as_bytes());
    // The name is ASCII: `plain` has seen to that, and the subject's own name is one of a folder.
    let short: String = name.chars().take(LONGEST - 9).collect();
    format!("{short}-{}", &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablate::subject::{SubjectFacts, SubjectKind};

    /// Settings of a subject: a=1, b=2 and the component c.
    struct Toy;

    impl Settings for Toy {
        fn facts(&self) -> SubjectFacts {
            SubjectFacts { kind: SubjectKind::Recipe, name: "toy".into(), sha256: String::new(), settings: vec![] }
        }
        fn stem(&self) -> String {
            "toy".to_owned()
        }
        fn whole_key(&self, key: &str) -> Result<String> {
            Ok(format!("part.{}", key.trim_start_matches("part.")))
        }
        fn without(&self, component: &str) -> Result<Vec<Choice>> {
            Ok(vec![Choice::new(format!("part.{component}"), "")])
        }
        fn configured(&self, changes: &[Choice]) -> Result<String> {
            let mut all = std::collections::BTreeMap::from([("part.a", "1"), ("part.b", "2"), ("part.c", "on")]);
            all.extend(changes.iter().map(|change| (change.key.as_str(), change.value.as_str())));
            Ok(format!("{all:?}"))
        }
        fn value(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn names(wish: &Wish) -> (Vec<String>, Vec<String>, Vec<String>) {
        let (variants, notes) = variants(&Toy, wish).unwrap();
        let folders = variants.iter().map(|variant| variant.folder.clone()).collect();
        (variants.iter().map(Variant::name).collect(), folders, notes)
    }

    fn wish(axes: &[&str], drops: &[&str], grid: bool) -> Wish {
        let axes = axes.iter().map(|axis| Axis::parse(axis).unwrap()).collect();
        Wish { axes, drops: drops.iter().map(|&name| name.to_owned()).collect(), grid, ..Wish::default() }
    }

    #[test]
    fn one_thing_differs_at_a_time_and_the_references_own_value_is_not_run_twice() {
        let (names, folders, notes) = names(&wish(&["a=1,3", "b=4"], &["c"], false));
        assert_eq!(names, ["reference", "a=3", "b=4", "without c"]);
        assert_eq!(folders, ["toy", "toy.part.a=3", "toy.part.b=4", "toy.without-c"]);
        assert_eq!(notes, ["a=1 is the same as reference, and is run once"]);
    }

    #[test]
    fn a_grid_has_every_combination_with_and_without_each_component() {
        let (names, _, notes) = names(&wish(&["a=1,3", "b=2,4"], &["c"], true));
        let expected = [
            "reference",
            "a=1, b=2, without c",
            "a=1, b=4",
            "a=1, b=4, without c",
            "a=3, b=2",
            "a=3, b=2, without c",
            "a=3, b=4",
            "a=3, b=4, without c",
        ];
        assert_eq!(names, expected);
        assert_eq!(notes, ["a=1, b=2 is the same as reference, and is run once"]);
    }

    #[test]
    fn a_variant_may_change_several_settings_and_take_a_part_out() {
        let together = ["a=3 b=4", "c= b=2"].map(|text| Together::parse(text).unwrap()).to_vec();
        let axes = vec![Axis::parse("a=5").unwrap()];
        let (names, folders, notes) = names(&Wish { together, axes, ..Wish::default() });
        assert_eq!(names, ["reference", "a=5", "a=3, b=4", "c=, b=2"]);
        assert_eq!(folders[2..], ["toy.part.a=3+part.b=4", "toy.part.c=+part.b=2"]);
        assert!(notes.is_empty());
    }

    #[test]
    fn a_rung_keeps_what_the_rungs_before_it_changed() {
        let rungs = ["a=3", "b=4 c=off"].map(|text| Together::parse(text).unwrap()).to_vec();
        let (climbed, _) = variants(&Toy, &Wish { rungs, ..Wish::default() }).unwrap();
        assert_eq!(climbed.iter().map(Variant::name).collect::<Vec<_>>(), ["reference", "a=3", "b=4, c=off"]);
        let changes = climbed[2].changes.iter().map(Choice::to_string).collect::<Vec<_>>();
        assert_eq!(changes, ["part.a=3", "part.b=4", "part.c=off"]);
        assert_eq!(climbed[2].folder, "toy.part.a=3.part.b=4+part.c=off");

        let rungs = ["a=3", "part.a=3"].map(|text| Together::parse(text).unwrap()).to_vec();
        let refused = variants(&Toy, &Wish { rungs, ..Wish::default() }).unwrap_err().to_string();
        assert!(refused.contains("the rung part.a=3 changes nothing"), "{refused}");
    }

    #[test]
    fn folders_are_short_and_differ_where_the_variants_do() {
        let (_, folders, _) = names(&wish(&["a='x y','x/y',../../up"], &[], false));
        assert!(folders[1..].iter().all(|name| !name.contains('/') && name.starts_with("toy.part.a=")), "{folders:?}");
        assert_ne!(folders[1], folders[2]);
        let long = "9".repeat(300);
        let (_, folders, _) = names(&wish(&[&format!("a={long},{long}8")], &[], false));
        assert!(folders.iter().all(|name| name.len() <= LONGEST) && folders[1] != folders[2], "{folders:?}");
        let references = ["1", "2"].map(|end| variant(&format!("toy.{long}{end}"), &[]).folder);
        assert!(references[0].len() <= LONGEST && references[0] != references[1], "{references:?}");
    }

    #[test]
    fn what_cannot_be_planned_is_refused() {
        let refused = |wish: &Wish| variants(&Toy, wish).unwrap_err().to_string();
        assert!(refused(&Wish::default()).contains("nothing is varied"));
        assert!(refused(&wish(&["a=1,3", "part.a=4"], &[], false)).contains("part.a twice"));
        assert!(refused(&wish(&[], &["c", "c"], false)).contains("c twice"));
        let many = format!("a={}", (0..60).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
        let grid = wish(&[&many, &many.replace("a=", "b=")], &[], true);
        assert!(refused(&grid).contains("more than 2000 variants"));
    }
}
