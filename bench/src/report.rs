//! Bars, what was measured against them, and lines on how to read it.

use std::fs;
use std::path::Path;

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

struct Line {
    name: String,
    unit: &'static str,
    bar: Bar,
    samples: Samples,
    judged: Judged,
}

impl Line {
    fn measured(&self) -> f64 {
        match self.judged {
            Judged::Median => self.samples.median(),
            Judged::P99 => self.samples.p99(),
            Judged::Max => self.samples.max(),
        }
    }

    fn met(&self) -> bool {
        match self.bar {
            Bar::AtMost(most) => self.measured() <= most,
            Bar::AtLeast(least) => self.measured() >= least,
        }
    }

    fn bar(&self) -> String {
        match self.bar {
            Bar::AtMost(most) => format!("<= {most} {}", self.unit),
            Bar::AtLeast(least) => format!(">= {least} {}", self.unit),
        }
    }

    fn judged(&self) -> &'static str {
        match self.judged {
            Judged::Median => "median",
            Judged::P99 => "p99",
            Judged::Max => "most",
        }
    }
}

/// Everything that one run found.
pub(crate) struct Report {
    part: &'static str,
    load: String,
    lines: Vec<Line>,
    notes: Vec<String>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(part: &'static str) -> Self {
        Self {
            part,
            load: load(),
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

    pub(crate) fn print(&self) {
        let head = ["bar", "wanted", "judged by", "median", "p99", "samples", ""];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(self.lines.iter().map(|line| {
            [
                line.name.clone(),
                line.bar(),
                format!("{} {:.3}", line.judged(), line.measured()),
                format!("{:.3}", line.samples.median()),
                format!("{:.3}", line.samples.p99()),
                line.samples.len().to_string(),
                if line.met() { "met" } else { "MISSED" }.to_owned(),
            ]
        }));
        let widths: Vec<usize> = (0..head.len())
            .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        println!();
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| format!("{cell:width$}"))
                .collect();
            println!("{}", cells.join("  ").trim_end());
        }
        println!("\n{}\n", machine(&self.load));
        for note in &self.notes {
            println!("- {note}");
        }
        let missed: Vec<&Line> = self.lines.iter().filter(|line| !line.met()).collect();
        if !missed.is_empty() || !self.failures.is_empty() {
            println!("\nMissed:");
            for line in missed {
                println!(
                    "- {}: {:.3}, wanted {}",
                    line.name,
                    line.measured(),
                    line.bar()
                );
            }
            for failure in &self.failures {
                println!("- {failure}");
            }
        }
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
        let whole = json!({
            "part": self.part, "machine": machine(&self.load), "bars": lines,
            "notes": self.notes, "failures": self.failures,
        });
        let text = serde_json::to_string_pretty(&whole).unwrap() + "\n";
        fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        eprintln!("   written to {}", path.display());
    }
}

/// How busy the machine was already when the run began.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

fn machine(load: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": unknown");
    let model = model.trim_start_matches(['\t', ':', ' ']);
    format!("{cores} cores ({model}), load {load} when the run began")
}
