//! `eemu-serve DIR [PORT]`: shows a built app on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let folder = args.next().map_or_else(|| "dist".into(), PathBuf::from);
    let port = args.next().and_then(|port| port.to_str()?.parse().ok()).unwrap_or(8080);
    match eemu_bundle::serve(&folder, port) {
        Ok(served) => {
            println!("http://{}/  (Ctrl-C ends it)", served.address);
            loop {
                std::thread::park();
            }
        }
        Err(why) => {
            eprintln!("error: port {port} cannot be had: {why}; give another after the folder");
            ExitCode::FAILURE
        }
    }
}
