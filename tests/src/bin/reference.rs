//! Writes the reference chapters of the book: `reference DIR`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("error: give the folder that the pages go into");
        return ExitCode::from(2);
    };
    let write = || -> anyhow::Result<()> {
        std::fs::create_dir_all(&folder)?;
        for (name, text) in eemu_tests::reference::pages() {
            std::fs::write(std::path::Path::new(&folder).join(name), text)?;
        }
        Ok(())
    };
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {folder}: {why}; give a folder that can be written to");
            ExitCode::FAILURE
        }
    }
}
