//! Deletion from request to receipt, and its verification.

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

/// The statement in every receipt.
const STATEMENT: &str = "These records were removed from this state and the shards named here were trained \
     from scratch without them. The proof is `eemu verify`; copies made before are outside it.";

/// What the statement adds where a database server or a bucket keeps some of the bytes.
const LOGICAL: &str = " Erasure is logical here: PostgreSQL or a bucket may keep deleted rows and objects in old \
     pages, logs, replicas and archives until its operator has them overwritten or destroyed.";

/// Answered requests are removed after this many seconds.
const REQUESTS_KEPT: u64 = 30 * 24 * 3600;

/// The result of [`forget`].
#[derive(Debug)]
pub struct Forgotten {
    /// Records removed by this call.
    pub removed: u64,
    /// The request's name, when anything was removed by this call.
    pub name: Option<String>,
    /// Shards that were retrained: those of this call, and those that waited from before.
    pub shards: Vec<Trained>,
    /// Seconds from the request to the last model.
    pub seconds: f64,
    /// The receipt, when anything was removed, now or by a call that was cut
    /// short.
    pub receipt: Option<Receipt>,
    /// The receipt's index in the log, from 0.
    pub receipt_index: Option<u64>,
}

/// Shards whose model is absent or stale.
///
/// # Errors
/// When the store refuses.
pub fn waiting_shards(deployment: &Deployment) -> Result<Vec<u32>> {
    Ok(deployment.state.shards()?.iter().filter(|s| s.stale || s.live.is_none()).map(|s| s.index).collect())
}

/// A deletion request: what is to be deleted, by index, and what was asked, by name.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Records (user, item).
    pub records: Vec<(u32, u32)>,
    /// Whole accounts.
    pub accounts: Vec<u32>,
    /// Items to be taken down: they leave every list, with all their records.
    pub down: Vec<u32>,
    /// What was asked; the receipt commits to it.
    pub asked: Asked,
}

impl Request {
    /// A request for these records, which commits to nothing that was asked.
    pub fn of(records: &[(u32, u32)]) -> Self {
        Self { records: records.to_vec(), ..Self::default() }
    }
}

/// The result of [`remove`].
#[derive(Debug)]
pub struct Removed {
    /// How many records were removed.
    pub count: u64,
    /// The request's name; whoever has it can show that a receipt answers it. `None` when
    /// nothing was removed.
    pub name: Option<String>,
}

/// Removes records, whole accounts, and items that are taken down, for good. One
/// transaction deletes the rows, marks their shards as stale, and stores how many
/// records were removed, so that the receipt can state it whenever it is written. When
/// this returns no file holds the records. Nothing is retrained yet.
///
/// # Errors
/// When the store refuses; then nothing was removed, unless the error says so.
pub fn remove(deployment: &mut Deployment, request: &Request) -> Result<Removed> {
    let who = [NewAudit::by_command("forget")];
    for _ in 0..TRIES {
        let mut plan = Plan::new(&deployment.dataset, &request.records, &request.accounts, &request.down)?;
        // A state that was never trained has no shard to retrain.
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

/// As [`forget`], with the launcher training the shards.
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
    // A state that was never trained has nothing to retrain. A state whose models are all
    // gone, because an earlier request was cut short, has every shard to retrain.
    let waiting = if deployment.state.trained()? { waiting_shards(deployment)? } else { Vec::new() };
    let shards = launch_shards(deployment, &waiting, launcher, jobs, progress, false)?;
    let seconds = start.elapsed().as_secs_f64();
    let (id, receipt) = answer_waiting(deployment, device)?.unzip();
    Ok(Forgotten { removed, name, shards, seconds, receipt, receipt_index: id.map(|id| id - 1) })
}

/// Every known request; those answered long ago are left out.
///
/// # Errors
/// When the store refuses.
pub(crate) fn requests(state: &State) -> Result<Vec<Noted>> {
    Ok(state.requests(requests_since())?)
}

/// Requests answered before this time are left out; in seconds since 1970.
pub(crate) fn requests_since() -> f64 {
    now().saturating_sub(REQUESTS_KEPT) as f64
}

/// Writes the receipt of all requests that are done by now and have none. Returns its
/// id and its contents.
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

/// The receipt's statement about a live model version.
pub(crate) fn statement(live: &Live) -> ShardStatement {
    let (nonce, salt) = (&live.nonce.0, &live.salt.0);
    ShardStatement::new(live.shard, live.version, &live.model_blake3, &live.input_hash, nonce, salt)
        .of_catalog(live.catalog)
}

/// Writes one receipt for requests that are done. `live` must hold the live models of
/// their shards. Returns the receipt's id and contents; `None` when there is nothing to
/// write or another process has written it.
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
    // Fingerprints of the builds that trained the models. After an upgrade they may differ
    // from this build's.
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
        // Requests stored by an earlier version have no commitment. The empty one opens with
        // no name.
        asked: ready.iter().map(|request| request.asked.clone().unwrap_or_default()).collect(),
        times: times(ready),
    };
    let ids: Vec<[u8; 32]> = ready.iter().map(|request| request.id_hash).collect();
    let id = state.answer_requests(&ids, &Entry::Deletion(receipt.clone()).to_line()?)?;
    Ok(id.map(|id| (id, receipt)))
}

/// When the requests passed through their stages.
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

/// The statement in a receipt of this state.
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

/// What a deletion cannot remove: a configuration that a hyper-parameter search chose
/// on data with the deleted records. `None` when no search read this state's data.
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

/// The result of [`verify`], the comparison with a system trained from scratch.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Where bytes differ; empty when everything compared is equal.
    pub differences: Vec<String>,
    /// What could not be compared, and why.
    pub not_comparable: Vec<String>,
    /// Seconds that training everything from scratch took.
    pub seconds: f64,
}

/// Trains every shard from scratch on the remaining records and compares the learned
/// state byte for byte.
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
