//! `eemu shard pack`, `eemu shard train`, `eemu shard adopt`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eemu_core::counted;
use eemu_core::tensor::Device;
use serde_json::json;

use super::is_closed_pipe;
use super::{print_json, print_line};
use crate::cli::{AdoptArgs, PackArgs, ShardCommand, TrainInputArgs};
use crate::deployment::Deployment;
use crate::device;
use crate::forgetting::{answer_waiting, waiting_shards};
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::signals::asked_twice_at_most;
use crate::store::{Access, private_folder};
use crate::training::{Bars, Trained, adopt};
use crate::unit::{
    Beside, Follower, Input, Made, Place, TRY_AGAIN, TrainedModel, Unit, WhileThere, Wish, may_pass, refuse,
    refuse_nothing, sweep_halves,
};

/// Exit code when some models were refused; the others were adopted.
const SOME_REFUSED: u8 = 2;

/// How long the current epoch may still take when the process is asked to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two questions to a bucket whether an input is there still.
const ASK: Duration = Duration::from_secs(2);

pub(crate) fn run(command: &ShardCommand) -> Result<ExitCode> {
    match command {
        ShardCommand::Pack(args) => pack(args),
        ShardCommand::Train(args) => train(args),
        ShardCommand::Adopt(args) => adopt_all(args),
    }
}

fn pack(args: &PackArgs) -> Result<ExitCode> {
    let deployment = Deployment::open_away(args.state.location(), Access::Read)?;
    let count = deployment.dataset.config.train.shards;
    let shards: Vec<u32> = match args.shard {
        Some(shard) if shard >= count => bail!("there is no shard {shard}; give one from 0 to {}", count - 1),
        Some(shard) => vec![shard],
        None if args.waiting => waiting_shards(&deployment)?,
        None => (0..count).collect(),
    };
    // An existing folder keeps its permissions. The files can be read by their owner alone
    // in either case.
    if args.shard.is_none() && !args.out.is_dir() {
        private_folder(&args.out)?;
    }
    let (mut inputs, mut lines) = (Vec::new(), Vec::new());
    for shard in shards {
        let path = if args.shard.is_some() { args.out.clone() } else { args.out.join(format!("shard-{shard}.input")) };
        sweep_halves(&path)?;
        let unit = Unit::of(&deployment.shard_at_hand(shard)?, shard)?;
        let name = hex::encode(Input::write(&unit, &path)?);
        let (people, records) = (unit.data.cells.len(), unit.data.len());
        let held = counted(records as u64, "record");
        lines.push(format!("shard {shard}: {held} of {people} people: {} ({name})", path.display()));
        inputs.push(json!({"shard": shard, "file": path, "name": name, "people": people, "records": records}));
    }
    if args.json {
        print_json(&json!({"inputs": inputs}))?;
    } else {
        lines.iter().try_for_each(|line| print_line(line))?;
        print_line("these files hold people's records and the deployment's seed; delete them once models are adopted")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One input of those that the arguments name, and where its model goes.
struct Work<'a> {
    args: &'a TrainInputArgs,
    input: Place,
    out: Place,
}

impl<'a> Work<'a> {
    fn of(args: &'a TrainInputArgs) -> Result<Self> {
        let input = match (args.input.as_slice(), args.index) {
            ([input], None) => input,
            (inputs, Some(index)) => inputs.get(index).with_context(|| {
                let count = inputs.len();
                format!("--index {index} is none of {count} inputs; give one from 0 to {}", count.saturating_sub(1))
            })?,
            (_, None) => bail!("several inputs are named; say which one with --index, or name one"),
        };
        let input = Place::named(input)?;
        let out = match &args.out {
            Some(_) if args.input.len() > 1 => {
                bail!("--out is one file, and several inputs are named; leave it out, or name one input")
            }
            Some(out) => Place::named(out)?,
            None => input.of_model().context("the input is a file, so say where the model goes with --out")?,
        };
        Ok(Self { args, input, out })
    }
}

fn train(args: &TrainInputArgs) -> Result<ExitCode> {
    let work = Work::of(args)?;
    let file = work.input.file();
    if work.input.is_object() {
        check_object(&work)?;
    } else if file.is_some_and(Path::exists) {
        check_out(&work)?;
    }
    // Whoever watches a bucket has the exit code.
    if let Some(out) = work.out.file() {
        refuse_nothing(out);
    }
    let input = input_at(&work);
    let name = input.as_ref().ok().map(|input| input.name);
    // Of a withdrawn input nothing is left, not even why; another in its place
    // has its own say.
    let stands = || name.map_or_else(|| file.is_some_and(Path::exists), |name| Input::is_at(&work.input, &name));
    match input.and_then(|input| train_input(&work, input)) {
        Err(problem) if may_pass(&problem) => {
            eprintln!("error: {problem:#}; run it again to go on");
            Ok(ExitCode::from(TRY_AGAIN))
        }
        Err(problem) => {
            if let Some(out) = work.out.file()
                && stands()
                && !is_closed_pipe(&problem)
            {
                refuse(out, &problem);
            }
            Err(problem)
        }
        done => done,
    }
}

fn input_at(work: &Work<'_>) -> Result<Input> {
    match &work.input {
        Place::File(path) => Input::read(path),
        place @ Place::Object { .. } => {
            let Some(bytes) = place.read()? else {
                // An earlier run that was killed right after it wrote one could not look again.
                Beside::at(&work.out, Duration::ZERO).clear()?;
                return Err(anyhow::Error::msg(withdrawn_by_now(place)));
            };
            Input::of(bytes, &place.shown())
        }
    }
}

fn withdrawn_by_now(input: &Place) -> String {
    let shown = input.shown();
    format!("{shown} is gone, so the model is not wanted any more; write it again with `eemu shard pack` if it is")
}

/// What is written beside an output, and the output.
const ENDINGS: [&str; 3] = ["", ".checkpoint", ".refused"];

/// Whether nothing is written over an input that is in a bucket.
fn check_object(work: &Work<'_>) -> Result<()> {
    if ENDINGS.iter().any(|ending| work.out.beside(ending).is(&work.input)) {
        let (out, shown) = (work.out.shown(), work.input.shown());
        bail!("--out {out} would be written over the input {shown}; name another object");
    }
    Ok(())
}

/// Whether the output can be written at the end, over nothing that is read.
fn check_out(work: &Work<'_>) -> Result<()> {
    let (Some(input), Some(path)) = (work.input.file(), work.out.file()) else { return Ok(()) };
    let (shown, out) = (input.display(), path.display());
    if path.is_dir() || path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        bail!("--out {out} is a folder; name a file, such as shard-0.model, in a folder that is there");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("--out {out} is in a folder that is not there; make the folder, or name a file in another");
    }
    let whole = input.canonicalize()?;
    for ending in ENDINGS {
        let beside = work.out.beside(ending);
        if beside.file().is_some_and(|path| path.canonicalize().is_ok_and(|beside| beside == whole)) {
            bail!("--out {out} would be written over the input {shown}; name another file");
        }
    }
    Ok(())
}

