//! Pages and components of the web app, and the computations behind them.
//!
//! Whatever computes or asks a server runs in a worker; the page only shows.
//! Three places: [`for_you`], the [`lab`], which needs no server, and
//! [`operate`].
//!
//! | module | idea |
//! |---|---|
//! | `page` | the page's program: which place is shown |
//! | `for_you`, `lab`, `operate` | the places |
//! | `ranking` | a list, as the Lab and For you make it |
//! | `open_file` | a reader's own file as text: zip, encodings |
//! | `csv_file` | a reader's own CSV, and what it may be wrong in |
//! | `service` | the one client of the HTTP API |
//! | `parts` | what several pages show alike |
//! | `say` | every sentence, in the reader's language |
//! | `pause` | waiting, and a worker's clock |

mod say;

pub mod csv_file;
pub mod for_you;
pub mod lab;
pub mod open_file;
pub mod operate;
pub mod page;
mod parts;
mod pause;
pub mod ranking;
pub mod service;

/// The program that ranks on WebGPU.
#[cfg(all(feature = "gpu", target_family = "wasm"))]
pub fn work_on_gpu() {
    wasm_bindgen_futures::spawn_local(for_you::ranker::program::start());
}

/// The worker's program: place and language are in the worker's name.
pub fn work() {
    let name = pause::scope().map(|scope| scope.name()).unwrap_or_default();
    // "service de": whose worker, and the language of the page that starts it.
    let (place, language) = name.split_once(' ').unwrap_or((&name, ""));
    say::speak(say::Language::of(language).unwrap_or_default());
    match place {
        "service" => for_you::worker::start(),
        _ => lab::worker::start(),
    }
}
