//! Assumptions about the run whose script is followed: its configuration, its log, and switches that are doubted.

use rustc_hash::FxHashMap;

use crate::script::config::Config;
use crate::script::machine::witness::Mark;

/// Switches that are doubted at most.
const MAX_DOUBTED: usize = 500;

/// Switches of the environment whose value is not known, because the configuration does not state them.
#[derive(Debug, Clone, Default)]
pub enum Doubts {
    /// The script's defaults stand.
    #[default]
    None,
    /// Any may have been set.
    All,
    /// These may have been set.
    Some(Vec<String>),
}

/// The configuration of the run, and the settings that its log showed.
#[derive(Debug)]
pub(in super::super) struct Assumptions<'a, 'c> {
    pub config: &'c Config,
    doubts: &'c Doubts,
    /// Processes of the run, where the configuration does not state them.
    processes: u64,
    /// Switches that were doubted, in order.
    pub doubted: Vec<String>,
    /// Lines that the script prints, collected at the first request.
    pub marks: Option<Vec<Mark>>,
    /// Settings that the log shows to have been otherwise than supposed.
    contradicted: Vec<(&'a str, bool)>,
    /// Settings that names were made the same as, by function.
    aliases: FxHashMap<(usize, &'a str), &'a str>,
}

impl<'a, 'c> Assumptions<'a, 'c> {
    /// Makes the assumptions that hold before anything is followed.
    pub fn new(config: &'c Config, doubts: &'c Doubts, processes: u64) -> Assumptions<'a, 'c> {
        Assumptions {
            config,
            doubts,
            processes,
            doubted: Vec::new(),
            marks: None,
            contradicted: Vec::new(),
            aliases: FxHashMap::default(),
        }
    }

    /// Tells whether the value of a switch that is not stated is to be doubted.
    pub fn doubts(&mut self, name: &str) -> bool {
        let doubted = match self.doubts {
            Doubts::None => false,
            Doubts::All => self.doubted.len() < MAX_DOUBTED,
            Doubts::Some(names) => names.iter().any(|known| known == name),
        };
        if doubted && !self.doubted.iter().any(|known| known == name) {
            self.doubted.push(name.to_owned());
        }
        doubted
    }

    /// Tells whether an environment variable is set, where the configuration or the launcher states it, or it is not
    /// doubted.
    pub fn is_set(&mut self, name: &str) -> Option<bool> {
        let stated = self.config.text(name).is_some() || self.launched(name).is_some();
        (stated || !self.doubts(name)).then_some(stated)
    }

    /// Returns the value that `torchrun` states to the process that reports, on the machine of the track.
    pub fn launched(&self, name: &str) -> Option<i64> {
        match name {
            "RANK" | "LOCAL_RANK" => Some(0),
            "WORLD_SIZE" | "LOCAL_WORLD_SIZE" => i64::try_from(self.processes).ok(),
            _ => None,
        }
    }

    /// Handles `use_slot = args.slot_enabled`: the truth that the log shows of the name holds for the setting.
    pub fn alias(&mut self, function: usize, name: &'a str, setting: &'a str) {
        self.aliases.insert((function, name), setting);
    }

    /// The setting that a name was made the same as.
    pub fn setting_of(&self, function: usize, name: &'a str) -> Option<&'a str> {
        self.aliases.get(&(function, name)).copied()
    }

    /// Notes the value that the log shows a setting to have had.
    pub fn contradict(&mut self, setting: &'a str, truth: bool) {
        if !self.contradicted.iter().any(|(known, _)| *known == setting) {
            self.contradicted.push((setting, truth));
        }
    }

    /// Returns the configuration with the settings that the log showed to be otherwise; `None` where it showed nothing.
    pub fn corrected(&self) -> Option<Config> {
        let python = |truth: bool| if truth { "True" } else { "False" };
        let with = |config: Config, (name, on): &(&str, bool)| config.with(name, python(*on));
        (!self.contradicted.is_empty()).then(|| self.contradicted.iter().fold(self.config.clone(), with))
    }
}
