//! Everything that is stored about one person, for access and portability (GDPR
//! articles 15 and 20).

use eemu_core::api::{Kept, KeptFeature, KeptRequest, KeptToken, OwnInteraction};
use eemu_core::data::{Role, UNKNOWN, Values};
use eemu_core::dataset::Dataset;

use crate::clock::now;
use crate::serve::tokens::{Scope, Token};
use crate::store::Request;

/// What a person's file says about the data that it cannot hold.
const NOTE: &str = "Deletion requests are kept by a hash of their name and lead to nobody: those whose names were given \
                    are here. Models hold what training made of the records; nothing adapted to a person is kept.";

/// Everything that is stored about a person. `requests` are those whose names the
/// person gave.
pub fn everything(dataset: &Dataset, user: u32, tokens: &[Token], requests: &[Request]) -> Kept {
    let users = &dataset.catalog.users;
    Kept {
        format: 1,
        dataset: dataset.catalog.dataset.clone(),
        user: users.ids[user as usize].clone(),
        exported: now(),
        records: records(dataset, user),
        features: users.columns.iter().filter_map(|column| feature(&column.name, &column.values, user)).collect(),
        tokens: tokens
            .iter()
            .filter(|token| token.scope == Scope::Subject(user))
            .map(|token| KeptToken { id: token.id.clone(), created: token.created, expires: token.expires })
            .collect(),
        requests: requests
            .iter()
            .map(|request| KeptRequest {
                name_blake3: hex::encode(request.id_hash),
                removed: request.removed,
                asked: request.created as u64,
                overwritten: request.overwritten.map(|time| time as u64),
                compacted: request.compacted.map(|time| time as u64),
                receipt_index: request.receipt.map(|id| id - 1),
            })
            .collect(),
        note: NOTE.to_owned(),
    }
}

/// A person's records, in the order of the dataset.
pub fn records(dataset: &Dataset, user: u32) -> Vec<OwnInteraction> {
    let items = &dataset.catalog.items;
    let own = dataset.interactions.of(user);
    let records = own.iter().enumerate();
    records
        .map(|(place, r)| OwnInteraction {
            item: items.ids[r.item as usize].clone(),
            name: items.name(r.item).to_owned(),
            timestamp: r.timestamp,
            shard: (dataset.split.role(place, own.len()) == Role::Train).then(|| dataset.shard_of(user, r.item)),
        })
        .collect()
}

fn feature(name: &str, values: &Values, user: u32) -> Option<KeptFeature> {
    let row = user as usize;
    let values = match values {
        Values::Token { rows, .. } if rows[row] == UNKNOWN => return None,
        Values::Token { vocabulary, rows } => vec![vocabulary[rows[row] as usize].clone()],
        Values::TokenSeq { vocabulary, rows } => rows[row].iter().map(|&t| vocabulary[t as usize].clone()).collect(),
        Values::Buckets { count, rows, .. } => {
            rows[row].iter().map(|bucket| format!("bucket {bucket} of {count}")).collect()
        }
        Values::Dense { width, rows } => {
            rows[row * width..(row + 1) * width].iter().map(std::string::ToString::to_string).collect()
        }
    };
    Some(KeptFeature { name: name.to_owned(), values })
}
