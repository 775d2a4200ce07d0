//! A report as tables: for the terminal, and as Markdown for the documents.

use crate::report::{Bar, Group, Line, Report};

/// Columns of equal width, or Markdown's.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Style {
    Plain,
    Markdown,
}

/// Everything, notes included.
pub(crate) fn whole(report: &Report, style: Style) -> String {
    let mut text = String::new();
    if !report.groups.is_empty() {
        text += &rows(&rates(&report.groups), style);
        text.push('\n');
    }
    if !report.lines.is_empty() {
        text += &rows(&bars(&report.lines), style);
        text.push('\n');
    }
    text += &format!("{}\n\n", report.machine);
    for note in &report.notes {
        text += &format!("- {note}\n");
    }
    let missed = report.lines.iter().filter(|line| !line.met());
    let missed: Vec<String> = missed
        .map(|line| {
            let measured = figure(line.measured());
            format!("- {}: {measured}, wanted {}\n", line.name, wanted(line))
        })
        .chain(
            report
                .failures
                .iter()
                .map(|failure| format!("- {failure}\n")),
        )
        .collect();
    if !missed.is_empty() {
        text += &format!("\nMissed:\n\n{}", missed.concat());
    }
    text
}

fn rates(groups: &[Group]) -> Vec<Vec<String>> {
    let mut rows = vec![
        [
            "",
            "a second",
            "rounds from–to",
            "median ms",
            "p99 ms",
            "ratio",
        ]
        .map(str::to_owned),
    ];
    for group in groups {
        rows.extend(group.rates.iter().map(|rate| {
            [
                match rate.name.as_str() {
                    "" => group.title.to_owned(),
                    name => format!("{}: {name}", group.title),
                },
                figure(rate.a_second.median()),
                format!(
                    "{}–{}",
                    figure(rate.a_second.min()),
                    figure(rate.a_second.max())
                ),
                figure(rate.p50.median()),
                figure(rate.p99.median()),
                match group.rates.len() {
                    1 => String::new(),
                    _ => format!("{:.2}", rate.beside.median()),
                },
            ]
        }));
    }
    rows.into_iter().map(Vec::from).collect()
}

fn bars(lines: &[Line]) -> Vec<Vec<String>> {
    let head = [
        "bar",
        "wanted",
        "judged by",
        "measured",
        "median",
        "p99",
        "samples",
        "",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(|line| {
        vec![
            line.name.clone(),
            wanted(line),
            line.judged().to_owned(),
            figure(line.measured()),
            figure(line.samples.median()),
            figure(line.samples.p99()),
            line.samples.len().to_string(),
            if line.met() { "met" } else { "**missed**" }.to_owned(),
        ]
    }));
    rows
}

/// As in `≤ 30 MB`.
pub(crate) fn wanted(line: &Line) -> String {
    match line.bar {
        Bar::AtMost(most) => format!("≤ {most} {}", line.unit),
        Bar::AtLeast(least) => format!("≥ {least} {}", line.unit),
    }
}

/// Three digits that mean something, or all before the point, in groups of three.
pub(crate) fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        small if small < 0.995 => 3,
        small if small < 9.995 => 2,
        small if small < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if decimals > 0 {
        return text;
    }
    let mut grouped = String::new();
    for (n, digit) in text.chars().enumerate() {
        if n > 0 && (text.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The first row is the head.
fn rows(rows: &[Vec<String>], style: Style) -> String {
    let width = |row: &Vec<String>, column: usize| row[column].chars().count();
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| width(row, column)).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (n, row) in rows.iter().enumerate() {
        text += &match style {
            Style::Markdown => format!("| {} |\n", row.join(" | ")),
            Style::Plain => {
                let padded = row.iter().zip(&widths);
                let cells: Vec<String> = padded
                    .map(|(cell, &width)| format!("{cell:width$}"))
                    .collect();
                format!("{}\n", cells.join("  ").trim_end()).replace("**missed**", "MISSED")
            }
        };
        if n == 0 && style == Style::Markdown {
            text += &format!("|{}\n", " --- |".repeat(row.len()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Judged;

    fn report() -> Report {
        let mut report = Report::new("test");
        let mut group = Group::new("a route");
        group.add("bare", &[[200.0, 1.0, 2.0], [100.0, 2.0, 4.0]]);
        group.add("ours", &[[100.0, 2.0, 4.0], [90.0, 3.0, 9.0]]);
        report.groups.push(group);
        let samples = || [3.0, 1.0, 2.0].into_iter().collect();
        report.bar("size", Bar::AtMost(2.5), "MB", samples(), Judged::Max);
        report.bar("pace", Bar::AtLeast(1.5), "x", samples(), Judged::Median);
        report
    }

    #[test]
    fn a_bar_is_missed_by_the_figure_that_is_judged() {
        let mut report = report();
        assert!(!report.all_met());
        report.lines.remove(0);
        assert!(report.all_met());
        report.failure("a request was refused");
        assert!(!report.all_met());
    }

    #[test]
    fn markdown_has_a_row_for_each_rate_and_each_bar() {
        let text = whole(&report(), Style::Markdown);
        for row in [
            "|  | a second | rounds from–to | median ms | p99 ms | ratio |",
            "| a route: bare | 100 | 100–200 | 1.00 | 2.00 | 1.00 |",
            "| a route: ours | 90.0 | 90.0–100 | 2.00 | 4.00 | 0.50 |",
            "| size | ≤ 2.5 MB | most | 3.00 | 2.00 | 3.00 | 3 | **missed** |",
            "| pace | ≥ 1.5 x | median | 2.00 | 2.00 | 3.00 | 3 | met |",
            "- size: 3.00, wanted ≤ 2.5 MB",
        ] {
            assert!(text.lines().any(|line| line == row), "{row}\n{text}");
        }
        assert!(!text.contains("- pace"), "{text}");
    }

    #[test]
    fn figures_keep_three_digits() {
        let shown = [
            0.1234, 0.996, 9.994, 9.996, 99.96, 999.4, 1_234.5, 168_554.17,
        ]
        .map(figure);
        let expected = [
            "0.123", "1.00", "9.99", "10.0", "100", "999", "1,234", "168,554",
        ];
        assert_eq!(shown, expected.map(str::to_owned));
    }
}
