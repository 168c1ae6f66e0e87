//! Every method of the paper's tables in one place.

use super::{
    Aggregator, Attention, AttentionConfig, Divergence, FitConfig, ItemCount, Logistic, LogisticConfig, Mean,
    MedianRank, Refit, SampledPairs, Simplex, Vectors,
};
use crate::Result;
use crate::dataset::Dataset;
use crate::tensor::Device;

/// A way to blend shards, by the paper's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Median rank aggregation.
    MedianRank,
    /// Shards count as much as they hold of the user's records.
    ItemCount,
    /// Shards count by their likeness to all records.
    Divergence,
    /// Shards count alike: Algorithm 2's own.
    Mean,
    /// Fitted weights on the simplex.
    GraphEraser,
    /// Fitted attention over the shards' vectors.
    RecEraser,
    /// Fitted logistic regression of the shards' scores.
    UltraRe,
}

/// How much work fitting may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Of GraphEraser.
    pub simplex: FitConfig,
    /// Of RecEraser.
    pub attention: AttentionConfig,
    /// Of UltraRE.
    pub logistic: LogisticConfig,
    /// Share of the training records that UltraRE is fitted on.
    pub logistic_share: f64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            simplex: FitConfig::default(),
            attention: AttentionConfig::default(),
            logistic: LogisticConfig::default(),
            logistic_share: 1.0,
        }
    }
}

impl Method {
    /// All of them, in the order of Table 3.
    pub const ALL: [Self; 7] = [
        Self::MedianRank,
        Self::ItemCount,
        Self::Divergence,
        Self::Mean,
        Self::GraphEraser,
        Self::RecEraser,
        Self::UltraRe,
    ];

    /// The paper's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MedianRank => "MRA",
            Self::ItemCount => "ItemC",
            Self::Divergence => "JS_Div",
            Self::Mean => "Mean",
            Self::GraphEraser => "GraphEraser",
            Self::RecEraser => "RecEraser",
            Self::UltraRe => "UltraRE",
        }
    }

    /// What a deletion makes stale besides the shard's model.
    pub fn after_deletion(self) -> Refit {
        match self {
            Self::Mean | Self::MedianRank => Refit::Nothing,
            Self::ItemCount => Refit::Counts,
            Self::Divergence => Refit::Statistics,
            Self::GraphEraser | Self::RecEraser | Self::UltraRe => Refit::Everything,
        }
    }

    /// Numbers that are learned from data and kept, for vectors of `width`.
    pub fn parameters(self, width: usize, shards: usize) -> usize {
        match self {
            Self::Mean | Self::MedianRank | Self::ItemCount => 0,
            Self::Divergence | Self::GraphEraser => shards,
            Self::UltraRe => shards + 1,
            Self::RecEraser => Attention::parameters(width, shards),
        }
    }

    /// The aggregator itself where it keeps nothing of any record, and so may
    /// stay as it is when a record goes. The others have to be made anew by
    /// [`Method::fitted`] at every deletion, or the deleted record lives on in
    /// their weights.
    pub fn exact(self) -> Option<Box<dyn Aggregator>> {
        match self {
            Self::Mean => Some(Box::new(Mean)),
            Self::MedianRank => Some(Box::new(MedianRank)),
            Self::ItemCount => Some(Box::new(ItemCount)),
            Self::Divergence | Self::GraphEraser | Self::RecEraser | Self::UltraRe => None,
        }
    }

    /// Makes the aggregator for these models and records, from nothing.
    ///
    /// # Errors
    /// When there is nothing to fit on, a score is not a number or the device fails.
    pub async fn fitted(
        self,
        dataset: &Dataset,
        vectors: &Vectors,
        effort: &Effort,
        device: &Device,
    ) -> Result<Box<dyn Aggregator>> {
        if let Some(exact) = self.exact() {
            return Ok(exact);
        }
        Ok(match self {
            Self::GraphEraser => {
                let margins = SampledPairs::of(dataset, effort.simplex.share).margins(vectors).await?;
                let delta = f64::from(dataset.config.model.margin);
                Box::new(Simplex::fit(&margins, delta, &dataset.key, &effort.simplex)?)
            }
            Self::UltraRe => {
                let pairs = SampledPairs::of(dataset, effort.logistic_share);
                Box::new(Logistic::fit(vectors, &pairs, &effort.logistic).await?)
            }
            Self::RecEraser => {
                Box::new(Attention::fit(vectors, dataset, &dataset.key, &effort.attention, device).await?)
            }
            _ => Box::new(Divergence::of(&dataset.degrees, &dataset.shards())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kept aggregator is exact only if none of its numbers come from data;
    /// whatever a deletion makes stale cannot be had without fitting.
    #[test]
    fn what_learns_from_records_cannot_be_had_without_them() {
        for method in Method::ALL {
            let kept_as_it_is = matches!(method.after_deletion(), Refit::Nothing | Refit::Counts);
            assert_eq!(method.exact().is_some(), kept_as_it_is, "{}", method.name());
            assert_eq!(method.parameters(128, 8) == 0, kept_as_it_is, "{}", method.name());
            if let Some(exact) = method.exact() {
                assert_eq!(exact.after_deletion(), method.after_deletion());
            }
        }
        assert_eq!(Method::RecEraser.parameters(128, 8), 148_736);
        assert_eq!(Method::UltraRe.parameters(128, 8), 9);
    }
}
