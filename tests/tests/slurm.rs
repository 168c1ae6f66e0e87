//! Shards on a real Slurm of one node: two at a time, one cancelled, the node
//! drained and resumed, one beyond its time limit. The bytes equal those of one
//! process.
//!
//! Debian's slurm-wlm and munge, started here as root without cgroups.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eemu_server::deployment::Deployment;
use eemu_server::store::Access;
use eemu_tests::command::{done, text};
use eemu_tests::program;
use eemu_tests::reading::{Shop, files};
use tempfile::TempDir;

/// A cluster of this machine alone.
struct Cluster {
    dir: TempDir,
}

/// Runs a program that must succeed, and returns its output.
fn output(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(what: &str, limit: u64, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(limit), "{what} never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Cluster {
    fn start() -> Self {
        // Paths of sockets must be short.
        let dir = tempfile::Builder::new().prefix("slurm").tempdir_in("/tmp").unwrap();
        let cluster = Self { dir };
        let (at, host) = (text(cluster.dir.path()), output(Command::new("hostname").arg("-s")));
        let host = host.trim();
        for folder in ["spool", "state"] {
            fs::create_dir(cluster.path(folder)).unwrap();
        }
        let key = cluster.path("munge.key");
        fs::write(&key, blake3::hash(at.as_bytes()).to_hex().repeat(8)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let settings = format!(
            "ClusterName=eemu\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nSlurmdPort={}\nAuthType=auth/munge\n\
             AuthInfo=socket={at}/munge.sock\nCredType=cred/munge\nSlurmUser=root\nSlurmdUser=root\n\
             StateSaveLocation={at}/state\nSlurmdSpoolDir={at}/spool\nSlurmctldPidFile={at}/slurmctld.pid\n\
             SlurmdPidFile={at}/slurmd.pid\nSlurmctldLogFile={at}/slurmctld.log\nSlurmdLogFile={at}/slurmd.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n\
             JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nSchedulerParameters=bf_interval=1\n\
             ReturnToService=2\nKillWait=20\nSlurmdParameters=config_overrides\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 State=UNKNOWN\n\
             PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP\n",
            free_port(),
            free_port(),
        );
        fs::write(cluster.path("slurm.conf"), settings).unwrap();
        let munged = ["key-file=munge.key", "socket=munge.sock", "pid-file=munged.pid", "log-file=munge.log"];
        let munged = munged.iter().chain(&["seed-file=munge.seed"]);
        let flags =
            munged.map(|flag| flag.split_once('=').unwrap()).map(|(flag, file)| format!("--{flag}={at}/{file}"));
        output(Command::new("munged").arg("--force").args(flags));
        for daemon in ["slurmctld", "slurmd"] {
            output(&mut cluster.command(daemon, &["-f", text(&cluster.path("slurm.conf"))]));
        }
        wait_for("the node", 30, || cluster.nodes() == "idle");
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    /// The state of the node.
    fn nodes(&self) -> String {
        let said = self.command("sinfo", &["--noheader", "--format=%T"]).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// Sets the state of the node.
    fn node(&self, state: &str) {
        let host = output(Command::new("hostname").arg("-s"));
        let name = format!("nodename={}", host.trim());
        output(&mut self.command("scontrol", &["update", &name, &format!("state={state}"), "reason=test"]));
    }

    /// Starts `eemu train` with commands that find this cluster and the
    /// program.
    fn train(&self, state: &Path, folder: &Path, how: &str, jobs: &[&str]) -> Child {
        let eemu = program().unwrap();
        let path = format!("{}:{}", text(eemu.parent().unwrap()), std::env::var("PATH").unwrap());
        let args = ["train", "--state", text(state), "--launch", how, "--launch-dir", text(folder)];
        let mut command = self.command(text(&eemu), &args);
        command.args(jobs).env("PATH", path).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command("scancel", &["--user=root"]).output();
        for daemon in ["slurmd", "slurmctld", "munged"] {
            if let Ok(id) = fs::read_to_string(self.path(&format!("{daemon}.pid"))) {
                let _ = Command::new("kill").arg(id.trim()).status();
            }
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Eight shards, and the largest of them, which are to be disturbed.
fn eight(shop: &Shop) -> (PathBuf, PathBuf, Vec<u32>) {
    let here = shop.trained("here", &["--shards", "8", "--epochs", "600"]);
    let deployment = Deployment::open(&here, Access::Read).unwrap();
    let mut shards = deployment.dataset.shards();
    shards.sort_by_key(|data| std::cmp::Reverse(data.len()));
    let largest = shards.iter().map(|data| data.index).take(2).collect();
    drop(deployment);
    let there = shop.untrained(&here, "there");
    (here, there, largest)
}

fn succeeded(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// A job array: the distributed script, held back for two shards in its first
/// run.
#[test]
fn shards_train_as_an_array_and_one_by_one() {
    let shop = Shop::new();
    let cluster = Cluster::start();
    let (here, there, held) = eight(&shop);
    let (cancelled, limited) = (held[0], held[1]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/slurm/train.sbatch");
    let wrapped = shop.path("wrapped.sbatch");
    let at = shop.path("");
    let body = format!(
        r#"#!/bin/sh
here={}
shard=$SLURM_ARRAY_TASK_ID
echo x >> $here/ran-$shard
squeue --noheader --states=RUNNING --array | wc -l >> $here/at-once
own="$1/$shard"
if [ $(wc -l < $here/ran-$shard) = 1 ]; then
    if [ $shard = {cancelled} ]; then
        echo $SLURM_ARRAY_JOB_ID > $here/job
        sleep 300
    elif [ $shard = {limited} ]; then
        # As slow as a large shard: it stands still until it is asked to end.
        eemu shard train $own/input --out $own/model --checkpoint-every 0 --quiet &
        train=$!
        while [ ! -e $own/model.checkpoint ]; do sleep 0.01; done
        kill -STOP $train
        trap 'date >> $here/asked; kill -CONT $train; kill -TERM $train; wait $train; echo $? > $here/code; exit 75' TERM
        while :; do sleep 0.1; done
    fi
fi
[ $shard = {limited} ] && [ -e $own/model.checkpoint ] && touch $here/resumed
exec sh {} "$@"
"#,
        text(&at),
        text(&script),
    );
    fs::write(&wrapped, body).unwrap();
    let flags = "--cpus-per-task=1 --mem=100 --time=1 --output=/dev/null";
    let how = format!("command=sbatch --wait --array={{indices}}%2 {flags} {} {{dir}}", text(&wrapped));
    let train = cluster.train(&there, &shop.path("shared"), &how, &[]);
    let ran = |shard: u32| fs::read_to_string(shop.path(&format!("ran-{shard}"))).map_or(0, |t| t.lines().count());
    let begun = || (0..8).filter(|&shard| ran(shard) > 0).count();

    wait_for("the shard that is cancelled", 60, || shop.path("job").exists());
    cluster.node("drain");
    // Running jobs continue, and no new one starts.
    wait_for("the others' end", 60, || begun() == 8 || cluster.nodes().starts_with("drain"));
    std::thread::sleep(Duration::from_secs(2));
    let before = begun();
    let job = fs::read_to_string(shop.path("job")).unwrap();
    output(&mut cluster.command("scancel", &[&format!("{}_{cancelled}", job.trim())]));
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(begun(), before, "a shard began on a drained node");
    cluster.node("resume");

    let said = succeeded(train);
    assert_eq!(said.matches("is tried again").count(), 2, "{said}");
    assert!(shop.path("asked").exists(), "the time limit asked nobody to end");
    assert_eq!(fs::read_to_string(shop.path("code")).unwrap().trim(), "75");
    assert!(shop.path("resumed").exists(), "the checkpoint was lost");
    for shard in 0..8 {
        assert_eq!(ran(shard), if held.contains(&shard) { 2 } else { 1 }, "shard {shard}");
    }
    let at_once = fs::read_to_string(shop.path("at-once")).unwrap();
    assert_eq!(at_once.lines().map(|line| line.trim().parse::<u32>().unwrap()).max(), Some(2));
    assert_eq!(files(&here), files(&there));
    done(&["verify", "--state", text(&there), "--quiet"], &[]);

    // One job for each shard: a cancelled step is tried again too.
    let there = shop.untrained(&here, "again");
    let run = format!("sh {} {{input}} {{output}}", text(&shop.path("held")));
    let held = format!(
        "here={}\necho x >> $here/steps\n[ $(wc -l < $here/steps) = 1 ] && {{ touch $here/sleeps; sleep 300; }}\n\
         exec eemu shard train \"$1\" --out \"$2\" --quiet\n",
        text(&at)
    );
    fs::write(shop.path("held"), held).unwrap();
    let how = format!("command=srun --ntasks=1 --job-name={{name}} {run}");
    let train = cluster.train(&there, &shop.path("shared"), &how, &["--jobs", "2"]);
    wait_for("the step that is cancelled", 60, || shop.path("sleeps").exists());
    let jobs = output(&mut cluster.command("squeue", &["--noheader", "--format=%i", "--sort=i"]));
    output(&mut cluster.command("scancel", &jobs.split_whitespace().collect::<Vec<_>>()));
    let said = succeeded(train);
    assert!(said.contains("is tried again"), "{said}");
    assert_eq!(files(&here), files(&there));
}
