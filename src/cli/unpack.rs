//! `caddie unpack`.

use camino::Utf8PathBuf;

use crate::artifact::{self, UnpackLimits};
use caddie_files::exit;

/// Unpack an artifact and verify every member
///
/// The size and SHA-256 of each member are compared with the artifact's manifest. Links, devices, absolute and parent
/// paths, and members that are undeclared, missing, altered or given twice are refused; then nothing is written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  caddie unpack NaiveBaseline.tar.zst\n  \
                        caddie unpack NaiveBaseline.tar.zst --out /tmp/review --force")]
pub struct UnpackArgs {
    /// The artifact, `<name>.tar.zst`
    artifact: Utf8PathBuf,
    /// Folder to create [default: the artifact's name, in the current folder]
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
    /// Replace the folder if it exists
    #[arg(long)]
    force: bool,
}

/// Unpacks, and prints the verified members.
pub fn run(args: &UnpackArgs) -> crate::Result<u8> {
    let out = args.out.clone().unwrap_or_else(|| default_out(&args.artifact));
    let manifest = artifact::unpack(&args.artifact, &out, &UnpackLimits::default(), args.force)?;
    let mut text: String = manifest
        .members
        .iter()
        .map(|member| format!("{}  {:>12}  {}\n", member.sha256, member.bytes, member.path))
        .collect();
    let total: u64 = manifest.members.iter().map(|member| member.bytes).sum();
    text.push_str(&format!(
        "{out}: {} members, {total} bytes, every size and SHA-256 as declared; counted {} of {} bytes\n",
        manifest.members.len(),
        manifest.counted.bytes_total_max,
        manifest.limits.bytes_total
    ));
    super::print(&text)?;
    Ok(exit::OK)
}

fn default_out(artifact: &Utf8PathBuf) -> Utf8PathBuf {
    let name = artifact.file_name().unwrap_or("artifact");
    match name.strip_suffix(".tar.zst") {
        Some(stem) => stem.into(),
        None => format!("{name}.unpacked").into(),
    }
}
