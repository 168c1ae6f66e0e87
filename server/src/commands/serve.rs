//! `eemu serve` and `eemu config`.

use std::process::ExitCode;

use anyhow::Result;

use super::print_line;
use crate::cli::{ConfigCommand, ServeArgs};
use crate::serve::settings::{Given, Settings, read, reference, settle, shown};
use crate::serve::{run as serve, start_logging};
use crate::store::Location;

fn settings(args: &ServeArgs) -> Result<Settings> {
    let file = args.config.as_deref().map_or_else(|| Ok(Given::default()), read)?;
    settle(&args.given, &file)
}

pub(crate) fn run(args: &ServeArgs) -> Result<ExitCode> {
    let settings = settings(args)?;
    let _logging = start_logging(settings.log_format, settings.log_level)?;
    let Settings { database, models, .. } = &settings;
    let location = Location { dir: args.state.clone(), database: database.clone(), models: models.clone() };
    serve(location, &settings)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn config(command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Check(args) => {
            let file = args.config.as_deref().map_or_else(|| Ok(Given::default()), read)?;
            let settings = settle(&args.given, &file)?;
            let (database, models) = (settings.database.clone(), settings.models.clone());
            Location { dir: std::path::PathBuf::new(), database, models }.check()?;
            if !settings.listen.ip().is_loopback() {
                print_line("note: this listens beyond this machine; put a proxy that speaks TLS in front")?;
            }
            print_line("# the settings can be used; this is what they come to")?;
            for line in shown(&settings, &args.given, &file) {
                print_line(&line)?;
            }
        }
        ConfigCommand::Reference => print_line(reference().trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}
