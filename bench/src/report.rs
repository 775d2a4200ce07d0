//! What was measured, the bars it is held against, and lines on how to read it.

use std::path::Path;
use std::{env, fs};

use serde_json::{Value, json};

use crate::stats::Samples;

/// Whether less or more is better.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

/// Which figure of the samples is held against the bar.
#[derive(Clone, Copy)]
pub(crate) enum Judged {
    Median,
    P99,
    Max,
}

/// How many requests a second, and how long they took: one sample for each round.
pub(crate) struct Rate {
    pub(crate) name: String,
    pub(crate) a_second: Samples,
    /// In milliseconds.
    pub(crate) p50: Samples,
    pub(crate) p99: Samples,
    /// How many times as many as the first of its group, within each round.
    pub(crate) beside: Samples,
}

/// Rates that were measured in turns, of programs that were asked for the same.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) rates: Vec<Rate>,
}

impl Group {
    pub(crate) fn new(title: &'static str) -> Self {
        let rates = vec![];
        Self { title, rates }
    }

    /// One more of the group; its ratio is beside the first. Of each round rate, median and p99.
    pub(crate) fn add(&mut self, name: impl Into<String>, rounds: &[[f64; 3]]) {
        let [a_second, p50, p99] =
            [0, 1, 2].map(|of| rounds.iter().map(|round| round[of]).collect::<Samples>());
        let name = name.into();
        let first = self
            .rates
            .first()
            .map_or(&a_second, |first| &first.a_second);
        let beside = a_second.beside(first);
        eprintln!(
            "   {:.1} a second, median {:.2} ms, ratio {:.2} ({name})",
            a_second.median(),
            p50.median(),
            beside.median()
        );
        self.rates.push(Rate {
            name,
            a_second,
            p50,
            p99,
            beside,
        });
    }
}

/// A figure and its bar.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) bar: Bar,
    pub(crate) samples: Samples,
    pub(crate) judged: Judged,
}

impl Line {
    pub(crate) fn measured(&self) -> f64 {
        match self.judged {
            Judged::Median => self.samples.median(),
            Judged::P99 => self.samples.p99(),
            Judged::Max => self.samples.max(),
        }
    }

    pub(crate) fn met(&self) -> bool {
        match self.bar {
            Bar::AtMost(most) => self.measured() <= most,
            Bar::AtLeast(least) => self.measured() >= least,
        }
    }

    pub(crate) fn judged(&self) -> &'static str {
        match self.judged {
            Judged::Median => "median",
            Judged::P99 => "p99",
            Judged::Max => "most",
        }
    }
}

/// Everything that one run found.
pub(crate) struct Report {
    pub(crate) part: &'static str,
    pub(crate) machine: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) lines: Vec<Line>,
    pub(crate) notes: Vec<String>,
    pub(crate) failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(part: &'static str) -> Self {
        Self {
            part,
            machine: machine(),
            groups: vec![],
            lines: vec![],
            notes: vec![],
            failures: vec![],
        }
    }

    /// A line of the table.
    pub(crate) fn bar(
        &mut self,
        name: impl Into<String>,
        bar: Bar,
        unit: &'static str,
        samples: Samples,
        judged: Judged,
    ) {
        let line = Line {
            name: name.into(),
            unit,
            bar,
            samples,
            judged,
        };
        eprintln!(
            "   {} {:.3} {} ({})",
            line.judged(),
            line.measured(),
            unit,
            line.name
        );
        self.lines.push(line);
    }

    /// What helps to read the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        eprintln!("   {text}");
        self.notes.push(text);
    }

    /// What makes a measurement worth nothing.
    pub(crate) fn failure(&mut self, text: impl Into<String>) {
        let text = text.into();
        eprintln!("   FAILED: {text}");
        self.failures.push(text);
    }

    pub(crate) fn all_met(&self) -> bool {
        self.failures.is_empty() && self.lines.iter().all(Line::met)
    }

    pub(crate) fn write(&self, path: &Path) {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                let (least, most) = match line.bar {
                    Bar::AtMost(most) => (None, Some(most)),
                    Bar::AtLeast(least) => (Some(least), None),
                };
                json!({
                    "bar": line.name, "unit": line.unit, "at_least": least, "at_most": most,
                    "judged_by": line.judged(), "measured": line.measured(), "met": line.met(),
                    "median": line.samples.median(), "p99": line.samples.p99(),
                    "samples": line.samples.len(),
                })
            })
            .collect();
        let groups: Vec<Value> = self.groups.iter().map(Group::json).collect();
        let whole = json!({
            "part": self.part, "machine": self.machine, "rates": groups, "bars": lines,
            "notes": self.notes, "failures": self.failures,
        });
        let text = serde_json::to_string_pretty(&whole).unwrap() + "\n";
        fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        eprintln!("   written to {}", path.display());
    }
}

impl Group {
    fn json(&self) -> Value {
        let rates = self.rates.iter().map(|rate| {
            json!({
                "name": rate.name, "a_second": rate.a_second.median(),
                "slowest_round": rate.a_second.min(), "fastest_round": rate.a_second.max(),
                "median_ms": rate.p50.median(), "p99_ms": rate.p99.median(),
                "ratio_to_first": rate.beside.median(), "rounds": rate.a_second.len(),
            })
        });
        json!({"of": self.title, "rates": rates.collect::<Vec<_>>()})
    }
}

/// Which version, when, on what, and how busy that was already when the run began.
fn machine() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": unknown");
    let model = model.trim_start_matches(['\t', ':', ' ']);
    // The clock of the calendar is the script's: this program has the monotonic one alone.
    let told = env::var("BENCH_OF").unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    format!("Countersign {version}{told}; {cores} cores ({model}), load {load} when the run began")
}
