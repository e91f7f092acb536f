//! `lastgood version`: says what this program is.

use super::exit::{self, Exit};
use super::ui::Ui;
use crate::error::Result;
use crate::spec::FORMAT_VERSION;
use serde::Serialize;

/// Show the version
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&[Exit::Done, Exit::Failed, Exit::Usage], &[]))]
pub struct Args {}

#[derive(Serialize)]
struct Version {
    message_type: &'static str,
    version: &'static str,
    repository_format: u8,
    os: &'static str,
    arch: &'static str,
    aes: &'static str,
}

const AES: &str = if cfg!(feature = "fast-aes") { "aws-lc" } else { "portable" };

/// Says it.
pub fn run(_: &Args, ui: &Ui) -> Result<Exit> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let version = env!("CARGO_PKG_VERSION");
    let value = Version { message_type: "version", version, repository_format: FORMAT_VERSION, os, arch, aes: AES };
    match ui.json {
        true => ui.json(&value)?,
        false => {
            ui.write(
                format!("lastgood {version} ({os}-{arch}, repository format {FORMAT_VERSION}, AES {AES})\n").as_bytes(),
            )?;
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shape() {
        let value =
            Version { message_type: "version", version: "1.2.3", repository_format: 1, os: "o", arch: "a", aes: "x" };
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            r#"{"message_type":"version","version":"1.2.3","repository_format":1,"os":"o","arch":"a","aes":"x"}"#
        );
    }
}
