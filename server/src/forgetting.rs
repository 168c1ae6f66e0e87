//! Deletion from request to receipt, and the proof.

use std::time::Instant;

use anyhow::Result;
use eemu_core::dataset::Entities;
use eemu_core::ensemble::LearnedState;
use eemu_core::fingerprint::Fingerprint;
use eemu_core::receipt::{Receipt, ShardStatement, config_blake3};
use eemu_core::tensor::Device;
use eemu_core::unlearn;

use crate::deployment::Deployment;
use crate::progress::Progress;
use crate::training::{Trained, from_scratch, tensors, train_shards};

/// What a receipt states.
pub(crate) const STATEMENT: &str = "These records were removed from this state and the shards named here were trained \
     from scratch without them. The proof is `eemu verify`; copies made before are outside it.";

/// What forgetting came to.
#[derive(Debug)]
pub struct Forgotten {
    /// Records removed by this call.
    pub removed: u64,
    /// Shards that were trained anew, this call's and any left over.
    pub shards: Vec<Trained>,
    /// Seconds from the request to the last model.
    pub seconds: f64,
    /// The receipt, when anything was done.
    pub receipt: Option<Receipt>,
}

/// Shards whose model is absent or stale.
///
/// # Errors
/// When the store refuses.
pub fn waiting_shards(deployment: &Deployment) -> Result<Vec<u32>> {
    Ok(deployment.state.shards()?.iter().filter(|s| s.stale || s.live.is_none()).map(|s| s.index).collect())
}

/// Removes records for good: one transaction takes the rows and marks their
/// shards, and when this returns no file holds them. Nothing is retrained yet.
///
/// # Errors
/// When the store refuses; then nothing was removed.
pub fn remove(deployment: &mut Deployment, request: &[(u32, u32)]) -> Result<u64> {
    let plan = unlearn::plan(&deployment.world, request);
    let removed = deployment.state.remove(&plan.removed, &plan.shards)?;
    deployment.world = deployment.world.with(plan.after);
    Ok(removed)
}

/// Begins the label of a deleted account's slot.
pub(crate) const DELETED: &str = "deleted-";

/// Whether some account was deleted. Its name is gone, so a request that is
/// made again finds nobody of that name.
pub fn any_deleted(users: &Entities) -> bool {
    users.ids.iter().any(|id| id.starts_with(DELETED))
}

/// Blanks the slots of users whose accounts are deleted: a random label, every
/// feature unknown. Their records must be gone already.
///
/// # Errors
/// When the store refuses.
pub fn blank_accounts(deployment: &mut Deployment, users: &[u32]) -> Result<()> {
    deployment.state.entomb_accounts(users)?;
    for &user in users {
        let mut label = [0u8; 8];
        getrandom::fill(&mut label).map_err(|e| anyhow::anyhow!("the system gave no random bytes: {e}"))?;
        let label: String = label.iter().map(|b| format!("{b:02x}")).collect();
        deployment.world.catalog.users.blank(user, format!("{DELETED}{label}"));
    }
    if !users.is_empty() {
        deployment.state.set_catalog(&deployment.world.catalog)?;
    }
    Ok(())
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
    device: &Device,
    jobs: usize,
    progress: &Progress,
) -> Result<Forgotten> {
    let start = Instant::now();
    let removed = remove(deployment, request)?;
    blank_accounts(deployment, accounts)?;
    // A state that was never trained has nothing to retrain. One whose models
    // are all gone, by a request that was cut short, has everything.
    let waiting = if deployment.state.trained()? { waiting_shards(deployment)? } else { Vec::new() };
    let shards = train_shards(deployment, &waiting, device, jobs, progress, false)?;
    let seconds = start.elapsed().as_secs_f64();
    let receipt = if removed > 0 || !shards.is_empty() {
        Some(write_receipt(deployment, removed, &shards, device)?)
    } else {
        None
    };
    Ok(Forgotten { removed, shards, seconds, receipt })
}

fn write_receipt(deployment: &Deployment, removed: u64, shards: &[Trained], device: &Device) -> Result<Receipt> {
    let mut statements = Vec::new();
    for trained in shards {
        if let Some(live) = deployment.state.live(trained.shard)? {
            let (nonce, salt) = (&live.nonce.0, &live.salt.0);
            statements.push(ShardStatement::new(
                live.shard,
                live.version,
                &live.model_blake3,
                &live.input_hash,
                nonce,
                salt,
            ));
        }
    }
    let receipt = Receipt {
        format: 1,
        removed,
        shards: statements,
        config_blake3: config_blake3(&deployment.settings.config),
        fingerprint: Fingerprint::of(device),
        statement: STATEMENT.to_owned(),
    };
    deployment.state.append_receipt(&serde_json::to_string(&receipt)?)?;
    Ok(receipt)
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
