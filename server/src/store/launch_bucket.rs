//! What shards need that are trained far away, in a bucket: a shard's input
//! with its records, its checkpoint and its model lie there meanwhile.
//!
//! Each is named by shard and version (`3.17.input`), under a prefix of this
//! state's own. An input is written while nobody else may change the state,
//! and only for the records that the shard has then; so whoever changes it
//! later finds the input. What is of another version is removed with the
//! erasure of what was deleted, before that is acknowledged; whoever trains
//! from it finds its input gone, and ends.

use std::path::Path;

use super::bucket::Bucket;
use super::database::{Db, quietly};
use super::error::{Result, StoreError};
use super::models::{self, Shard, Ticket};
use super::place::{DEPLOYMENT, deployment};
use super::schema::{clear_meta, meta, set_meta};
use super::{State, launched};

/// Where the objects are while there may be any, and whose they are.
pub(super) const NOTE: &str = "launch-bucket";
/// Set once records were in a bucket: what it keeps below its objects is its own.
const LOGICAL: &str = "launched-in-bucket";

/// What there is of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launched {
    /// Its packed input.
    Input,
    /// Training that is under way.
    Checkpoint,
    /// What came of it.
    Model,
}

impl Launched {
    const ALL: [Self; 3] = [Self::Input, Self::Checkpoint, Self::Model];

    /// The object of a shard as it is now, within the prefix.
    #[must_use]
    pub fn name(self, ticket: Ticket) -> String {
        let kind = match self {
            Self::Input => "input",
            // As beside any output.
            Self::Checkpoint => "model.checkpoint",
            Self::Model => "model",
        };
        format!("{}.{}.{kind}", ticket.shard, ticket.version)
    }
}

/// Where a state's shards are prepared for training far away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchPlace {
    /// `s3://bucket/prefix` of this state's own.
    pub prefix: String,
    /// Whose it is: 16 digits.
    pub owner: String,
}

/// Whose the objects are. A copy of a directory is another than the original.
async fn owner(db: &mut Db, dir: &Path) -> Result<Option<String>> {
    if !db.is_shared() {
        return launched::own(dir);
    }
    let known = meta(db, DEPLOYMENT).await?;
    Ok(known.map(|name| blake3::hash(name.as_bytes()).to_hex()[..16].to_owned()))
}

/// The prefix where objects of this state may be.
async fn noted(db: &mut Db, dir: &Path) -> Result<Option<String>> {
    let Some(note) = meta(db, NOTE).await? else { return Ok(None) };
    let owner = owner(db, dir).await?;
    Ok(owner.and_then(|owner| note.strip_prefix(&format!("{owner}\n")).map(str::to_owned)))
}

/// Whether objects may be there whose state ended without looking after them.
pub(super) async fn is_noted(db: &mut Db, dir: &Path) -> Result<bool> {
    Ok(noted(db, dir).await?.is_some())
}

/// Whether records of this state ever were in such a bucket.
pub(super) async fn was_used(db: &mut Db) -> Result<bool> {
    Ok(meta(db, LOGICAL).await?.is_some())
}

/// Objects of shards that have changed, and how many others there are.
fn outdated(names: Vec<String>, shards: &[Shard]) -> (Vec<String>, usize) {
    let is_current = |name: &String| {
        let mut parts = name.split('.').map(str::parse::<u64>);
        let (Some(Ok(shard)), Some(Ok(version))) = (parts.next(), parts.next()) else { return false };
        shards.iter().any(|s| u64::from(s.index) == shard && s.version == version)
    };
    let (current, outdated): (Vec<String>, Vec<String>) = names.into_iter().partition(is_current);
    (outdated, current.len())
}

/// Removes the objects of shards that have changed, while nobody else may
/// change the state. How many others there are; none where no bucket is noted.
///
/// The note stays even when nothing is left: whoever trains still may write once
/// more, and somebody has to look for that.
pub(super) async fn sweep(db: &mut Db, dir: &Path) -> Result<Option<usize>> {
    let Some(prefix) = noted(db, dir).await? else { return Ok(None) };
    let (bucket, shards) = (Bucket::open(&prefix)?, models::shards(db).await?);
    let (mut gone, mut left) = outdated(bucket.list_if_there().await?, &shards);
    if !gone.is_empty() {
        remove(&bucket, &gone).await?;
        // What was written before its input went is there by now. What is written later is
        // removed by whoever writes it.
        (gone, left) = outdated(bucket.list_if_there().await?, &shards);
        remove(&bucket, &gone).await?;
    }
    Ok(Some(left))
}

async fn remove(bucket: &Bucket, names: &[String]) -> Result<()> {
    for name in names {
        bucket.delete(name).await?;
    }
    Ok(())
}

