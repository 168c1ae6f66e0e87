//! Deletion from request to receipt, and the proof.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_core::dataset::Catalog;
use eemu_core::ensemble::LearnedState;
use eemu_core::fingerprint::Fingerprint;
use eemu_core::receipt::{Entry, Receipt, ShardStatement, Times, config_blake3};
use eemu_core::tensor::Device;
use eemu_core::unlearn;

use crate::clock::{now, random, random_hex};
use crate::deployment::{Deployment, Settings};
use crate::progress::Progress;
use crate::store::{Deletion, Erasure, Live, Name, NewRequest, Request, State, StoreError};
use crate::training::{Trained, from_scratch, tensors, train_shards};

/// What a receipt states.
const STATEMENT: &str = "These records were removed from this state and the shards named here were trained \
     from scratch without them. The proof is `eemu verify`; copies made before are outside it.";

/// What it states besides, where not every byte is in our hands.
const LOGICAL: &str = " Erasure is logical here: PostgreSQL or a bucket may keep deleted rows and objects in old \
     pages, logs, replicas and archives until its operator has them overwritten or destroyed.";

/// Answered requests are forgotten after this many seconds.
const REQUESTS_KEPT: u64 = 30 * 24 * 3600;

/// How often a change is planned anew because another process came first.
pub(crate) const TRIES: u32 = 20;

/// What forgetting came to.
#[derive(Debug)]
pub struct Forgotten {
    /// Records removed by this call.
    pub removed: u64,
    /// Shards that were trained anew, this call's and any left over.
    pub shards: Vec<Trained>,
    /// Seconds from the request to the last model.
    pub seconds: f64,
    /// The receipt, when anything was removed, now or by a call that was cut
    /// short.
    pub receipt: Option<Receipt>,
}

/// Shards whose model is absent or stale.
///
/// # Errors
/// When the store refuses.
pub fn waiting_shards(deployment: &Deployment) -> Result<Vec<u32>> {
    Ok(deployment.state.shards()?.iter().filter(|s| s.stale || s.live.is_none()).map(|s| s.index).collect())
}

/// Begins the label of a deleted account's slot; for people only. What counts
/// is [`eemu_core::dataset::Entities::is_deleted`].
const DELETED: &str = "deleted-";

/// Blanks the slots of users whose accounts go: a random label, every feature
/// unknown.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn blank(catalog: &mut Catalog, users: &[u32]) -> Result<()> {
    for &user in users {
        catalog.users.blank(user, format!("{DELETED}{}", random_hex::<8>()?));
    }
    Ok(())
}

/// What a deletion takes, by name, so that later imports leave it out. The
/// records of an account that goes whole need no names of their own.
pub(crate) fn names(catalog: &Catalog, records: &[(u32, u32)], accounts: &[u32]) -> Vec<Name> {
    let (users, items) = (&catalog.users.ids, &catalog.items.ids);
    let gone: BTreeSet<u32> = accounts.iter().copied().collect();
    let of_records = records
        .iter()
        .filter(|(user, _)| !gone.contains(user))
        .filter_map(|&(user, item)| Some((users.get(user as usize)?.clone(), Some(items.get(item as usize)?.clone()))));
    accounts.iter().filter_map(|&user| Some((users.get(user as usize)?.clone(), None))).chain(of_records).collect()
}

/// Removes records for good, and whole accounts, and takes items down: one transaction takes the
/// rows, marks their shards and notes how many went, so that the receipt can
/// say it whenever it is written. When this returns no file holds them.
/// Nothing is retrained yet.
///
/// # Errors
/// When the store refuses; then nothing was removed.
pub fn remove(deployment: &mut Deployment, request: &[(u32, u32)], accounts: &[u32], down: &[u32]) -> Result<u64> {
    for _ in 0..TRIES {
        let plan = unlearn::plan(&deployment.world, request);
        let mut after = plan.after;
        after.take_down(down);
        blank(&mut after.catalog, accounts)?;
        // A state that was never trained waits for no shard.
        let shards = if deployment.state.trained()? { plan.shards.clone() } else { Vec::new() };
        let noted = NewRequest {
            id_hash: random()?,
            owner: None,
            removed: plan.removed.len() as u64,
            shards,
            created: now() as f64,
        };
        let deletion = Deletion {
            records: &plan.removed,
            stale: &plan.shards,
            requests: if plan.removed.is_empty() { &[] } else { std::slice::from_ref(&noted) },
            accounts,
            down,
            catalog: if accounts.is_empty() { None } else { Some(&after.catalog) },
            names: &names(&deployment.world.catalog, &plan.removed, accounts),
        };
        match deployment.state.carry_out(&deletion) {
            Ok(done) => {
                let count = done.count;
                let unfinished = deployment.moved_on(after, done);
                return unfinished.map_or(Ok(count), |problem| Err(problem.into()));
            }
            Err(StoreError::Moved) => deployment.reload()?,
            Err(error) => return Err(error.into()),
        }
    }
    bail!("other processes change this state without a pause; nothing was removed, try again later")
}

