//! `[model]`: sizes, the layout, and a section for each component that the model has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bigram::BigramRecipe;
use super::embedding::EmbeddingRecipe;
use super::head::HeadRecipe;
use super::lanes::LanesRecipe;
use super::layout::Layout;
use super::loops::LoopsRecipe;
use super::smear::SmearRecipe;
use super::unet::UnetRecipe;
use crate::blocks::BlockRecipe;
use crate::bounds;
use crate::{Error, Result};

/// Architecture. A component without a section is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRecipe {
    pub vocab_size: i64,
    pub model_dim: i64,
    /// The layers in order, by the letters of their kinds: `A*9`, `G C C C`.
    pub layout: Layout,
    pub embedding: EmbeddingRecipe,
    pub head: HeadRecipe,
    /// A hashed table of token pairs beside the embedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bigram: Option<BigramRecipe>,
    /// A gate that mixes each position with the one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smear: Option<SmearRecipe>,
    /// Skip connections from the first half of the layers to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unet: Option<UnetRecipe>,
    /// Depth recurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loops: Option<LoopsRecipe>,
    /// Two residual lanes in the last layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<LanesRecipe>,
    /// The kinds of blocks, by letter.
    pub block: BTreeMap<String, BlockRecipe>,
}

impl Default for ModelRecipe {
    fn default() -> Self {
        ModelRecipe {
            vocab_size: 1024,
            model_dim: 512,
            layout: Layout::default(),
            embedding: EmbeddingRecipe::default(),
            head: HeadRecipe::default(),
            bigram: None,
            smear: None,
            unet: None,
            loops: None,
            lanes: None,
            block: BTreeMap::new(),
        }
    }
}

impl ModelRecipe {
    /// Number of layers.
    pub fn num_layers(&self) -> i64 {
        self.layout.kinds().len() as i64
    }

    /// The recipe of layer `layer`.
    ///
    /// # Errors
    /// When the layout names a kind that no section describes.
    pub fn block(&self, layer: usize) -> Result<&BlockRecipe> {
        let kind = self.layout.kinds().get(layer).copied().unwrap_or('?');
        self.block.get(&kind.to_string()).ok_or_else(|| {
            let known: Vec<String> = self.block.keys().map(|name| format!("[model.block.{name}]")).collect();
            let known = if known.is_empty() { "none is".to_owned() } else { format!("there is {}", known.join(", ")) };
            Error::Recipe(format!(
                "model.layout {:?} names block {kind}, but [model.block.{kind}] is not described ({known}); add the section \
                 or change the layout",
                self.layout.text()
            ))
        })
    }

    /// Sizes that are out of bounds, kinds without a description or without a use, and components that do not fit together.
    pub fn check(&self) -> Result<()> {
        bounds::integers(
            "model",
            &[("vocab_size", self.vocab_size, 1, 65_536), ("model_dim", self.model_dim, 1, 65_536)],
        )?;
        if self.num_layers() == 0 {
            return Err(Error::Recipe(
                "model.layout is empty; it lists the model's blocks, for example layout = \"A*9\" with a section \
                 [model.block.A]"
                    .to_owned(),
            ));
        }
        for layer in 0..self.num_layers() as usize {
            self.block(layer)?;
        }
        for (name, block) in &self.block {
            if !self.layout.kinds().iter().any(|kind| kind.to_string() == *name) {
                return Err(Error::Recipe(format!(
                    "[model.block.{name}] describes a block that model.layout {:?} does not use; use it or take the section \
                     out",
                    self.layout.text()
                )));
            }
            block.check(&format!("model.block.{name}"), self.model_dim)?;
        }
        self.embedding.check()?;
        self.head.check()?;
        if let Some(bigram) = &self.bigram {
            bigram.check()?;
        }
        if let Some(smear) = &self.smear {
            smear.check(self.model_dim)?;
        }
        if let Some(loops) = &self.loops {
            loops.check(self.num_layers())?;
        }
        if let Some(lanes) = &self.lanes {
            lanes.check(self.num_layers(), self.loops.as_ref())?;
        }
        Ok(())
    }
}
