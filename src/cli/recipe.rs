//! `caddie recipe`: lists the recipes, and shows what one of them resolves to.

use caddie_engine::Recipe;
use caddie_engine::model::{Order, num_parameters};
use caddie_engine::quant::budget::{ComponentBudget, of_recipe};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::engine_options::RecipeOptions;
use super::rulebook_option::RulebookOption;
use crate::error::exit;
use crate::runner::recipes;
use caddie_files::text::thousands;

/// List the built-in recipes, or show what a recipe resolves to
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  caddie recipe list\n  caddie recipe show varlen-ttt\n  \
                        caddie recipe show varlen-ttt --set model.lanes= --set num_loops=1")]
pub struct RecipeArgs {
    #[command(subcommand)]
    command: RecipeCommand,
}

#[derive(Debug, Subcommand)]
enum RecipeCommand {
    /// List the built-in recipes with their parameter counts
    List,
    /// Show the resolved recipe, its layers, and the bytes that each component takes
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    recipe: RecipeOptions,
    /// Output format
    #[arg(long, value_enum, default_value = "plain")]
    format: RecipeFormat,
    #[command(flatten)]
    rulebook: RulebookOption,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RecipeFormat {
    Plain,
    Json,
}

/// Prints the list, or the recipe.
pub fn run(args: &RecipeArgs) -> crate::Result<u8> {
    let text = match &args.command {
        RecipeCommand::List => list()?,
        RecipeCommand::Show(show) => {
            let (recipe, cap) = (show.recipe.resolve()?, show.rulebook.load()?.limits_of(None).artifact_bytes);
            match show.format {
                RecipeFormat::Plain => plain(&recipe, cap)?,
                RecipeFormat::Json => json(&recipe, cap)?,
            }
        }
    };
    super::print(&text)?;
    Ok(exit::OK)
}

fn list() -> crate::Result<String> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["recipe", "parameters", "scored by", "what it is"]);
    for name in recipes::names() {
        let recipe = recipes::resolve(&name, &[])?;
        let parameters = num_parameters(&recipe.model)?;
        table.add_row([name, thousands(parameters as u64), recipe.eval.mode.as_str().to_owned(), recipe.blurb]);
    }
    let width = terminal_size::terminal_size().map_or(100, |(width, _)| width.0.clamp(60, 120));
    table.set_width(width).set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_cell_alignment(if i == 1 { CellAlignment::Right } else { CellAlignment::Left });
    }
    Ok(format!("{}\n", table.trim_fmt()))
}

fn plain(recipe: &Recipe, cap: u64) -> crate::Result<String> {
    let components = of_recipe(recipe)?;
    Ok(format!("{}\n{}\n{}", recipe.to_toml(), layers(recipe)?, bytes(&components, cap)))
}

/// The layers with their components, and the order in which they run.
fn layers(recipe: &Recipe) -> crate::Result<String> {
    let m = &recipe.model;
    let mut text = String::from("# layers\n");
    let mut first = 0;
    while first < m.num_layers() as usize {
        let kind = m.layout.kinds()[first];
        let same = m.layout.kinds()[first..].iter().take_while(|other| **other == kind).count();
        let range = if same == 1 { format!("{first}") } else { format!("{first}–{}", first + same - 1) };
        text += &format!("{range:>8}  block {kind}: {}\n", m.block(first)?.describe());
        first += same;
    }
    let order = Order::new(m, true);
    if m.unet.is_some() || m.loops.is_some() {
        text += &format!("{:>8}  {}\n", "runs", runs(&order));
    }
    Ok(text)
}

fn runs(order: &Order) -> String {
    let list = |layers: &[usize]| layers.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
    let virtual_layers = order.slots();
    match order.encoder.is_empty() {
        true => format!("{} ({virtual_layers} virtual layers)", list(&order.decoder)),
        false => format!(
            "encoder {} | decoder {} ({virtual_layers} virtual layers)",
            list(&order.encoder),
            list(&order.decoder)
        ),
    }
}

