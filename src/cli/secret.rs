//! Where the password or key file comes from: one source, never two, and never a guess.

use super::prompt::ask;
use super::ui::Ui;
use crate::codec::kdf::Secret;
use crate::error::{Error, Kind, Result, printable};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// The variable that holds a password itself.
pub const PASSWORD: &str = "LASTGOOD_PASSWORD";
/// The longest password or key file that is read.
const SECRET_MAX: usize = 64 << 10;
/// The shortest key file: as many bytes as a key has.
const KEY_MIN: usize = 32;

/// Flags that say what opens the repository. Without any, and without a variable, the password is asked for.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct SecretArgs {
    /// Read the password from this file
    ///
    /// A newline at its end is not part of the password. A file that others can read is used, with a warning.
    #[arg(
        short = 'p',
        long,
        global = true,
        value_name = "FILE",
        env = "LASTGOOD_PASSWORD_FILE",
        hide_env_values = true
    )]
    pub password_file: Option<PathBuf>,

    /// Read the password from the output of this command
    ///
    /// The command is split into words as a shell does, but no shell runs: there are no pipes and no variables in it.
    #[arg(long, global = true, value_name = "COMMAND", env = "LASTGOOD_PASSWORD_COMMAND", hide_env_values = true)]
    pub password_command: Option<String>,

    /// Open the repository with this key file instead of a password
    ///
    /// Its content is the key, as it is: at least 32 bytes, as from `head -c 32 /dev/urandom`.
    #[arg(long, global = true, value_name = "FILE", env = "LASTGOOD_KEY_FILE", hide_env_values = true)]
    pub key_file: Option<PathBuf>,
}

/// Flags that say what a new key is opened with.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct NewSecretArgs {
    /// Read the new password from this file instead of asking for it
    #[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
    pub new_password_file: Option<PathBuf>,

    /// Let this key file open the repository, instead of a password
    #[arg(long, value_name = "FILE")]
    pub new_key_file: Option<PathBuf>,
}

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// In a file, as a password.
    File(PathBuf),
    /// What a command prints, as a password.
    Command(String),
    /// In a key file.
    KeyFile(PathBuf),
    /// In the environment.
    Literal(Zeroizing<Vec<u8>>),
    /// In somebody's head.
    Prompt,
}

/// The one source that flags and environment name. A flag has taken the place of its own variable already.
pub fn choose(args: &SecretArgs, password: Option<OsString>) -> Result<Source> {
    let sources = [
        args.password_file.clone().map(|path| ("--password-file or LASTGOOD_PASSWORD_FILE", Source::File(path))),
        args.password_command
            .clone()
            .map(|line| ("--password-command or LASTGOOD_PASSWORD_COMMAND", Source::Command(line))),
        args.key_file.clone().map(|path| ("--key-file or LASTGOOD_KEY_FILE", Source::KeyFile(path))),
        password.map(|text| (PASSWORD, Source::Literal(Zeroizing::new(text.into_vec())))),
    ];
    let mut given = sources.into_iter().flatten();
    match (given.next(), given.next()) {
        (None, _) => Ok(Source::Prompt),
        (Some((_, source)), None) => Ok(source),
        (Some((first, _)), Some((second, _))) => {
            Err(Error::new(Kind::Usage, format!("Two sources of the password: {first}, and {second}"))
                .hint("keep one of them; a variable is taken away with `env -u NAME`"))
        }
    }
}

/// The source of a new secret.
pub fn choose_new(args: &NewSecretArgs) -> Source {
    match (&args.new_password_file, &args.new_key_file) {
        (Some(path), _) => Source::File(path.clone()),
        (None, Some(path)) => Source::KeyFile(path.clone()),
        (None, None) => Source::Prompt,
    }
}

impl Source {
    /// Gets the secret that opens a repository.
    pub fn read(&self, place: &str, ui: &Ui) -> Result<Secret> {
        match self {
            Source::Prompt => {
                ask(&format!("Password for the repository {}: ", printable(place.as_bytes()))).and_then(password)
            }
            source => source.fetch(ui),
        }
    }

    /// Gets a secret for a new key: one that is typed is typed twice.
    pub fn read_new(&self, ui: &Ui) -> Result<Secret> {
        if *self != Source::Prompt {
            return self.fetch(ui);
        }
        let first = ask("New password: ")?;
        match first == ask("The same again: ")? {
            true => password(first),
            false => Err(Error::new(Kind::Usage, "The two passwords differ").hint("type the same password twice")),
        }
    }

    fn fetch(&self, ui: &Ui) -> Result<Secret> {
        match self {
            Source::File(path) => password(without_newline(read_file("password", path, ui)?)),
            Source::Command(line) => password(without_newline(run(line)?)),
            Source::Literal(text) => password(text.clone()),
            Source::KeyFile(path) => {
                let key = read_file("key", path, ui)?;
                match key.len() < KEY_MIN {
                    true => {
                        Err(Error::new(Kind::Usage, format!("The key file {} has {} bytes", name(path), key.len()))
                            .hint("a key file has at least 32: make one with `head -c 32 /dev/urandom > FILE`"))
                    }
                    false => Ok(Secret::KeyFile(key)),
                }
            }
            Source::Prompt => unreachable!("both callers ask themselves"),
        }
    }
}