/// Removes records, retrains the shards that held them (and any still waiting
/// from before) from scratch, and writes the receipt.
///
/// # Errors
/// When the store refuses or training fails; run it again to go on.
pub fn forget(
    deployment: &mut Deployment,
    request: &[(u32, u32)],
    accounts: &[u32],
    down: &[u32],
    device: &Device,
    jobs: usize,
    progress: &Progress,
) -> Result<Forgotten> {
    let start = Instant::now();
    let removed = remove(deployment, request, accounts, down)?;
    // A state that was never trained has nothing to retrain. One whose models
    // are all gone, by a request that was cut short, has everything.
    let waiting = if deployment.state.trained()? { waiting_shards(deployment)? } else { Vec::new() };
    let shards = train_shards(deployment, &waiting, device, jobs, progress, false)?;
    let seconds = start.elapsed().as_secs_f64();
    let receipt = answer_waiting(deployment, device)?;
    Ok(Forgotten { removed, shards, seconds, receipt })
}

/// Every request that is known; those answered long ago are forgotten.
///
/// # Errors
/// When the store refuses.
pub(crate) fn requests(state: &State) -> Result<Vec<Request>> {
    Ok(state.requests(requests_since())?)
}

/// Since when answered requests are kept, in seconds since 1970.
pub(crate) fn requests_since() -> f64 {
    now().saturating_sub(REQUESTS_KEPT) as f64
}

/// Writes the receipt of whatever was removed and is done by now, if nobody
/// has yet.
///
/// # Errors
/// When the store refuses.
pub fn answer_waiting(deployment: &Deployment, device: &Device) -> Result<Option<Receipt>> {
    let state = &deployment.state;
    let live: Vec<Live> = state.shards()?.into_iter().filter_map(|shard| shard.live).collect();
    let versions: HashMap<u32, u64> = live.iter().map(|live| (live.shard, live.version)).collect();
    let ready: Vec<Request> = requests(state)?.into_iter().filter(|request| request.is_ready(&versions)).collect();
    let live: Vec<&Live> = live.iter().collect();
    Ok(answer(state, &deployment.settings, device, &ready, &live)?.map(|(_, receipt)| receipt))
}

/// The statement of a live model version.
pub(crate) fn statement(live: &Live) -> ShardStatement {
    let (nonce, salt) = (&live.nonce.0, &live.salt.0);
    ShardStatement::new(live.shard, live.version, &live.model_blake3, &live.input_hash, nonce, salt)
}

/// Writes one receipt for requests that are done, of whose shards `live` holds
/// the present versions. Its id and text; `None` when there is nothing to
/// write, or another process has written it.
///
/// # Errors
/// When the store refuses.
pub(crate) fn answer(
    state: &State,
    settings: &Settings,
    device: &Device,
    ready: &[Request],
    live: &[&Live],
) -> Result<Option<(u64, Receipt)>> {
    if ready.is_empty() {
        return Ok(None);
    }
    let shards: BTreeSet<u32> = ready.iter().flat_map(|request| request.shards.iter().map(|s| s.0)).collect();
    let live: Vec<&Live> = live.iter().copied().filter(|live| shards.contains(&live.shard)).collect();
    // Of the builds that trained them, which after an upgrade need not be this one.
    let mut fingerprints: Vec<Fingerprint> = Vec::new();
    for live in &live {
        let trained_by = serde_json::from_str(&live.fingerprint).context("a model's fingerprint is damaged")?;
        if !fingerprints.contains(&trained_by) {
            fingerprints.push(trained_by);
        }
    }
    let mut fingerprints = fingerprints.into_iter();
    let receipt = Receipt {
        format: 1,
        removed: ready.iter().map(|request| request.removed).sum(),
        shards: live.iter().map(|live| statement(live)).collect(),
        config_blake3: config_blake3(&settings.config)?,
        fingerprint: fingerprints.next().unwrap_or_else(|| Fingerprint::of(device)),
        further_fingerprints: fingerprints.collect(),
        statement: stated(state, settings)?,
        requests: ready.iter().map(|request| hex::encode(request.id_hash)).collect(),
        times: times(ready),
    };
    let ids: Vec<[u8; 32]> = ready.iter().map(|request| request.id_hash).collect();
    let id = state.answer_requests(&ids, &Entry::Deletion(receipt.clone()).to_line()?)?;
    Ok(id.map(|id| (id, receipt)))
}

