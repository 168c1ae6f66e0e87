//! The message when the program itself fails, by a fault of its own or because memory
//! has run out. It is one sentence on what failed, where, and what to do.

use std::io::Write as _;
use std::panic::PanicHookInfo;

/// Installs a panic hook that prints such a message. The state stays whole after a
/// panic, since every change is a transaction and training resumes from its
/// checkpoints.
pub(crate) fn say_what_to_do() {
    std::panic::set_hook(Box::new(|fault| {
        // Standard error may be closed.
        let _ = writeln!(std::io::stderr(), "error: {}", told(fault));
    }));
}

fn told(fault: &PanicHookInfo<'_>) -> String {
    let payload = fault.payload();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned());
    let place = fault.location().map_or_else(String::new, |at| format!("{}, line {}", at.file(), at.line()));
    sentence(&text, &place)
}

fn sentence(text: &str, place: &str) -> String {
    let lower = text.to_lowercase();
    if ["alloc", "out of memory", "capacity overflow"].iter().any(|sign| lower.contains(sign)) {
        return "there is not enough memory. Give the process more, lower --jobs (of `serve`: --train-jobs), or train \
                more shards, which are smaller; the state is whole, and the same command goes on from there"
            .to_owned();
    }
    format!(
        "a fault of eemu at {place}: {text}. The state is whole, and the same command can be given again; please report \
         this line"
    )
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn memory_is_told_from_faults() {
        assert!(sentence("capacity overflow", "x.rs, line 1").starts_with("there is not enough memory"));
        assert!(sentence("called `Result::unwrap()` on an `Err` value: AllocError", "").contains("lower --jobs"));
        let fault = sentence("index out of bounds", "x.rs, line 7");
        assert!(fault.contains("x.rs, line 7: index out of bounds") && fault.contains("report"), "{fault}");
    }
}
