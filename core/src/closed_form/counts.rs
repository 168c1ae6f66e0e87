//! Integer counts of what people did together. Nothing else of a closed form
//! is kept, so its state does not depend on the order of additions.

/// How many people did both of two items, row-major [items, items]; on the
/// diagonal, how many did the item.
#[must_use]
pub(super) fn together(histories: &[&[u32]], items: usize) -> Vec<u32> {
    let mut counts = vec![0u32; items * items];
    for history in histories {
        for &one in *history {
            let row = &mut counts[one as usize * items..][..items];
            history.iter().for_each(|&other| row[other as usize] += 1);
        }
    }
    counts
}

/// How many people did the second item within `reach` places after the first,
/// row-major [items, items]. Histories are in order.
#[must_use]
pub(super) fn after(histories: &[&[u32]], items: usize, reach: usize) -> Vec<u32> {
    let mut counts = vec![0u32; items * items];
    for history in histories {
        for (place, &one) in history.iter().enumerate() {
            let row = &mut counts[one as usize * items..][..items];
            history[place + 1..].iter().take(reach).for_each(|&other| row[other as usize] += 1);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_hand() {
        let histories: [&[u32]; 2] = [&[0, 2, 1], &[2, 0]];
        assert_eq!(together(&histories, 3), [2, 1, 2, 1, 1, 1, 2, 1, 2]);
        assert_eq!(after(&histories, 3, 1), [0, 0, 1, 0, 0, 0, 1, 1, 0]);
        assert_eq!(after(&histories, 3, 5), [0, 1, 1, 0, 0, 0, 1, 1, 0]);
    }
}