fn password(text: Zeroizing<Vec<u8>>) -> Result<Secret> {
    match text.is_empty() {
        true => {
            Err(Error::new(Kind::Usage, "The password is empty").hint("an empty password protects nothing: choose one"))
        }
        false => Ok(Secret::Password(text)),
    }
}

/// The text without one newline at its end.
fn without_newline(mut text: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if text.last() == Some(&b'\n') {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
    text
}

fn name(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}

fn read_file(what: &str, path: &Path, ui: &Ui) -> Result<Zeroizing<Vec<u8>>> {
    let cannot =
        |e: std::io::Error| Error::new(Kind::Usage, format!("Cannot read the {what} file {}", name(path))).because(e);
    let file = File::open(path).map_err(cannot)?;
    let found = file.metadata().map_err(cannot)?;
    if found.is_file() && found.permissions().mode() & 0o044 != 0 {
        let mode = found.permissions().mode() & 0o7777;
        ui.warn(&format!("others can read the {what} file {0} (mode {mode:04o}): chmod 600 {0}", name(path)));
    }
    // Room for all of it at once, so that no copy is left where the vector grew.
    let mut content = Zeroizing::new(Vec::with_capacity(SECRET_MAX + 1));
    file.take(SECRET_MAX as u64 + 1).read_to_end(&mut content).map_err(cannot)?;
    match content.len() > SECRET_MAX {
        true => Err(Error::new(Kind::Usage, format!("The {what} file {} is longer than 64 KiB", name(path)))
            .hint("is it the right file?")),
        false => Ok(content),
    }
}

fn run(line: &str) -> Result<Zeroizing<Vec<u8>>> {
    let failed =
        |what: &str| Error::new(Kind::Usage, what).hint("check --password-command or LASTGOOD_PASSWORD_COMMAND");
    let words = shlex::split(line).ok_or_else(|| failed("The password command has a quote that is not closed"))?;
    let (program, arguments) = words.split_first().ok_or_else(|| failed("The password command is empty"))?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| failed("Cannot run the password command").because(e))?;
    let text = Zeroizing::new(output.stdout);
    match output.status.success() {
        true => Ok(text),
        false => Err(failed("The password command failed").because(output.status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(which: &str) -> SecretArgs {
        let path = |name| which.contains(name).then(|| PathBuf::from("/p"));
        SecretArgs {
            password_file: path("file"),
            password_command: which.contains("command").then(|| "pass show x".into()),
            key_file: path("key"),
        }
    }

    #[test]
    fn one_source_is_chosen_and_two_are_refused() {
        let word = || Some(OsString::from("geheim"));
        assert!(choose(&args(""), None).unwrap() == Source::Prompt);
        assert!(choose(&args("file"), None).unwrap() == Source::File("/p".into()));
        assert!(choose(&args("command"), None).unwrap() == Source::Command("pass show x".into()));
        assert!(choose(&args("key"), None).unwrap() == Source::KeyFile("/p".into()));
        assert!(choose(&args(""), word()).unwrap() == Source::Literal(Zeroizing::new(b"geheim".to_vec())));
        for (which, password) in [
            ("file command", None),
            ("file key", None),
            ("command key", None),
            ("file command key", None),
            ("file", word()),
            ("command", word()),
            ("key", word()),
        ] {
            let Err(error) = choose(&args(which), password) else { panic!("{which} was accepted") };
            assert_eq!(error.kind, Kind::Usage);
            assert!(!format!("{error:?}").contains("geheim"));
        }
        let Err(error) = choose(&args("key"), word()) else { panic!("accepted") };
        assert_eq!(error.what, "Two sources of the password: --key-file or LASTGOOD_KEY_FILE, and LASTGOOD_PASSWORD");
    }

    fn secret(source: &Source) -> Result<Vec<u8>> {
        match source.fetch(&Ui::default())? {
            Secret::Password(text) | Secret::KeyFile(text) => Ok(text.to_vec()),
        }
    }

    #[test]
    fn passwords_are_read_without_their_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        for (content, password) in
            [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), (" a ", " a "), ("\na", "\na")]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(secret(&Source::File(path.clone())).unwrap(), password.as_bytes());
        }
        for content in ["", "\n", "\r\n"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(secret(&Source::File(path.clone())).unwrap_err().what, "The password is empty");
        }
        std::fs::write(&path, [b'x'; SECRET_MAX + 1]).unwrap();
        assert!(secret(&Source::File(path)).unwrap_err().what.contains("longer"));
        assert_eq!(secret(&Source::File(dir.path().join("none"))).unwrap_err().kind, Kind::Usage);
        assert_eq!(secret(&Source::Literal(Zeroizing::default())).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn a_key_file_is_used_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        std::fs::write(&path, [b'\n'; 32]).unwrap();
        assert_eq!(secret(&Source::KeyFile(path.clone())).unwrap(), [b'\n'; 32]);
        std::fs::write(&path, [1; 31]).unwrap();
        assert_eq!(secret(&Source::KeyFile(path)).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn a_command_is_run_without_a_shell() {
        assert_eq!(secret(&Source::Command("printf 'a  b|c\\n'".into())).unwrap(), b"a  b|c");
        for line in ["", "printf 'a", "false", "/does/not/exist", "true"] {
            assert_eq!(secret(&Source::Command(line.into())).unwrap_err().kind, Kind::Usage, "{line}");
        }
    }
}
