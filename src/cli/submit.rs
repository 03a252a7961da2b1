//! placeholder
use clap::Args;
/// x
#[derive(Debug, Clone, Args)]
pub struct SubmitArgs {}
/// x
pub fn run(_: &SubmitArgs) -> crate::Result<u8> {
    Ok(0)
}