/// Refuses to put anything at a place that is not the noted one. With `must`, a
/// place must be noted.
async fn check_place(db: &mut Db, dir: &Path, place: &LaunchPlace, must: bool) -> Result<()> {
    match noted(db, dir).await? {
        Some(other) if other != place.prefix => Err(StoreError::OtherLaunchBucket { place: other }),
        None if must => Err(StoreError::OtherLaunchBucket { place: "another bucket".into() }),
        _ => Ok(()),
    }
}

impl State {
    /// Where shards are prepared that are trained far away: under this place,
    /// or under `launch` in the bucket of the models. Whatever is at another
    /// place of before goes.
    ///
    /// # Errors
    /// When there is no such bucket, or it keeps what is deleted.
    pub fn launch_at(&self, place: Option<&str>) -> Result<LaunchPlace> {
        let models = || self.files.is_bucket().then(|| format!("{}/launch", self.files.shown()));
        let place = place.map(|place| place.trim_end_matches('/').to_owned()).or_else(models);
        let Some(place) = place else {
            return Err(StoreError::NoLaunchBucket);
        };
        self.write(async |db| {
            let owner = if db.is_shared() {
                deployment(db).await?;
                owner(db, self.dir()).await?.unwrap_or_default()
            } else {
                launched::owner_from_now_on(self.dir())?
            };
            let prefix = format!("{place}/eemu-{owner}");
            Bucket::open(&prefix)?.refuse_versions().await?;
            if let Some(old) = noted(db, self.dir()).await?.filter(|old| *old != prefix) {
                let bucket = Bucket::open(&old)?;
                remove(&bucket, &bucket.list_if_there().await?).await?;
                quietly(db, async |db| clear_meta(db, NOTE).await).await?;
            }
            Ok(LaunchPlace { prefix, owner })
        })
    }

    /// Puts the input of a shard there, for whoever trains it. It goes when the
    /// shard's records change, before that is acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Outdated`] as in [`State::publish`];
    /// [`StoreError::OtherLaunchBucket`] when another process uses another place.
    pub fn put_input(&self, ticket: Ticket, place: &LaunchPlace, bytes: &[u8]) -> Result<()> {
        self.logical.store(true, std::sync::atomic::Ordering::SeqCst);
        self.write(async |db| {
            let noted = async |db: &mut Db| {
                models::check(db, ticket).await?;
                check_place(db, self.dir(), place, false).await?;
                set_meta(db, LOGICAL, "1").await?;
                set_meta(db, NOTE, &format!("{}\n{}", place.owner, place.prefix)).await
            };
            quietly(db, noted).await?;
            let bucket = Bucket::open(&place.prefix)?;
            let put = async |db: &mut Db| {
                models::check(db, ticket).await?;
                check_place(db, self.dir(), place, true).await?;
                bucket.write(&Launched::Input.name(ticket), bytes).await
            };
            quietly(db, put).await
        })
    }

    /// What is there of a shard.
    ///
    /// # Errors
    /// When the bucket refuses.
    pub fn launched(&self, ticket: Ticket, place: &LaunchPlace, what: Launched) -> Result<Option<Vec<u8>>> {
        super::Objects::open(&place.prefix)?.read(&what.name(ticket))
    }

    /// What is there of a shard is not needed any more; with `kept`, that
    /// alone is.
    ///
    /// # Errors
    /// When the bucket refuses.
    pub fn end_launched(&self, ticket: Ticket, place: &LaunchPlace, kept: Option<Launched>) -> Result<()> {
        let objects = super::Objects::open(&place.prefix)?;
        for what in Launched::ALL.into_iter().filter(|what| Some(*what) != kept) {
            objects.delete(&what.name(ticket))?;
        }
        if self.is_shared() {
            return Ok(());
        }
        self.write(async |db| {
            // With nothing left there, and this Job gone, nobody need ask the bucket again.
            if sweep(db, self.dir()).await? == Some(0) {
                clear_meta(db, NOTE).await?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_of_one_version() {
        let shard = |index, version| Shard { index, version, stale: false, live: None };
        let names = ["3.17.input", "3.16.model", "4.17.input", "3.17.model.checkpoint", "else", "3.x.input"];
        let (gone, left) = outdated(names.map(str::to_owned).to_vec(), &[shard(3, 17), shard(4, 18)]);
        assert_eq!(gone, ["3.16.model", "4.17.input", "else", "3.x.input"]);
        assert_eq!(left, 2);
        let ticket = Ticket { shard: 3, version: 17 };
        assert_eq!(Launched::Input.name(ticket), "3.17.input");
        assert_eq!(Launched::Checkpoint.name(ticket), "3.17.model.checkpoint");
    }
}
