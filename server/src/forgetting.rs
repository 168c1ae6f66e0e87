//! Deletion from request to receipt, and the proof.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_core::fingerprint::Fingerprint;
use eemu_core::learned_state::LearnedState;
use eemu_core::receipt::{Asked, Entry, Receipt, ShardStatement, Times, config_blake3};
use eemu_core::tensor::Device;

use crate::clock::{now, random_hex};
use crate::deleting::{Plan, id_hash};
use crate::deployment::{Deployment, Settings};
use crate::launch::{Launcher, Threads};
use crate::progress::Progress;
use crate::store::{Change, Erasure, Live, NewAudit, NewRequest, Request as Noted, State, StoreError, TRIES};
use crate::training::{Trained, from_scratch, launch_shards, tensors};

/// What a receipt states.
const STATEMENT: &str = "These records were removed from this state and the shards named here were trained \
     from scratch without them. The proof is `eemu verify`; copies made before are outside it.";

/// What it states besides, where not every byte is in our hands.
const LOGICAL: &str = " Erasure is logical here: PostgreSQL or a bucket may keep deleted rows and objects in old \
     pages, logs, replicas and archives until its operator has them overwritten or destroyed.";

/// Answered requests are forgotten after this many seconds.
const REQUESTS_KEPT: u64 = 30 * 24 * 3600;

/// What forgetting came to.
#[derive(Debug)]
pub struct Forgotten {
    /// Records removed by this call.
    pub removed: u64,
    /// The request's name, when anything was removed by this call.
    pub name: Option<String>,
    /// Shards that were trained anew, this call's and any left over.
    pub shards: Vec<Trained>,
    /// Seconds from the request to the last model.
    pub seconds: f64,
    /// The receipt, when anything was removed, now or by a call that was cut
    /// short.
    pub receipt: Option<Receipt>,
    /// Its place in the log, from 0.
    pub receipt_index: Option<u64>,
}

/// Shards whose model is absent or stale.
///
/// # Errors
/// When the store refuses.
pub fn waiting_shards(deployment: &Deployment) -> Result<Vec<u32>> {
    Ok(deployment.state.shards()?.iter().filter(|s| s.stale || s.live.is_none()).map(|s| s.index).collect())
}

/// What is to be forgotten, by index, and what was asked, by name.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Records (user, item).
    pub records: Vec<(u32, u32)>,
    /// Whole accounts.
    pub accounts: Vec<u32>,
    /// Items that are taken down for everybody.
    pub down: Vec<u32>,
    /// What was asked, which the receipt commits to.
    pub asked: Asked,
}

impl Request {
    /// Records alone, without what was asked.
    pub fn of(records: &[(u32, u32)]) -> Self {
        Self { records: records.to_vec(), ..Self::default() }
    }
}

/// A removal that is made.
#[derive(Debug)]
pub struct Removed {
    /// Records that went.
    pub count: u64,
    /// The request's name: whoever has it can show that a receipt answers it.
    /// None when nothing went.
    pub name: Option<String>,
}

