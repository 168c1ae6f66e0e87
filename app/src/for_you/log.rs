//! The receipt log, pinned at first use: at each visit it must go on from what
//! was seen of it last.

use std::rc::Rc;

use super::desk::Desk;
use super::protocol::{Cause, Remedy, Trouble};
use super::receipt;
use super::sync::unreached;
use crate::operate::look;
use crate::say::told;

impl Desk {
    /// Checks that the log goes on from what was seen of it; the first time it
    /// is taken as it is.
    pub(super) async fn follow_log(self: &Rc<Self>) -> Result<(), Trouble> {
        let Some(public) = self.public.borrow().clone() else { return Ok(()) };
        let now = public.manifest.checkpoint.clone();
        let seen = self.session.borrow().pin.clone();
        let rewritten = |why: String| Trouble {
            sentence: told!("w-the-receipt-log-is", why),
            remedy: Remedy::TrustLog,
            mild: true,
            cause: Cause::Other,
        };
        if let Err(why) = now.verify() {
            return Err(rewritten(why.to_string()));
        }
        let mut handed_over = false;
        if let Some(seen) = seen {
            if seen.origin != now.origin {
                return Err(rewritten(told!("w-it-has-another-name").into()));
            }
            if seen == now {
                return Ok(());
            }
            if seen.size == now.size && seen.root != now.root {
                return Err(rewritten(told!("w-it-has-other-entries").into()));
            }
            if seen.size != now.size {
                let proof = self.api.consistency(seen.size, now.size).await;
                let proof = proof.map_err(|_| rewritten(told!("w-it-is-shorter-or").into()))?;
                receipt::goes_on(&seen, &now, &proof).map_err(rewritten)?;
            }
            if seen.public_key != now.public_key {
                let lines = look::lines(&self.api, now.size).await.map_err(|fault| unreached(&fault))?;
                receipt::handed_over(&seen, &now, &lines).map_err(rewritten)?;
                handed_over = true;
            }
        }
        self.amend(|session| session.see(now)).await;
        if handed_over {
            return Err(Trouble {
                sentence: told!("w-the-server-signs-with").into(),
                remedy: Remedy::None,
                mild: true,
                cause: Cause::Other,
            });
        }
        Ok(())
    }
}
