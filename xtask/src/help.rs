//! The help texts: the list of commands, and a page for each.

use std::process::ExitCode;

use crate::Outcome;

pub(crate) const OVERVIEW: &str = "\
Developer commands of eemu. New here? Run `cargo xtask demo`, then read the README.

  cargo xtask demo        build, then the whole story in a terminal: train, recommend, forget, prove
  cargo xtask test        everything that has to hold before a change is merged
  cargo xtask check       the cheap part of it, for while you write
  cargo xtask golden      compare with hand-checked answers, printed as one worst error
  cargo xtask bench       speed beside the same in PyTorch
  cargo xtask bench-gpu   what a GPU is worth: shards, lists, a hundred million records
  cargo xtask bench-serve what serving costs: answers a second, deletions, memory
  cargo xtask bench-scale what a change costs a service as its data grow
  cargo xtask bench-web what the browser app costs: lists, bytes, waiting
  cargo xtask web         the browser app: built into dist/, and shown with --serve
  cargo xtask book        the book: its reference written anew, every link followed
  cargo xtask pictures    pictures of the pages, for the README and the book

`cargo xtask COMMAND --help` says what a command does, step by step.
Nothing here needs more than git, a C compiler and Rust; what wants another tool
says NOT RUN and what to install. Set CARGO_TARGET_DIR to build outside the checkout.
";

