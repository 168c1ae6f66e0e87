//! Generates the reference chapters of the book from the program itself: the
//! command line from its arguments, the API from its OpenAPI document, the
//! settings from their table. `cargo xtask book` puts them beside the other
//! chapters.

use std::fmt::Write as _;

use serde_json::Value;

/// The pages: file name and text.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![("commands.md", commands()), ("api.md", api()), ("settings.md", settings())]
}

/// Text on one line, for a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// The page of the command line.
fn commands() -> String {
    let mut root = eemu_server::cli::command();
    root.build();
    let mut page =
        "# Commands\n\nEvery command takes `--help`. Exit codes: 0 done, 1 the data cannot be used or a check \
                    failed, 2 the command cannot be carried out, 3 some of it was not known, 130 interrupted.\n"
            .to_owned();
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        describe(command, "eemu", 2, &mut page);
    }
    page
}

fn describe(command: &clap::Command, before: &str, depth: usize, page: &mut String) {
    if command.is_hide_set() {
        return;
    }
    let name = format!("{before} {}", command.get_name());
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = write!(page, "\n{} {name}\n\n{}\n", "#".repeat(depth), cell(&about));
    let shown = |argument: &&clap::Arg| !argument.is_hide_set() && argument.get_id() != "help";
    let arguments: Vec<&clap::Arg> = command.get_arguments().filter(shown).collect();
    if !arguments.is_empty() {
        page.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
        for argument in arguments {
            let _ = writeln!(page, "| `{}` | {} | {} |", written(argument), default(argument), meaning(argument));
        }
    }
    for sub in command.get_subcommands().filter(|command| command.get_name() != "help") {
        describe(sub, &name, depth + 1, page);
    }
}

fn written(argument: &clap::Arg) -> String {
    let values: Vec<&str> = argument.get_value_names().into_iter().flatten().map(clap::builder::Str::as_str).collect();
    let takes = argument.get_action().takes_values();
    let value = if takes { format!(" {}", values.join(" ")) } else { String::new() };
    match (argument.get_long(), argument.get_short()) {
        (Some(long), _) => cell(&format!("--{long}{value}")),
        (None, Some(short)) => cell(&format!("-{short}{value}")),
        (None, None) => cell(value.trim()),
    }
}

fn default(argument: &clap::Arg) -> String {
    let values = argument.get_default_values();
    let text: Vec<String> = values.iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if text.is_empty() || !argument.get_action().takes_values() {
        String::new()
    } else {
        format!("`{}`", cell(&text.join(",")))
    }
}

fn meaning(argument: &clap::Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut text = cell(&help);
    let choices: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if argument.get_action().takes_values() && !choices.is_empty() {
        let _ = write!(text, " One of {}.", choices.join(", "));
    }
    if let Some(variable) = argument.get_env() {
        let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
    }
    text
}

/// The page of the API.
fn api() -> String {
    let document = serde_json::to_value(eemu_server::serve::http::openapi()).unwrap_or_default();
    let mut page = "# API\n\nThe same as a machine reads it: `/api/v1/openapi.json` of a running service, and \
                    `server/openapi.json` in the sources; `/docs` tries it out. Identifiers of people and items travel \
                    in bodies only. A request that cannot be answered gets `{\"code\": …, \"message\": …}`, which says \
                    what was wrong, where, and what to do.\n"
        .to_owned();
    let none = serde_json::Map::new();
    for (path, item) in document["paths"].as_object().unwrap_or(&none) {
        for (method, operation) in item.as_object().unwrap_or(&none) {
            route(&method.to_uppercase(), path, operation, &mut page);
        }
    }
    page.push_str("\n## Bodies\n");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap_or(&none) {
        let _ = write!(page, "\n### {name}\n\n{}\n", cell(schema["description"].as_str().unwrap_or_default()));
        let Some(properties) = schema["properties"].as_object() else { continue };
        let needed = |field: &str| schema["required"].as_array().is_some_and(|r| r.iter().any(|name| name == field));
        page.push_str("\n| field | kind | meaning |\n|---|---|---|\n");
        for (field, about) in properties {
            let kind = kind(about) + if needed(field) { "" } else { ", may be left out" };
            let _ =
                writeln!(page, "| `{field}` | {kind} | {} |", cell(about["description"].as_str().unwrap_or_default()));
        }
    }
    page
}

fn route(method: &str, path: &str, operation: &Value, page: &mut String) {
    let text = |name: &str| cell(operation[name].as_str().unwrap_or_default());
    let _ = write!(page, "\n## {method} {path}\n\n{} {}\n\n", text("summary"), text("description"));
    let needs: Vec<&Value> = operation["security"].as_array().into_iter().flatten().collect();
    let roles: Vec<&str> =
        needs.iter().filter_map(|n| n["bearer"].as_array()).flatten().filter_map(Value::as_str).collect();
    let anybody = needs.is_empty() || needs.iter().any(|n| n.as_object().is_some_and(serde_json::Map::is_empty));
    let who = match (anybody, roles.is_empty()) {
        (true, true) => "anybody".to_owned(),
        (true, false) => format!("anybody; with a token {}", roles.join(", ")),
        (false, _) => roles.join(", "),
    };
    let _ = writeln!(page, "* Who may: {who}");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let place = parameter["in"].as_str().unwrap_or_default();
        let _ = writeln!(page, "* `{name}` ({place}): {}", cell(parameter["description"].as_str().unwrap_or_default()));
    }
    for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let _ = writeln!(page, "* Body: {} (`{kind}`)", self::kind(&content["schema"]));
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let bodies: Vec<String> =
            answer["content"].as_object().into_iter().flatten().map(|(_, content)| kind(&content["schema"])).collect();
        let _ =
            writeln!(page, "* {status}: {}", if bodies.is_empty() { "no body".to_owned() } else { bodies.join(", ") });
    }
}

/// The kind of a schema, with a link to its own section.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(several) = schema[choice].as_array() {
            let known: Vec<String> = several.iter().map(kind).filter(|kind| kind != "null").collect();
            return known.join(" or ");
        }
    }
    let named: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => vec!["anything"],
    };
    match named.first() {
        Some(&"array") => format!("list of {}", kind(&schema["items"])),
        Some(name) => (*name).to_owned(),
        None => "null".to_owned(),
    }
}

/// The page of the settings of `eemu serve`.
fn settings() -> String {
    format!(
        "# Settings\n\nOf `eemu serve`. Flags win over the environment, the environment over the file (`--config FILE`, \
         TOML, the same names). `eemu config check` says whether settings can be used, and what they come to.\n\n{}",
        eemu_server::serve::settings::reference()
    )
}
