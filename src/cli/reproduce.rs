//! placeholder
use clap::Args;
/// x
#[derive(Debug, Clone, Args)]
pub struct ReproduceArgs {}
/// x
pub fn run(_: &ReproduceArgs) -> crate::Result<u8> {
    Ok(0)
}
