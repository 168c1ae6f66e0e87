//! Whoever watches a computation: hears how far it is, and may stop it.

use super::protocol::Progress;
use crate::say::told;

/// What can end a computation early.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Somebody asked for it.
    #[error("stopped")]
    Stopped,
    /// Core refused.
    #[error(transparent)]
    Core(#[from] eemu_core::Error),
    /// A table cannot be used.
    #[error(transparent)]
    Table(#[from] crate::csv_file::TableFault),
    /// The link's table is not open.
    #[error("{}", told!("l-this-link-belongs-to"))]
    NoTable,
    /// What is asked for makes no sense here; a sentence with a next step.
    #[error("{0}")]
    Sentence(String),
}

/// A watcher. The Lab has no clock and no event loop of its own.
#[allow(async_fn_in_trait)]
pub trait Watch {
    /// How far the computation is.
    fn tell(&mut self, progress: Progress);

    /// Milliseconds since any fixed moment.
    fn now(&self) -> f64;

    /// Called within long work: lets messages in.
    ///
    /// # Errors
    /// [`Halt::Stopped`] when the computation is to end.
    async fn breathe(&mut self) -> Result<(), Halt>;

    /// Called between two epochs: lets messages in, and holds on while paused.
    ///
    /// # Errors
    /// [`Halt::Stopped`] when the computation is to end.
    async fn pause(&mut self) -> Result<(), Halt>;
}

/// A part of a longer computation: its progress is a share of the whole.
pub(super) struct Part<'a, W> {
    /// Who watches the whole.
    pub(super) whole: &'a mut W,
    /// What is under way, for people.
    pub(super) phase: String,
    /// Where it begins, 0 to 1.
    pub(super) from: f64,
    /// How much of the whole it is.
    pub(super) share: f64,
}

impl<W: Watch> Watch for Part<'_, W> {
    fn tell(&mut self, progress: Progress) {
        let share = self.from + progress.share * self.share;
        self.whole.tell(Progress { phase: self.phase.clone(), share, losses: Vec::new() });
    }

    fn now(&self) -> f64 {
        self.whole.now()
    }

    async fn breathe(&mut self) -> Result<(), Halt> {
        self.whole.breathe().await
    }

    async fn pause(&mut self) -> Result<(), Halt> {
        self.whole.pause().await
    }
}

/// Nobody watches, and no time passes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn tell(&mut self, _: Progress) {}

    fn now(&self) -> f64 {
        0.0
    }

    async fn breathe(&mut self) -> Result<(), Halt> {
        Ok(())
    }

    async fn pause(&mut self) -> Result<(), Halt> {
        Ok(())
    }
}
