//! What an operator says of the pods: a TOML file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Toleration;
use serde::{Deserialize, Serialize};

use crate::clock::Span;

/// Settings of the launcher. All but the image may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Settings {
    /// The image whose entrypoint is `eemu`.
    pub(super) image: String,
    /// Where Jobs are made; this pod's own, or that of the kubeconfig.
    pub(super) namespace: Option<String>,
    /// `s3://bucket/prefix` of inputs and models; `launch` beside the state's
    /// models when they are in a bucket.
    pub(super) bucket: Option<String>,
    /// Secrets whose keys become the pods' environment (`AWS_…`).
    #[serde(default)]
    pub(super) secrets: Vec<String>,
    /// The pods' environment besides.
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    pub(super) service_account: Option<String>,
    /// Secrets of the registry.
    #[serde(default)]
    pub(super) pull_secrets: Vec<String>,
    /// Pods of one Job at once; all of them when left out.
    pub(super) parallel: Option<u32>,
    #[serde(default = "one_core")]
    pub(super) cpu: String,
    #[serde(default = "two_gigabytes")]
    pub(super) memory: String,
    /// GPUs a pod (`nvidia.com/gpu`).
    #[serde(default)]
    pub(super) gpus: u32,
    /// `--device` of the pods; `cuda` with GPUs, else `cpu`.
    pub(super) device: Option<String>,
    #[serde(default)]
    pub(super) node_selector: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) tolerations: Vec<Toleration>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    /// How long a pod's image may be out of reach, or a Secret missing.
    #[serde(default = "five_minutes", with = "seconds")]
    pub(super) start_within: Duration,
    /// How long a Job may take in all.
    #[serde(default, with = "maybe_seconds")]
    pub(super) deadline: Option<Duration>,
    /// How long a Job is kept that ended with nobody there to delete it.
    #[serde(default = "an_hour", with = "seconds")]
    pub(super) keep: Duration,
}

fn one_core() -> String {
    "1".into()
}

fn two_gigabytes() -> String {
    "2Gi".into()
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

fn an_hour() -> Duration {
    Duration::from_secs(3600)
}

/// A length of time as other settings have it: `90s`, `30m`, `1h`.
mod seconds {
    use super::{Duration, Span};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{}s", time.as_secs_f64()))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Duration, D::Error> {
        Ok(Span::deserialize(from)?.0)
    }
}

mod maybe_seconds {
    use super::{Duration, Span};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::seconds::serialize(time, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Some(Span::deserialize(from)?.0))
    }
}

/// Whether it is a name of an object: at most `longest` of a-z, 0-9, `-` and
/// what is in `more`, with a letter or digit at both ends.
fn is_name(text: &str, longest: usize, more: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= longest
        && text.starts_with(letter)
        && text.ends_with(letter)
        && text.chars().all(|c| letter(c) || c == '-' || more.contains(c))
}

/// Whether it is an amount: `500m`, `1.5`, `4Gi`.
fn is_amount(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    digits.parse::<f64>().is_ok_and(|n| n > 0.0)
        && ["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"].contains(&unit)
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or holds a key or value that is not known.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| {
            format!(
                "cannot read the launcher's settings, {}; write kubernetes=FILE with an image in it",
                file.display()
            )
        })?;
        let wrong = || format!("{} cannot be used as settings of Kubernetes; correct it", file.display());
        let settings: Self = toml::from_str(&text).with_context(wrong)?;
        settings.check().with_context(wrong)?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        let image = &self.image;
        ensure!(!image.is_empty() && !image.contains(char::is_whitespace), "image must name an image");
        for (key, amount) in [("cpu", &self.cpu), ("memory", &self.memory)] {
            ensure!(is_amount(amount), "{key} must be an amount such as 2 or 4Gi, and is '{amount}'");
        }
        if let Some(namespace) = &self.namespace {
            ensure!(is_name(namespace, 63, ""), "namespace must be a name of a-z, 0-9 and -, and is '{namespace}'");
        }
        for name in self.secrets.iter().chain(&self.pull_secrets).chain(&self.service_account) {
            ensure!(is_name(name, 253, "."), "'{name}' must be a name of a-z, 0-9, - and .");
        }
        if let Some(device) = &self.device {
            let known = ["cpu", "cuda", "wgpu", "auto"];
            ensure!(known.contains(&device.as_str()), "device must be one of {}", known.join(", "));
        }
        let parallel = self.parallel.is_none_or(|most| most > 0 && i32::try_from(most).is_ok());
        ensure!(parallel, "parallel must be a number from 1 to {}", i32::MAX);
        ensure!(self.deadline.is_none_or(|time| time.as_secs() > 0), "deadline must be 1s or more");
        for key in self.env.keys() {
            let fits = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !key.is_empty();
            ensure!(fits, "'{key}' must be a variable's name");
            ensure!(key != "JOB_COMPLETION_INDEX", "'{key}' must be left out: the cluster sets it");
        }
        Ok(())
    }

    /// `--device` of the pods.
    pub(super) fn device(&self) -> &str {
        self.device.as_deref().unwrap_or(if self.gpus > 0 { "cuda" } else { "cpu" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings> {
        let place = tempfile::tempdir()?;
        let file = place.path().join("kubernetes.toml");
        std::fs::write(&file, text)?;
        Settings::read(&file)
    }

    #[test]
    fn an_image_is_enough() {
        let settings = read("image = 'eemu@sha256:00'").unwrap();
        assert_eq!((settings.cpu.as_str(), settings.memory.as_str(), settings.device()), ("1", "2Gi", "cpu"));
        assert_eq!((settings.start_within.as_secs(), settings.keep.as_secs()), (300, 3600));
        let gpus =
            "image = 'eemu'\ngpus = 1\ndeadline = '2h'\n[[tolerations]]\nkey = 'nvidia.com/gpu'\noperator = 'Exists'";
        let settings = read(gpus).unwrap();
        assert_eq!(settings.device(), "cuda");
        assert_eq!(settings.tolerations[0].operator.as_deref(), Some("Exists"));
        assert_eq!(settings.deadline, Some(Duration::from_secs(7200)));
        // What is hashed into a Job holds all of it.
        assert!(serde_json::to_string(&settings).unwrap().contains("\"deadline\":\"7200s\""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, what) in [
            ("", "image"),
            ("image = ''", "image"),
            ("image = 'a b'", "image"),
            ("image = 'a'\ncpus = '2'", "cpus"),
            ("image = 'a'\nmemory = 'much'", "memory"),
            ("image = 'a'\nnamespace = 'Eemu'", "namespace"),
            ("image = 'a'\nsecrets = ['a/b']", "a/b"),
            ("image = 'a'\ndevice = 'tpu'", "device"),
            ("image = 'a'\nparallel = 0", "parallel"),
            ("image = 'a'\nparallel = 2147483648", "parallel"),
            ("image = 'a'\nenv = {JOB_COMPLETION_INDEX = '1'}", "JOB_COMPLETION_INDEX"),
            ("image = 'a'\nkeep = 'long'", "length of time"),
            ("image = 'a'\nenv = {'A B' = 'x'}", "A B"),
        ] {
            let said = format!("{:#}", read(text).unwrap_err());
            assert!(said.contains(what) && said.contains("correct it"), "{text}: {said}");
        }
    }
}
