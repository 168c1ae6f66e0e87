//! The history tower's linear map of the item embeddings, P = Y L: on the CPU
//! with the products of `dense`, on other devices with their own.

#[cfg(feature = "linear-algebra")]
use crate::dense::{add_transposed, by_rows, plain};
#[cfg(feature = "linear-algebra")]
use crate::model::{slice, take};
use crate::tensor::{Product, Tensor};
#[cfg(feature = "linear-algebra")]
use crate::tensor::{from_vec, on_cpu};

/// Y L, of `vectors` [items, width] and `map` [width, width].
pub(super) fn forward(vectors: Tensor<2>, map: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "linear-algebra")]
    if on_cpu(&vectors) {
        let ([items, inner], [_, width], device) = (vectors.dims(), map.dims(), vectors.device());
        let (vectors, map) = (take(vectors), take(map));
        let mut out = vec![0.0; items * width];
        plain(&mut out, slice(&vectors), slice(&map), inner);
        return from_vec(out, [items, width], &device);
    }
    vectors.product(map)
}

/// The gradients at the embeddings and at the map, given the gradient at P.
pub(super) fn backward(vectors: Tensor<2>, map: Tensor<2>, at_tower: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    #[cfg(feature = "linear-algebra")]
    if on_cpu(&vectors) {
        let ([items, inner], [_, width], device) = (vectors.dims(), map.dims(), vectors.device());
        let (vectors, map, at_tower) = (take(vectors), take(map), take(at_tower));
        let (mut at_vectors, mut at_map) = (vec![0.0; items * inner], vec![0.0; inner * width]);
        by_rows(&mut at_vectors, slice(&at_tower), slice(&map), width);
        add_transposed(&mut at_map, slice(&vectors), slice(&at_tower), items);
        return (from_vec(at_vectors, [items, inner], &device), from_vec(at_map, [inner, width], &device));
    }
    (at_tower.clone().product(map.transpose()), vectors.transpose().product(at_tower))
}
