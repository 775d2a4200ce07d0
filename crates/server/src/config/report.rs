//! What configuration looks like to people: rows, the reference page, the example file.

use std::fmt::Write;

use serde::Serialize;

use super::{
    sources::Source,
    table::{Config, Fallback, KEYS, Key, SECTIONS},
};

/// One line of `countersign config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The key.
    pub key: &'static str,
    /// Its value as text; secrets and passwords are hidden.
    pub value: String,
    /// Where it came from.
    pub source: String,
}

impl Config {
    pub(super) fn row(&self, key: &'static str, value: String) -> Row {
        Row {
            key,
            value,
            source: self.source(key).unwrap_or(&Source::Default).to_string(),
        }
    }
}

/// The keys that stand in this very section.
fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| {
        key.name
            .rsplit_once('.')
            .is_some_and(|(path, _)| path == section)
    })
}

/// The reference page, in Markdown.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for (section, about) in SECTIONS {
        let _ = write!(page, "\n## `{section}`\n\n{}\n\n", about.trim());
        page += "| key | environment | default | meaning |\n| --- | --- | --- | --- |\n";
        for key in keys_of(section) {
            let mut names = format!("`{}`", key.variable());
            if let Some(alias) = key.alias {
                names = format!("`{alias}`, {names}");
            }
            let default = match key.default {
                Fallback::Value("") => "none".into(),
                Fallback::Value(text) => format!("`{text}`"),
                Fallback::From(other) => format!("from `{other}`"),
                Fallback::Unset => "unset".into(),
            };
            let mut doc = key.doc.trim().to_string();
            if let Some((least, most)) = key.bounds {
                let _ = write!(doc, " From `{least}` to `{most}`.");
            }
            let _ = writeln!(page, "| `{}` | {names} | {default} | {doc} |", key.name);
        }
    }
    page
}

/// A configuration file in which every key that may stand in one is named, with its default, and
/// commented out.
pub fn example() -> String {
    let mut file =
        String::from("# Every key with its default. docs/reference/configuration.md says more.\n");
    let defaults = Config::defaults()
        .map(|c| c.effective())
        .unwrap_or_default();
    for (section, about) in SECTIONS
        .iter()
        .filter(|(section, _)| keys_of(section).any(|key| !key.secret))
    {
        let _ = write!(file, "\n# {}\n[{section}]\n", about.trim());
        for (key, row) in KEYS
            .iter()
            .zip(&defaults)
            .filter(|(key, _)| !key.secret && keys_of(section).any(|k| k.name == key.name))
        {
            let name = key.name.rsplit_once('.').map_or(key.name, |(_, name)| name);
            let value = match row.value.as_str() {
                _ if key.default == Fallback::Unset => "\"\"".into(),
                bare if bare.parse::<i64>().is_ok() || bare.parse::<bool>().is_ok() => {
                    bare.to_string()
                }
                "" => "[]".into(),
                text => format!("{text:?}"),
            };
            let _ = write!(file, "# {}\n# {name} = {value}\n", key.doc.trim());
        }
    }
    file
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Made from the table in crates/server/src/config/table.rs; its test renews this page. -->

Countersign needs no configuration to start. What is set is taken, in this order, from the command
line, the environment, the file `.env` in the working directory, the file `countersign.toml` there
(or the one that `--config` names), and the defaults below. `countersign config` shows what is in
effect and where it came from.

- Every key has an environment variable: `token.lifetime` is `COUNTERSIGN_TOKEN__LIFETIME`. Where a
  well-known name is listed too, the key's own name wins over it.
- A key that does not exist is refused, and so is an unknown variable that starts with
  `COUNTERSIGN_`; all problems are reported at once, and the exit code is 78.
- Durations are written `500ms`, `30s`, `15m`, `1h30m` or `30d`; sizes `65536`, `64KiB` or `1MiB`;
  lists as TOML arrays, in the environment with commas.
- In `.env`, a value with blanks, `#` or `$` needs single quotes: Countersign expands no variables.
- Secrets are read from the environment and `.env` only, and hold at least 32 bytes that are not a
  well-known example: `openssl rand -base64 48` makes a good one.
- Relative paths start in the working directory.

```toml
[server]
listen = \"127.0.0.1:5000\"
public_url = \"https://login.example.com\"
trusted_proxies = [\"10.0.0.0/8\"]

[token]
lifetime = \"10m\"
```
";