fn bytes(components: &[ComponentBudget], cap: u64) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["component", "tensors", "parameters", "bits", "bytes", "estimated", "of budget"]);
    let total = ComponentBudget::total(components);
    for c in components.iter().chain([&total]) {
        table.add_row([
            c.component.to_owned(),
            c.tensors.to_string(),
            thousands(c.parameters),
            format!("{:.2}", c.bits),
            thousands(c.bytes),
            thousands(c.estimated),
            format!("{:.2} %", 100.0 * c.estimated as f64 / cap as f64),
        ]);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_cell_alignment(if i == 0 { CellAlignment::Left } else { CellAlignment::Right });
    }
    let left = match cap.checked_sub(total.estimated) {
        Some(left) => {
            format!("{} of {} bytes are left for code and for the compressor's loss", thousands(left), thousands(cap))
        }
        None => format!("{} bytes over the budget of {}", thousands(total.estimated - cap), thousands(cap)),
    };
    format!(
        "# bytes\n{}\n\n{left}\nbytes: as the rules store it, before the compressor. estimated: what an ideal compressor leaves of \
         Gaussian rows with an SDClip scale; elsewhere as stored.\n",
        table.trim_fmt()
    )
}

fn json(recipe: &Recipe, cap: u64) -> crate::Result<String> {
    #[derive(Serialize)]
    struct RecipeDocument<'a> {
        schema_version: u32,
        recipe: &'a Recipe,
        layers: Vec<Layer>,
        /// Physical layers in the order in which they run.
        encoder: Vec<usize>,
        decoder: Vec<usize>,
        parameters: i64,
        cap: u64,
        components: Vec<ComponentBudget>,
    }
    #[derive(Serialize)]
    struct Layer {
        layer: usize,
        block: char,
    }
    let m = &recipe.model;
    let order = Order::new(m, true);
    let document = RecipeDocument {
        schema_version: 1,
        recipe,
        layers: m.layout.kinds().iter().enumerate().map(|(layer, &block)| Layer { layer, block }).collect(),
        encoder: order.encoder,
        decoder: order.decoder,
        parameters: num_parameters(m)?,
        cap,
        components: of_recipe(recipe)?,
    };
    let text = serde_json::to_string_pretty(&document)
        .map_err(|e| caddie_files::Error::Internal(format!("the recipe {} as JSON: {e}", recipe.name)))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_stack_is_shown_with_its_layers_and_fits_the_budget() {
        let recipe = recipes::resolve("varlen-ttt", &[]).unwrap();
        let text = plain(&recipe, 16_000_000).unwrap();
        for part in [
            "[model.block.A.gqa]",
            "0–10  block A: gqa (8 heads, 4 kv heads, xsa) + mlp (×4)",
            "encoder 0 1 2 3 4 5 3 4 | decoder 5 3 4 5 6 7 8 9 10 (17 virtual layers)",
            "35,944,602",
            "are left for code",
        ] {
            assert!(text.contains(part), "{part} is missing from:\n{text}");
        }
    }

    #[test]
    fn a_model_that_is_too_large_says_by_how_much() {
        let recipe = recipes::resolve("varlen-ttt", &["layout=A*22".to_owned()]).unwrap();
        assert!(plain(&recipe, 16_000_000).unwrap().contains("over the budget of 16,000,000"));
    }

    #[test]
    fn the_list_and_the_json_name_what_there_is() {
        let text = list().unwrap();
        assert!(
            text.contains("baseline") && text.contains("17,059,912") && text.contains("varlen-ttt-small"),
            "{text}"
        );
        let recipe = recipes::resolve("demo", &[]).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json(&recipe, 16_000_000).unwrap()).unwrap();
        assert_eq!(value["recipe"]["model"]["layout"], "A*4");
        assert_eq!(value["components"].as_array().unwrap().len(), 5);
        assert_eq!(value["layers"][3]["block"], "A");
    }
}
