//! Objects of Kubernetes read strictly: a field that there is not is refused,
//! as its API server does for whoever asks for it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Fields of `written` that `read` has not.
fn lost(written: &Value, read: &Value, at: &str, found: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                match read.get(key) {
                    Some(other) => lost(value, other, &format!("{at}.{key}"), found),
                    None => found.push(format!("{at}.{key}")),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            written.iter().zip(read).for_each(|(a, b)| lost(a, b, &format!("{at}[]"), found));
        }
        (written, read) if written == read => {}
        _ => found.push(at.to_owned()),
    }
}

/// Reads an object into its type. Types leave out what they do not know, so
/// what was read is written again and compared.
///
/// # Errors
/// With what does not fit.
pub fn typed<T: DeserializeOwned + Serialize>(value: &Value) -> Result<T, String> {
    let read: T = serde_json::from_value(value.clone()).map_err(|problem| problem.to_string())?;
    let mut gone = Vec::new();
    lost(value, &serde_json::to_value(&read).map_err(|problem| problem.to_string())?, "", &mut gone);
    if gone.is_empty() { Ok(read) } else { Err(format!("fields that Kubernetes does not know: {gone:?}")) }
}