/// When these requests went through their stages.
fn times(requests: &[Request]) -> Option<Times> {
    let latest = |time: fn(&Request) -> Option<f64>| {
        let all: Option<Vec<f64>> = requests.iter().map(time).collect();
        all.map(|all| all.into_iter().fold(0.0, f64::max) as u64)
    };
    Some(Times {
        asked: requests.iter().map(|request| request.created as u64).min()?,
        overwritten: latest(|request| request.overwritten),
        compacted: latest(|request| request.compacted),
        written: now(),
    })
}

/// What a receipt of this state states.
fn stated(state: &State, settings: &Settings) -> Result<String> {
    let mut text = STATEMENT.to_owned();
    if state.erasure() == Erasure::Logical {
        text += LOGICAL;
    }
    if let Some(commitment) = &settings.tuned_on {
        text += &format!(" Configuration tuned on data {commitment}.");
    }
    text += &residual(state)?.unwrap_or_default();
    Ok(text)
}

/// What deleting a record of data that a search read leaves behind; none when
/// no search read this state's.
///
/// # Errors
/// When the store refuses.
pub fn residual(state: &State) -> Result<Option<String>> {
    let tuned = state.tuned()?;
    Ok((!tuned.is_empty()).then(|| {
        format!(
            " A configuration tuned on data {} of this state stays a residual of removed records that were among \
             them, until it is tuned again without them.",
            tuned.join(", ")
        )
    }))
}

/// What the comparison with a system trained from scratch found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Where bytes differ; empty when everything compared is equal.
    pub differences: Vec<String>,
    /// What could not be compared, and why.
    pub not_comparable: Vec<String>,
    /// Seconds that training everything from scratch took.
    pub seconds: f64,
}

/// Trains every shard from scratch on the records that are left and compares
/// the learned state byte for byte.
///
/// # Errors
/// When training fails or a model is damaged.
pub fn verify(deployment: &Deployment, device: &Device, jobs: usize, progress: &Progress) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let here = Fingerprint::of(device);
    for shard in deployment.state.shards()? {
        let name = format!("shard {}", shard.index);
        match &shard.live {
            None => verdict.not_comparable.push(format!("{name}: no model; run eemu train")),
            Some(_) if shard.stale => {
                verdict.not_comparable.push(format!("{name}: waits for retraining; run eemu train"))
            }
            Some(live) => {
                let there: Option<Fingerprint> = serde_json::from_str(&live.fingerprint).ok();
                if there.as_ref() != Some(&here) {
                    verdict
                        .not_comparable
                        .push(format!("{name}: trained by another build or machine; run eemu retrain --stale"));
                } else if !here.bytes_promised {
                    verdict.not_comparable.push(format!("{name}: the device {} promises no bytes", here.device));
                }
            }
        }
    }
    if !verdict.not_comparable.is_empty() {
        return Ok(verdict);
    }
    let world = &deployment.world;
    let start = Instant::now();
    let twin = tensors(&from_scratch(world, &world.shards(), device, jobs, progress, "from scratch")?)?;
    verdict.seconds = start.elapsed().as_secs_f64();
    let kept = (0..world.config.train.shards).map(|s| deployment.tensors(s, device)).collect::<Result<Vec<_>>>()?;
    verdict.differences = LearnedState::new(world, kept).differences(&LearnedState::new(world, twin));
    Ok(verdict)
}