/// The page of one command, if there is such a command.
pub(crate) fn page(command: &str) -> Option<&'static str> {
    Some(match command {
        "demo" => {
            "\
cargo xtask demo [--open]

Builds the workspace and runs `eemu demo`: imports the built-in purchases, trains
8 shards, recommends, forgets one purchase, and compares what is left with a
system that never knew it. Under 3 minutes after the build on two cores.

  --open   also build the browser app, then serve the same state on a free port of
           this machine and open the page; without a screen its address is printed
"
        }
        "test" => {
            "\
cargo xtask test [--all] [--step NAME]...

Runs each of these, even when an earlier one fails, and times it:
  fmt      rustfmt changes nothing
  clippy   no lint speaks up, warnings count
  build    the whole workspace (when this fails, what follows is not run)
  tests    unit, property and end-to-end tests, and the examples in the documentation
  postgres the promises on PostgreSQL, with a server of its own (Debian's package
           postgresql) or the one that EEMU_TEST_POSTGRES names
  golden   the cases of tests/golden, each quantity within 1e-4
  docs     the documentation builds without a warning
  web      the browser app is built (`cargo xtask web`)
  browser  the app in a real Chromium, driven by chromedriver: both must be installed;
           one golden case on WebGPU (a software adapter)
  trunk    Trunk (crates.io) builds the same app                      (only with --all)
  fuzz     schemathesis (PyPI) against the API, expecting no fault    (only with --all)
  deploy   files for operators: hadolint (PyPI), promtool, systemd-analyze, and
           Kubernetes' own types; shards that a cluster of the tests trains
                                                                      (only with --all)
  book     mdBook (crates.io) builds the book, and no link leads nowhere (only with --all)
  words    typos (PyPI) finds no misspelling                          (only with --all)
  licences cargo-deny: licences, and where crates come from           (only with --all)
  moto     models in a bucket of moto, an S3 server from PyPI         (only with --all)
  slurm    shards on a real Slurm of one node; as root                (only with --all)
  clients  the Python client against a server: mypy, pytest (PyPI)    (only with --all)
  snippets the snippets of docs/clients.md as they stand: curl, Python, TypeScript
                                                       (only with --all; needs node)
  cuda     the core compiles for NVIDIA GPUs          (only with --all; needs no GPU)
  lavapipe golden cases, training and lists on native WebGPU: a GPU, or Mesa's
           software Vulkan (Debian's mesa-vulkan-drivers); its programs are built
           beside the others, in target/lavapipe                      (only with --all)
  wgpu     the core compiles for Vulkan, Metal, DX12  (only with --all; needs no GPU)

A part whose tool is missing is listed in the last lines as `NOT RUN: part: why`.

  --step   only the step of that name (several may be given), as --all runs it
  --all    also the long tests (sets EEMU_LONG=1), every golden case on a software
           WebGPU adapter, fuzz, moto and the two GPU builds. Of the long ones the loop of
           1,000 kills takes longest: it ends after 20 minutes if it is not through by
           then; EEMU_KILL_MINUTES=N gives it N (on PostgreSQL: 200 kills, as many minutes
           again at most)

Exit code: 0 when everything that ran passed. With CI set in the environment,
NOT RUN counts as a failure.
"
        }
        "check" => {
            "\
cargo xtask check

rustfmt, clippy, `cargo check`: the quickest first.
"
        }
        "golden" => {
            "\
cargo xtask golden [DIR] [--device cpu|cuda|wgpu]

Runs every case (*.json) of DIR, tests/golden unless given. A case holds parameters
and tasks, with float64 results computed the slow way: one user at a time, on a copy
of the model. Ends with `N cases, worst relative error X`.
"
        }
        "bench" => {
            "\
cargo xtask bench [--data DIR] [--device cpu|cuda|wgpu] [MORE ...]

Times training and adapted ranking on this machine, ours and then a peer's: for the
default model places and rankings a second beside the same model in PyTorch
(tests/peers/episodes.py), for `--model two-tower` and `--model paper` people a second
beside the loops that go one user at a time. With python3 and PyTorch at hand the
peers run on one core and on two (or on --threads); without, they are listed as NOT
RUN. Set EEMU_PYTHON to use another Python.

  --data DIR  a folder with ML-1M as atomic files; without it, the built-in data
  --device    where both sides compute; the GPU builds are made where asked for
  MORE        passed on: --threads N, --seconds S, --model default|two-tower|paper
"
        }
        "bench-gpu" => {
            "\
cargo xtask bench-gpu [--device cuda|wgpu|cpu] [--data DIR] [--seconds S] [--peak TFLOPS]
                      [--small] [--json]

One run of under 8 minutes after the build, without a network: large products, the
same bytes twice, one shard of ML-1M and all eight at once, everybody's lists, the
paper's model, an epoch of a shard of 100 million made-up records of a million items,
and the same model in PyTorch on the same device, where a Python has it.

  --device   cuda unless given; the build is made for it
  --data     a folder with ML-1M as atomic files; else made-up records of that shape
  --seconds  for all of it (420); a stage that runs out of its share stops after an
             epoch and says what it did
  --peak     what the device is said to reach in f32; else its own large products
  --small    a trial of the script, in a minute or two on any device
  --json     one JSON object a figure
"
        }
        "bench-serve" => {
            "\
cargo xtask bench-serve [--state DIR] [--seconds S] [--clients N] [--deletions N]
                        [--only alone,deletion,beside,absorbed,everything,endurance]
                        [--set KEY=VALUE]...

Serves a copy of a trained state over loopback and measures: recommendations a second
and their p99, alone and beside a retraining; seconds from a deletion to its
acknowledgement and to the published model; deletions an hour; memory. One JSON object
a figure. Without --state, a state of the built-in data is trained first, with the
small profile and every record in training. --set changes settings of the copy that
shape no model, such as adapt.size. Only where --only says endurance: for --seconds
(an hour is 3600) 50 lists a second, 5 deletions and 50 additions a minute; then every
receipt is checked and the state verified.
"
        }
        "bench-scale" => {
            "\
cargo xtask bench-scale [--records N,N,...] [--changes N] [--bulk N] [--at DIR]
                        [--postgres yes]
cargo xtask bench-scale --whole yes [--records N,N,...] [--items N] [--at DIR]

For each number of records (200000,2000000 if not said) makes a state of random ones,
a hundred a person, 20,000 items, eight shards with the default model, untrained;
serves it over loopback and measures: memory; the time to the answer and the bytes
written of single deletions, whole accounts and additions (--changes of each, 30);
records a second through bulk requests (--bulk, 100000). One JSON object a size. What
it made it deletes again; --at says where it lies meanwhile: 20 million records take
about 3 GB and ten minutes. With --postgres yes records are in a PostgreSQL server
that it starts (Debian's package postgresql).

With --whole yes the real command goes the whole way of a made-up table: import, pack
one shard, train it for one epoch, serve, delete one record; one JSON object a step,
with its seconds and its own process's memory at most. 100 million records take about
20 GB and an hour.
"
        }
        "bench-web" => {
            "\
cargo xtask bench-web [--state DIR] [--lists N] [--only native,cpu,lab,webgpu]

Builds the app, serves a copy of a trained state, and measures in headless Chromium
(chromium and chromedriver must be installed): a list with every shard adapted and the
whole catalogue ranked, natively, on the browser's CPU backend and on its WebGPU;
bytes of the first and the second visit; milliseconds to the first list; the longest
task of the page's thread, if one took over 50 ms; the Lab's training. One JSON object
a figure. Without --state, a state of the built-in data is trained first, with the
small profile and every record in training.
"
        }
        "web" => {
            "\
cargo xtask web [--serve]

Builds the browser app into dist/, which any static host can serve: sees to it that
rustc can compile for wasm32-unknown-unknown, compiles page, worker and the program
that ranks on WebGPU (by itself: only those who use it download it), writes their
bindings, names every file in the service worker, packs them with gzip and brotli, and
lists the sizes. Needs no tool besides Rust.

A missing target is added with rustup. Where rustup has no network, the standard
library is built once from the source that the toolchain's own rust-src component or
Debian's package rust-src holds, which must be of exactly rustc's version.

  --serve  then show it on http://127.0.0.1:8080/
"
        }
        "book" => {
            "\
cargo xtask book

Builds the book of docs/ into docs/book/: installs mdBook (crates.io, a pinned release)
the first time, writes the reference (commands, API, settings) from what the program
itself says, builds, and follows every link within the book.
"
        }
        "pictures" => {
            "\
cargo xtask pictures

Builds the browser app, serves a small trained state, and takes a picture of each page in
a headless Chromium, in light and dark, into docs/pictures/ (chromium and chromedriver
must be installed).
"
        }
        _ => return None,
    })
}

/// Prints a command's page, or the overview.
pub(crate) fn show(command: &str) -> Outcome {
    print!("{}", page(command).unwrap_or(OVERVIEW));
    Ok(ExitCode::SUCCESS)
}
