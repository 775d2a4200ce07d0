//! Where values come from: flags, the environment, `.env`, the file.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use toml::Value as Toml;

use super::{
    load::{Problem, tame},
    table::{KEYS, Key},
    value::Raw,
};

/// What the loader reads, and nothing else: no process state.
#[derive(Default)]
pub struct Inputs {
    /// What the command line sets, as keys and values.
    pub flags: Vec<(String, String)>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory: `.env` and `countersign.toml` are looked for here, and relative
    /// paths start here.
    pub directory: PathBuf,
    /// The file to read instead of `countersign.toml`; it must exist.
    pub file: Option<PathBuf>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// This environment variable.
    Environment(String),
    /// This line of `.env`.
    DotEnv(usize),
    /// This file.
    File(PathBuf),
    /// The default.
    Default,
    /// Another key.
    Derived(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::DotEnv(line) => write!(f, ".env, line {line}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
            Self::Derived(key) => write!(f, "from {key}"),
        }
    }
}

/// No configuration is as large as this.
const LARGEST_FILE: u64 = 1 << 20;

/// Gathers from every source, the weakest first, so that what comes later overrides.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) values: BTreeMap<&'static str, (Raw, Source)>,
    pub(super) problems: Vec<Problem>,
}

impl Gathered {
    pub(super) fn from(inputs: &Inputs) -> Self {
        let mut all = Self::default();
        all.read_file(inputs);
        all.read_dotenv(&inputs.directory.join(".env"));
        all.read_environment(&inputs.environment);
        for (name, value) in &inputs.flags {
            match find(name) {
                Some(key) if key.secret => all.refuse_secret(key, Source::Flag),
                Some(key) => all.set(key, Raw::Text(value.clone()), Source::Flag),
                None => all.unknown(name, Source::Flag),
            }
        }
        all
    }

    fn set(&mut self, key: &'static Key, value: Raw, source: Source) {
        self.values.insert(key.name, (value, source));
    }

    fn problem(&mut self, key: &str, source: Source, message: impl Into<String>) {
        self.problems.push(Problem::new(key, source, message));
    }

    fn refuse_secret(&mut self, key: &Key, source: Source) {
        let why = match source {
            Source::Flag => "a command line can be read by every program on the machine",
            _ => "a configuration file is copied, shared and committed",
        };
        let name = key.alias.unwrap_or(key.name);
        self.problem(
            key.name,
            source,
            format!("{why}: set {name} in the environment or `.env`"),
        );
    }

    fn unknown(&mut self, name: &str, source: Source) {
        let near = nearest(name, KEYS.iter().map(|key| key.name.to_string()));
        self.problem(name, source, format!("is no key; the nearest is {near}"));
    }

    fn unknown_variable(&mut self, name: &str, source: Source) {
        let near = nearest(name, KEYS.iter().map(Key::variable));
        self.problem(
            name,
            source,
            format!("is no variable of Countersign; the nearest is {near}"),
        );
    }

