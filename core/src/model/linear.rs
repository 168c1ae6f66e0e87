//! Ranking with an item tower of one layer, where nothing stands between the
//! features and the score: everything a user changed folds into vectors.
//!
//! With a = W_u x_u,
//!
//! score(i) = e(i) . a + sum_k sum_j <f_k(i), f_k(j)> (F_k(j) . a_k) + b_u . x_u
//!
//! The second sum is linear in f_k(i) and is made once a user, not once an
//! item: a user costs one row of a product with the items' embeddings, however
//! many pairs they were adapted with.

use crate::Result;
use crate::model::encoder::Encoder;
use crate::model::parameters::Parameters;
use crate::model::step::Step;
use crate::tensor::{Tensor, read};

impl Encoder {
    /// Scores of all items, whose embeddings at theta are given [items,
    /// columns], for users with vectors `x` [users, 1, output]: one row a user.
    pub(super) async fn rank_linear(
        &self,
        parameters: &Parameters,
        embedded: &Tensor<2>,
        steps: &[Step],
        x: &Tensor<3>,
    ) -> Result<Vec<Vec<f32>>> {
        let [users, _, output] = x.dims();
        let [items, columns] = embedded.dims();
        let width = columns / self.features().len();
        let toward = x.clone().transpose();
        let own: Vec<_> = steps.iter().filter_map(|step| step.block(0)).collect();
        // a = W_u x_u, [users, columns].
        let shared = x.clone().reshape([users, output]).matmul(self.weight(parameters, 0).transpose());
        let a = own.iter().fold(shared, |a, own| {
            let moved = own.inputs(0).transpose().matmul(own.moves(0).matmul(toward.clone()));
            a + moved.reshape([users, columns])
        });
        let offset = self.bias_of(parameters, 0, steps).reshape([users, 1, output]).matmul(toward);
        let mut scores = a.clone().matmul(embedded.clone().transpose()) + offset.reshape([users, 1]);
        for (place, feature) in self.features().iter().enumerate() {
            let a = a.clone().narrow(1, place * width, width);
            let part = self.feature_weight(parameters, place);
            for own in &own {
                let along = own.feature_moves_along(place, &part, &a);
                if let Some(change) = feature.overlaps_folded(own.rows(), along, items).await? {
                    scores = scores + change;
                }
            }
        }
        Ok(read(scores).await?.chunks(items).map(<[f32]>::to_vec).collect())
    }
}