fn train_input(work: &Work<'_>, Input { name, unit }: Input) -> Result<ExitCode> {
    let (args, input, out) = (work.args, &work.input, &work.out);
    let device = device::open(args.device)?;
    let keeper = Beside::at(out, Duration::from_secs(args.checkpoint_every));
    let kept = WhileThere { beside: &keeper, input, name: &name };
    for place in [out, keeper.place()] {
        place.sweep_halves()?;
    }
    let (shard, progress) = (unit.shard(), Progress::new(args.quiet));
    if let Some(made) = made_already(out, &name, &unit, &device)? {
        keeper.clear()?;
        return report(work, shard, &name, &made, false);
    }
    let asked = asked_twice_at_most(PATIENCE, || {
        eprintln!("interrupted before the epoch's end; the last checkpoint stays: run it again to go on");
        std::process::exit(i32::from(TRY_AGAIN));
    })?;
    let bars = Bars::new(&progress, &format!("shard {shard}"), unit.config.train.epochs);
    let follower = Standing { bars, asked, input, name, looked: Mutex::new(None) };
    let threads = args.threads.unwrap_or_else(default_jobs);
    let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let threads = threads.context("the system gave no threads; try fewer with --threads")?;
    let made = threads.install(|| unit.train(&device, &kept, &follower))?;
    let withdrawn = || -> Result<ExitCode> {
        if input.head(1)?.is_some() {
            let shown = input.shown();
            // The checkpoint may be that of whoever trains the other by now.
            bail!("{shown} was replaced by another input, so this model is not wanted any more; train the other")
        }
        keeper.clear()?;
        Err(anyhow::Error::msg(withdrawn_by_now(input)))
    };
    let Some(made) = made else {
        if !Input::is_at(input, &name) {
            return withdrawn();
        }
        eprintln!("interrupted; what was trained is kept in {}: run it again to go on", keeper.place().shown());
        return Ok(ExitCode::from(TRY_AGAIN));
    };
    follower.bars.finish(made.seconds);
    if !Input::is_at(input, &name) {
        return withdrawn();
    }
    let model = TrainedModel { shard, input: name, made };
    out.write(&model.bytes()?)?;
    // Between the last look and this file somebody may have withdrawn it.
    if !Input::is_at(input, &name) {
        if model_at(out).is_some_and(|found| found.input == name) {
            out.delete().context("cannot delete a model that is not wanted any more")?;
        }
        return withdrawn();
    }
    keeper.clear()?;
    report(work, shard, &name, &model.made, true)
}