    fn read_environment(&mut self, environment: &[(OsString, OsString)]) {
        let mut ours = HashMap::new();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| is_ours(name)) else {
                continue;
            };
            let source = Source::Environment(tame(name));
            match value.to_str() {
                Some(value) => drop(ours.insert(name.to_string(), (value.to_string(), source))),
                None => self.problem(name, source, "is not UTF-8"),
            }
        }
        self.take_variables(ours);
    }

    /// Reads our own lines only: `.env` belongs to whatever else runs in this directory, too.
    fn read_dotenv(&mut self, path: &Path) {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                return self.problem(".env", Source::File(path.into()), error.to_string());
            }
        };
        let mut ours = HashMap::new();
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let name = name.trim().trim_start_matches("export ").trim();
            if !is_ours(name) {
                continue;
            }
            let source = Source::DotEnv(number);
            if expands(value) {
                let why = "a `$` would be expanded: put the value in single quotes";
                self.problem(name, source, why);
                continue;
            }
            match dotenvy::from_read_iter(line.as_bytes()).next() {
                Some(Ok((name, value))) => {
                    if ours.insert(name.clone(), (value, source.clone())).is_some() {
                        self.problem(&name, source, "is set twice");
                    }
                }
                // The error would repeat the line, which may hold a secret.
                _ => self.problem(
                    name,
                    source,
                    "cannot be read: put the value in single quotes",
                ),
            }
        }
        self.take_variables(ours);
    }

    /// A key's own name wins over its well-known one.
    fn take_variables(&mut self, mut ours: HashMap<String, (String, Source)>) {
        for key in KEYS {
            for name in key
                .alias
                .map(String::from)
                .into_iter()
                .chain([key.variable()])
            {
                if let Some((value, source)) = ours.remove(&name) {
                    self.set(key, Raw::Text(value), source);
                }
            }
        }
        let mut unknown: Vec<_> = ours.into_iter().collect();
        unknown.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (name, (_, source)) in unknown {
            self.unknown_variable(&name, source);
        }
    }

    fn read_file(&mut self, inputs: &Inputs) {
        let name = inputs
            .file
            .clone()
            .unwrap_or_else(|| "countersign.toml".into());
        let source = Source::File(name.clone());
        let text = match read(&inputs.directory.join(&name)) {
            Ok(text) => text,
            Err(error) if inputs.file.is_none() && error.kind() == io::ErrorKind::NotFound => {
                return;
            }
            Err(error) => return self.problem("the file", source, error.to_string()),
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.read_table("", table, &source),
            Err(error) => {
                // Its own rendering would repeat the line, which may hold a password.
                let at = error.span().map_or(0, |span| span.start);
                let line = text
                    .get(..at)
                    .map_or(0, |before| before.matches('\n').count())
                    + 1;
                let message = error.message().lines().next().unwrap_or("is not TOML");
                self.problem(&format!("line {line}"), source, message);
            }
        }
    }

    fn read_table(&mut self, section: &str, table: toml::Table, source: &Source) {
        for (name, value) in table {
            // A quoted name with a dot in it is not a path.
            let name = if name.contains('.') {
                format!("{name:?}")
            } else {
                name
            };
            let path = format!("{section}{name}");
            match (find(&path), value) {
                (Some(key), _) if key.secret => self.refuse_secret(key, source.clone()),
                (Some(key), value) => match raw(value) {
                    Ok(raw) => self.set(key, raw, source.clone()),
                    Err(why) => self.problem(key.name, source.clone(), why),
                },
                (None, Toml::Table(table)) if !table.is_empty() || is_section(&path) => {
                    self.read_table(&format!("{path}."), table, source);
                }
                (None, _) => self.unknown(&path, source.clone()),
            }
        }
    }
}

fn raw(value: Toml) -> Result<Raw, &'static str> {
    Ok(match value {
        Toml::String(text) => Raw::Text(text),
        Toml::Integer(number) => Raw::Text(number.to_string()),
        Toml::Boolean(truth) => Raw::Text(truth.to_string()),
        Toml::Array(items) => Raw::List(
            items
                .into_iter()
                .map(|item| match item {
                    Toml::String(text) => Ok(text),
                    _ => Err("takes a list of strings"),
                })
                .collect::<Result<_, _>>()?,
        ),
        Toml::Float(_) | Toml::Datetime(_) | Toml::Table(_) => {
            return Err("takes a string, a whole number, a truth value or a list of strings");
        }
    })
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

fn is_section(path: &str) -> bool {
    super::table::SECTIONS
        .iter()
        .any(|(section, _)| *section == path)
}

fn is_ours(name: &str) -> bool {
    name.starts_with("COUNTERSIGN_") || KEYS.iter().any(|key| key.alias == Some(name))
}

/// Whether a `.env` parser would put another variable's value into this one.
fn expands(value: &str) -> bool {
    let (mut quote, mut escaped) = (None, false);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quote != Some('\''),
            '\'' | '"' if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            '$' if quote != Some('\'') => return true,
            _ => {}
        }
    }
    false
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?
        .take(LARGEST_FILE + 1)
        .read_to_string(&mut text)?;
    if read as u64 > LARGEST_FILE {
        return Err(io::Error::other("is larger than 1 MiB"));
    }
    Ok(text)
}

/// The candidate that takes the fewest edits.
fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> String {
    // No key is as long as this; what is longer need not be compared in full.
    let name: String = name.chars().take(64).collect();
    candidates
        .min_by_key(|candidate| distance(&name, candidate))
        .unwrap_or_default()
}

/// How many characters must be added, removed or replaced to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
