//! Adding a record of the signed-in person's: lists use it at once, and its
//! shard learns it when the operator's schedule says.

use std::rc::Rc;

use super::desk::Desk;
use super::protocol::{Cause, Trouble};
use super::worker;
use crate::say::told;
use crate::service::Fault;

/// Times that can be seconds since 1970.
const SECONDS: std::ops::Range<f64> = 1e8..5e9;

impl Desk {
    /// Adds a record, and takes in what the server then holds.
    pub(super) async fn add(self: &Rc<Self>, item: String) -> Result<(), Trouble> {
        let newest = self.own.borrow().as_ref().and_then(|own| newest(own.history.iter().map(|deed| deed.timestamp)));
        let when = newest.map(|newest| if SECONDS.contains(&newest) { worker::seconds() as f64 } else { newest });
        let api = self.api.with(self.session.borrow().token.as_deref());
        api.add(item, when).await.map_err(|fault| not_added(&fault))?;
        self.fetch_own().await?;
        self.changed();
        self.keep_own().await;
        self.show();
        self.sync().await
    }
}

/// The newest time, where there are any: a record of today in the data's own
/// unit is at least as new, and one without a time would count as the oldest.
fn newest(times: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    times.flatten().max_by(f64::total_cmp)
}

fn not_added(fault: &Fault) -> Trouble {
    let (sentence, cause) = match fault {
        Fault::Offline => (told!("w-the-connection-broke").into(), Cause::Offline),
        other => (told!("w-nothing-was-added-try", other), Cause::Other),
    };
    Trouble { sentence, mild: true, cause, ..Trouble::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_the_latest_that_there_is() {
        assert_eq!(newest([None, Some(3.0), Some(7.0), None].into_iter()), Some(7.0));
        assert_eq!(newest([None, None].into_iter()), None);
    }
}
