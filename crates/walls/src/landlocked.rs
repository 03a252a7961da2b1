//! Applies Landlock over the new root: read-only mounts stay read-only even where a mount is missed.

use landlock::{
    ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::{Error, Plan};

/// Paths that a program may write besides its folder.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/shm", "/tmp"];

/// Allows reading and executing everywhere in the new root, and writing in the plan's folder, to harmless
/// devices and to those of the plan.
pub fn restrict(plan: &Plan) -> Result<(), Error> {
    let missing = |reason: String| Error::Missing { wall: "files", reason };
    let abi = ABI::V6;
    let restrict = || -> Result<RulesetStatus, Box<dyn std::error::Error>> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rule(PathBeneath::new(PathFd::new("/")?, AccessFs::from_read(abi)))?;
        let devices =
            DEVICES.iter().map(std::path::Path::new).chain(plan.devices.iter().map(std::path::PathBuf::as_path));
        for path in devices.chain([plan.writable.as_path()]) {
            let access = if path.is_dir() { AccessFs::from_all(abi) } else { AccessFs::from_file(abi) };
            rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, access))?;
        }
        Ok(rules.restrict_self()?.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::NotEnforced) => Err(missing("this kernel has no Landlock".to_owned())),
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => Ok(()),
        Err(error) => Err(missing(format!("Landlock: {error}"))),
    }
}