/// The model that is there, if it is whole.
fn model_at(place: &Place) -> Option<TrainedModel> {
    TrainedModel::of(place.read().ok()??, &place.shown()).ok()
}

/// What an earlier run made of the same input on such a machine.
fn made_already(out: &Place, name: &[u8; 32], unit: &Unit, device: &Device) -> Result<Option<Made>> {
    let here = serde_json::to_string(&eemu_core::fingerprint::Fingerprint::of(device))?;
    let found = model_at(out).filter(|model| model.input == *name);
    Ok(found.map(|model| model.made).filter(|made| made.input_hash == unit.input(&here)))
}

fn report(work: &Work<'_>, shard: u32, name: &[u8; 32], made: &Made, fresh: bool) -> Result<ExitCode> {
    if work.args.json {
        print_json(&json!({
            "shard": shard,
            "input": hex::encode(name),
            "model_blake3": made.model_blake3,
            "losses": made.losses,
            "seconds": made.seconds,
            "trained": fresh,
        }))?;
    } else {
        let how = if fresh { format!("trained in {:.1} s", made.seconds) } else { "was trained already".to_owned() };
        print_line(&format!("shard {shard} {how}: {}", work.out.shown()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Observes a training: the model is wanted as long as its input file exists.
struct Standing<'a> {
    bars: Bars<'a>,
    asked: &'static AtomicBool,
    input: &'a Place,
    name: [u8; 32],
    /// When a bucket was last asked, and whether the input was there.
    looked: Mutex<Option<(Instant, bool)>>,
}

impl Standing<'_> {
    /// A bucket is asked now and then, and at the end.
    fn is_wanted(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        match *looked {
            Some((when, wanted)) if self.input.is_object() && when.elapsed() < ASK => wanted,
            _ => looked.insert((Instant::now(), Input::is_at(self.input, &self.name))).1,
        }
    }
}

impl Follower for Standing<'_> {
    fn started(&self, shard: u32, done: u32, epochs: u32) {
        self.bars.started(shard, done, epochs);
    }

    fn progress(&self, shard: u32, done: u32, share: f64, loss: Option<f32>) {
        self.bars.progress(shard, done, share, loss);
    }

    fn wish(&self, _: u32) -> Wish {
        match (self.is_wanted(), self.asked.load(Ordering::SeqCst)) {
            (false, _) => Wish::Drop,
            (true, true) => Wish::Checkpoint,
            (true, false) => Wish::GoOn,
        }
    }
}

fn adopt_all(args: &AdoptArgs) -> Result<ExitCode> {
    let deployment = Deployment::open_away(args.state.location(), Access::Write)?;
    let (mut adopted, mut refused): (Vec<Trained>, Vec<(PathBuf, String)>) = (Vec::new(), Vec::new());
    for path in &args.trained {
        match TrainedModel::read(path).and_then(|model| adopt(&deployment, model)) {
            Ok(trained) => adopted.push(trained),
            Err(problem) => refused.push((path.clone(), format!("{problem:#}"))),
        }
    }
    // A deletion that waited for these shards can get its receipt now.
    let answered = answer_waiting(&deployment, &device::cpu())?;
    for (path, why) in &refused {
        eprintln!("not adopted: {}: {why}", path.display());
    }
    if args.json {
        let shards: Vec<_> = adopted
            .iter()
            .map(|t| json!({"shard": t.shard, "version": t.version, "adopted": t.fresh, "seconds": t.seconds}))
            .collect();
        let refused: Vec<_> = refused.iter().map(|(path, why)| json!({"file": path, "why": why})).collect();
        let receipt = answered.as_ref().map(|(_, receipt)| receipt);
        print_json(&json!({"shards": shards, "refused": refused, "receipt": receipt}))?;
    } else {
        for one in &adopted {
            let what = if one.fresh { "adopted" } else { "had a current model already" };
            print_line(&format!("shard {} {what}; its version is {}", one.shard, one.version))?;
        }
        if let Some((_, receipt)) = &answered {
            let removed = counted(receipt.removed, "record");
            print_line(&format!("receipt written: it answers the removal of {removed}"))?;
        }
    }
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
}