/// Removes records for good, and whole accounts, and takes items down: one transaction takes the
/// rows, marks their shards and notes how many went, so that the receipt can
/// say it whenever it is written. When this returns no file holds them.
/// Nothing is retrained yet.
///
/// # Errors
/// When the store refuses; then nothing was removed, unless the error says so.
pub fn remove(deployment: &mut Deployment, request: &Request) -> Result<Removed> {
    let who = [NewAudit::by_command("forget")];
    for _ in 0..TRIES {
        let mut plan = Plan::new(&deployment.dataset, &request.records, &request.accounts, &request.down)?;
        // A state that was never trained waits for no shard.
        let shards = if deployment.state.trained()? { plan.stale.clone() } else { Vec::new() };
        let name = random_hex::<16>()?;
        let count = plan.removed.len() as u64;
        if count > 0 {
            let asked = request.asked.committed(&name);
            let id_hash = id_hash(&name);
            plan.note(NewRequest { id_hash, owner: None, removed: count, shards, created: now() as f64 }, asked);
        }
        match deployment.state.apply(&Change::Delete(plan.deletion(&[], &who)), deployment.head) {
            Ok(done) => {
                let finished = deployment.state.finish(&done);
                deployment.advance(plan.after, &done);
                finished?;
                return Ok(Removed { count, name: (count > 0).then_some(name) });
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
    request: &Request,
    device: &Device,
    jobs: usize,
    progress: &Progress,
) -> Result<Forgotten> {
    forget_by(deployment, request, (&Threads::new(device), device), jobs, progress)
}

/// [`forget`] with the shards trained where a launcher runs them.
///
/// # Errors
/// As [`forget`].
pub fn forget_by(
    deployment: &mut Deployment,
    request: &Request,
    (launcher, device): (&dyn Launcher, &Device),
    jobs: usize,
    progress: &Progress,
) -> Result<Forgotten> {
    let start = Instant::now();
    let Removed { count: removed, name } = remove(deployment, request)?;
    // A state that was never trained has nothing to retrain. One whose models
    // are all gone, by a request that was cut short, has everything.
    let waiting = if deployment.state.trained()? { waiting_shards(deployment)? } else { Vec::new() };
    let shards = launch_shards(deployment, &waiting, launcher, jobs, progress, false)?;
    let seconds = start.elapsed().as_secs_f64();
    let (id, receipt) = answer_waiting(deployment, device)?.unzip();
    Ok(Forgotten { removed, name, shards, seconds, receipt, receipt_index: id.map(|id| id - 1) })
}

/// Every request that is known; those answered long ago are forgotten.
///
/// # Errors
/// When the store refuses.
pub(crate) fn requests(state: &State) -> Result<Vec<Noted>> {
    Ok(state.requests(requests_since())?)
}

/// Since when answered requests are kept, in seconds since 1970.
pub(crate) fn requests_since() -> f64 {
    now().saturating_sub(REQUESTS_KEPT) as f64
}

/// Writes the receipt of whatever was removed and is done by now, if nobody
/// has yet. Its id and text.
///
/// # Errors
/// When the store refuses.
pub fn answer_waiting(deployment: &Deployment, device: &Device) -> Result<Option<(u64, Receipt)>> {
    let state = &deployment.state;
    let live: Vec<Live> = state.shards()?.into_iter().filter_map(|shard| shard.live).collect();
    let versions: HashMap<u32, u64> = live.iter().map(|live| (live.shard, live.version)).collect();
    let ready: Vec<Noted> = requests(state)?.into_iter().filter(|request| request.is_ready(&versions)).collect();
    let live: Vec<&Live> = live.iter().collect();
    answer(state, &deployment.settings, device, &ready, &live)
}

/// The statement of a live model version.
pub(crate) fn statement(live: &Live) -> ShardStatement {
    let (nonce, salt) = (&live.nonce.0, &live.salt.0);
    ShardStatement::new(live.shard, live.version, &live.model_blake3, &live.input_hash, nonce, salt)
        .of_catalog(live.catalog)
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
    ready: &[Noted],
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
        // Those of an earlier program have none, and an empty one opens with no name.
        asked: ready.iter().map(|request| request.asked.clone().unwrap_or_default()).collect(),
        times: times(ready),
    };
    let ids: Vec<[u8; 32]> = ready.iter().map(|request| request.id_hash).collect();
    let id = state.answer_requests(&ids, &Entry::Deletion(receipt.clone()).to_line()?)?;
    Ok(id.map(|id| (id, receipt)))
}

/// When these requests went through their stages.
fn times(requests: &[Noted]) -> Option<Times> {
    let latest = |time: fn(&Noted) -> Option<f64>| {
        let all: Option<Vec<f64>> = requests.iter().map(time).collect();
        all.map(|all| all.into_iter().fold(0.0, f64::max) as u64)
    };
    Some(Times {
        asked: requests.iter().map(|request| request.created as u64).min()?,
        carried_out: latest(|request| request.carried_out),
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
    let dataset = &deployment.dataset;
    let start = Instant::now();
    let twin = tensors(&from_scratch(dataset, &dataset.shards(), device, jobs, progress, "from scratch")?)?;
    verdict.seconds = start.elapsed().as_secs_f64();
    let kept = (0..dataset.config.train.shards).map(|s| deployment.tensors(s, device)).collect::<Result<Vec<_>>>()?;
    verdict.differences = LearnedState::new(dataset, kept).differences(&LearnedState::new(dataset, twin));
    Ok(verdict)
}
