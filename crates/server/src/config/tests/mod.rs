//! Every test gives the loader its whole world.

mod refusals;
mod values;

use std::{fs, path::PathBuf, time::Duration};

use super::*;

const STRONG: &str = "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a";
const OTHER: &str = "Kq8eYw2Rt5Zu1Pi7Lo3As9Df4Gh6Jc0V";

/// A working directory that goes away with the test.
struct World {
    inputs: Inputs,
}

impl World {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("countersign-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self {
            inputs: Inputs {
                directory,
                ..Inputs::default()
            },
        }
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.inputs.directory.join(name), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs.environment.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.inputs.flags.push((key.into(), value.into()));
        self
    }

    fn config(&self) -> Config {
        Config::load(&self.inputs).unwrap()
    }

    fn problems(&self) -> Vec<String> {
        let problems = Config::load(&self.inputs).unwrap_err();
        problems.0.iter().map(ToString::to_string).collect()
    }

    fn value(&self, key: &str) -> (String, String) {
        let row = self
            .config()
            .effective()
            .into_iter()
            .find(|row| row.key == key)
            .unwrap();
        (row.value, row.source)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.inputs.directory);
    }
}

/// Loads one value from the command line, or from the environment where it is secret.
fn with(key: &str, value: &str) -> Result<Config, Problems> {
    let known = KEYS.iter().find(|known| known.name == key).unwrap();
    let mut inputs = Inputs {
        directory: "/nonexistent".into(),
        ..Inputs::default()
    };
    match known.secret {
        true => inputs
            .environment
            .push((known.variable().into(), value.into())),
        false => inputs.flags.push((key.into(), value.into())),
    }
    Config::load(&inputs)
}
