//! Rendering of finished runs: a records folder, the text of its pull request, and the artifact.
//!
//! Every number comes from the logs through [`caddie_folder::read_log`] into one [`results::Results`], and is written
//! by [`numbers`]. A number that a log does not state is not rendered; a log that contradicts its model file or ledger
//! stops the rendering. The folder's claims about the rules are in [`legality`].

pub mod facts;
pub mod figures;
pub mod launcher;
pub mod ledgers;
pub mod legality;
pub mod logs;
pub mod numbers;
pub mod output;
pub mod page;
pub mod payload;
pub mod probe;
pub mod recipe;
pub mod results;
pub mod runs;
pub mod script;
pub mod submission;

pub use facts::{Facts, Meta, Track, file_name};
pub use output::{RenderOptions, Rendered, default_date, render, render_runs};
