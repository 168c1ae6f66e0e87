//! Every aggregation method of the paper's tables.

use super::{
    Aggregator, Attention, AttentionConfig, Divergence, FitConfig, ItemCount, Logistic, LogisticConfig, Mean,
    MedianRank, Refit, SampledPairs, Simplex, Vectors,
};
use crate::Result;
use crate::dataset::Dataset;
use crate::tensor::Device;

/// An aggregation method, under the paper's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Median rank aggregation.
    MedianRank,
    /// A shard weighs as much as its share of the user's records.
    ItemCount,
    /// A shard weighs more the more similar its records are to all records.
    Divergence,
    /// All shards weigh the same, as in Algorithm 2.
    Mean,
    /// Fitted weights on the probability simplex.
    GraphEraser,
    /// Fitted attention over the shards' embeddings.
    RecEraser,
    /// Fitted logistic regression of the shards' scores.
    UltraRe,
}

/// Settings of the methods that are fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Settings of GraphEraser.
    pub simplex: FitConfig,
    /// Settings of RecEraser.
    pub attention: AttentionConfig,
    /// Settings of UltraRE.
    pub logistic: LogisticConfig,
    /// Share of the training records on which UltraRE is fitted.
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

    /// What must be recomputed after a deletion, besides the shard's model.
    pub fn after_deletion(self) -> Refit {
        match self {
            Self::Mean | Self::MedianRank => Refit::Nothing,
            Self::ItemCount => Refit::Counts,
            Self::Divergence => Refit::Statistics,
            Self::GraphEraser | Self::RecEraser | Self::UltraRe => Refit::Everything,
        }
    }

    /// The number of parameters that are learned from data, for embeddings of
    /// `width`.
    pub fn parameters(self, width: usize, shards: usize) -> usize {
        match self {
            Self::Mean | Self::MedianRank | Self::ItemCount => 0,
            Self::Divergence | Self::GraphEraser => shards,
            Self::UltraRe => shards + 1,
            Self::RecEraser => Attention::parameters(width, shards),
        }
    }

    /// The aggregator, if it stores nothing of any record and so may stay as it
    /// is after a deletion. The other methods must be rebuilt by
    /// [`Method::fitted`] at every deletion: otherwise their weights still
    /// depend on the deleted record.
    pub fn exact(self) -> Option<Box<dyn Aggregator>> {
        match self {
            Self::Mean => Some(Box::new(Mean)),
            Self::MedianRank => Some(Box::new(MedianRank)),
            Self::ItemCount => Some(Box::new(ItemCount)),
            Self::Divergence | Self::GraphEraser | Self::RecEraser | Self::UltraRe => None,
        }
    }

    /// Builds the aggregator for these models and records from scratch.
    ///
    /// # Errors
    /// If there is nothing to fit on, a score is not finite or the device
    /// fails.
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

    /// A kept aggregator is exact only if none of its numbers depend on data. A
    /// method that a deletion makes stale is available through fitting only.
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
