//! What an operator chooses: threads of this process, a command, or a cluster.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use eemu_core::tensor::Device;
use serde::Deserialize;

use super::{Commands, Launcher, Threads};
use crate::cli::numbers::count;
use crate::pool::default_jobs;
use crate::signals::asked_twice_at_most;
use crate::store::State;

/// Where shards are trained.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Launch {
    /// In this process.
    #[default]
    Threads,
    /// By a command of the shell, in which names in braces are replaced.
    Command(String),
    /// By Jobs of a Kubernetes cluster, with the settings in this file.
    Kubernetes(PathBuf),
}

impl Launch {
    /// Whether one run is for all shards that wait.
    #[must_use]
    pub fn is_of_many(&self) -> bool {
        match self {
            Self::Threads => false,
            Self::Command(command) => command.contains("{indices}"),
            Self::Kubernetes(_) => true,
        }
    }
}

impl FromStr for Launch {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "threads" {
            return Ok(Self::Threads);
        }
        if let Some(file) = text.strip_prefix("kubernetes=").filter(|file| !file.is_empty()) {
            return Ok(Self::Kubernetes(file.into()));
        }
        if text.trim_end_matches('=') == "kubernetes" {
            return Err("kubernetes needs its settings; write kubernetes=FILE, with the image in it".to_owned());
        }
        let Some(command) = text.strip_prefix("command=") else {
            return Err(format!("'{text}' is no launcher; write threads, command=COMMAND, or kubernetes=FILE"));
        };
        let has = |name: &str| command.contains(name);
        if has("{indices}") && (has("{input}") || has("{output}")) {
            return Err(format!(
                "'{command}' is one run for all shards, so it cannot name {{input}} or {{output}} of one; leave them \
                 out, or {{indices}}"
            ));
        }
        if (has("{input}") && has("{output}")) || (has("{dir}") && has("{indices}")) {
            Ok(Self::Command(command.to_owned()))
        } else {
            Err(format!(
                "'{command}' must name {{input}} and {{output}}, for a run a shard, or {{dir}} and {{indices}}, for \
                 one run for all shards"
            ))
        }
    }
}

impl TryFrom<String> for Launch {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl Display for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads => f.write_str("threads"),
            Self::Command(command) => write!(f, "command={command}"),
            Self::Kubernetes(file) => write!(f, "kubernetes={}", file.display()),
        }
    }
}

/// The options of a launcher.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct LaunchOptions {
    /// Where shards are trained: threads of this process, or a command that is
    /// run for each: command='srun eemu shard train {input} --out {output}'.
    /// It also may name {shard} and {name}; with {dir} and {indices} it is run
    /// once for all shards. --jobs says how many run at once. Or Jobs of a
    /// Kubernetes cluster: kubernetes=FILE, with its settings in that file.
    #[arg(long, value_name = "HOW", env = "EEMU_LAUNCH", default_value_t)]
    pub launch: Launch,
    /// Folder of what a command needs, which it must see too where it runs; in
    /// the state's directory when left out. It holds people's records while
    /// their shards train.
    #[arg(long, value_name = "DIR", env = "EEMU_LAUNCH_DIR")]
    pub launch_dir: Option<PathBuf>,
    /// How often a command, or a pod, is run for a shard at most: again after
    /// exit code 75, and after a signal.
    #[arg(long, value_name = "N", env = "EEMU_LAUNCH_TRIES", default_value_t = TRIES, value_parser = count)]
    pub launch_tries: usize,
}

/// The default number of runs of a command for one shard.
pub(crate) const TRIES: usize = 3;

impl Default for LaunchOptions {
    fn default() -> Self {
        Self { launch: Launch::Threads, launch_dir: None, launch_tries: TRIES }
    }
}

impl LaunchOptions {
    /// Opens the launcher, for shards of a state that this process writes to.
    ///
    /// # Errors
    /// When the folder, the bucket or the cluster cannot be used.
    pub fn open(&self, state: &State, device: &Device) -> Result<Arc<dyn Launcher>> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        self.open_until(state, device, &NEVER)
    }

    /// As [`LaunchOptions::open`], for a program that ends when it receives a signal, and
    /// then ends the commands that it runs.
    ///
    /// # Errors
    /// When the folder, the bucket or the cluster cannot be used, or the system
    /// gives no signals.
    pub(crate) fn open_here(&self, state: &State, device: &Device) -> Result<Arc<dyn Launcher>> {
        if self.launch == Launch::Threads {
            return self.open(state, device);
        }
        let asked = asked_twice_at_most(Duration::from_secs(60), || std::process::exit(130))?;
        self.open_until(state, device, asked)
    }

    fn open_until(&self, state: &State, device: &Device, asked: &'static AtomicBool) -> Result<Arc<dyn Launcher>> {
        Ok(match &self.launch {
            Launch::Threads => Arc::new(Threads::new(device)),
            Launch::Command(command) => {
                let root = state.launch_from(self.launch_dir.as_deref())?;
                Arc::new(Commands::new(command, &root, self.launch_tries, asked))
            }
            Launch::Kubernetes(_) if self.launch_dir.is_some() => {
                bail!(
                    "a cluster's pods see no folder of this machine; leave --launch-dir out, and name a bucket in the \
                       launcher's settings"
                )
            }
            Launch::Kubernetes(file) => kubernetes(file, state, self.launch_tries, asked)?,
        })
    }

    /// The number of shards that are trained at once by default: all of them where one run
    /// is for many.
    #[must_use]
    pub fn jobs(&self, asked: Option<usize>) -> usize {
        asked.unwrap_or_else(|| if self.launch.is_of_many() { usize::MAX } else { default_jobs() })
    }
}

#[cfg(feature = "kubernetes")]
fn kubernetes(file: &Path, state: &State, tries: usize, asked: &'static AtomicBool) -> Result<Arc<dyn Launcher>> {
    Ok(Arc::new(super::kubernetes::Kubernetes::open(file, state, tries, asked)?))
}

#[cfg(not(feature = "kubernetes"))]
fn kubernetes(_: &Path, _: &State, _: usize, _: &'static AtomicBool) -> Result<Arc<dyn Launcher>> {
    bail!("this eemu was built without Kubernetes; build it with `cargo build --features eemu-server/kubernetes`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_what_it_works_on() {
        let one: Launch = "command=train {input} {output}".parse().unwrap();
        assert!(!one.is_of_many());
        assert_eq!(one.to_string().parse(), Ok(one));
        let many: Launch = "command=sbatch --array={indices} job {dir}".parse().unwrap();
        assert!(many.is_of_many());
        for wrong in [
            "command=train {input}",
            "command=",
            "slurm",
            "command={dir}",
            "command={input} {output} {indices}",
            "command={dir} {indices} {output}",
            "kubernetes",
            "kubernetes=",
        ] {
            assert!(wrong.parse::<Launch>().is_err(), "{wrong}");
        }
        assert_eq!("threads".parse(), Ok(Launch::Threads));
        let cluster: Launch = "kubernetes=k.toml".parse().unwrap();
        assert!(cluster.is_of_many());
        assert_eq!(cluster.to_string().parse(), Ok(cluster));
    }
}
