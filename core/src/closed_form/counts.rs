//! Integer co-occurrence counts of items. A closed-form model keeps nothing
//! else, so its state does not depend on the order in which records were added.

/// For each pair of items, how many users have both: row-major [items, items].
/// The diagonal holds how many users have the item.
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

/// For each pair of items, how many users have the second within `reach`
/// positions after the first: row-major [items, items]. Histories are in order
/// of time.
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
