//! What commands print: answers on standard output, advice on standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::{Failure, Global};

/// How whoever typed the command wants to be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(super) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
        }
    }

    /// Prints what was asked for.
    pub(super) fn answer(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let text = if self.json {
            serde_json::to_string(value)
                .map_err(|error| Failure::refused("internal", error.to_string()))?
        } else {
            text()
        };
        if text.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
            // `| head` has seen enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::refused(
                "output",
                format!("it was done, but the answer cannot be written: {error}"),
            )),
            _ => Ok(()),
        }
    }

    /// Says that what was asked for is done.
    pub(super) fn done(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        self.answer(value, || if self.quiet { String::new() } else { text() })
    }

    /// Says something beside the answer.
    pub(super) fn hint(self, text: &str) {
        if !self.json && !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// Whether both ends of a conversation are a person's.
pub(super) fn at_a_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A table with aligned columns. Names and user agents come from strangers: what would move the
/// cursor is not printed.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let clean = |cell: &str| -> String {
        let cell = if cell.is_empty() { "-" } else { cell };
        cell.chars()
            .map(|c| if is_printable(c) { c } else { '\u{fffd}' })
            .collect()
    };
    let head = head.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(&head)
        .chain(rows)
        .map(|row| std::array::from_fn(|column| clean(&row[column])))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Not a control character, and none that turns the direction of writing.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A number of bytes as people read it.
pub(super) fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

/// A moment in unix seconds as people write it, in UTC.
pub(super) fn when(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years are counted from March, so that the leap day is a year's last, and in cycles of 400
    // years, which all have 146,097 days. Day 0 is 1970-01-01, 719,468 days after 0000-03-01.
    let (era, day) = (
        (days + 719_468).div_euclid(146_097),
        (days + 719_468).rem_euclid(146_097),
    );
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..=9 => (era * 400 + year, month + 3),
        _ => (era * 400 + year + 1, month - 9),
    };
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_wrote_cannot_move_the_cursor() {
        let rows = [["a\u{1b}[2J\n\u{202e}b".to_owned(), String::new()]];
        assert_eq!(
            table(["NAME", "X"], &rows),
            "NAME      X\na\u{fffd}[2J\u{fffd}\u{fffd}b  -\n"
        );
    }

    #[test]
    fn sizes_are_round_and_never_too_small_to_see() {
        for (bytes, shown) in [
            (1, "1 kB"),
            (999_999, "1000 kB"),
            (1_000_000, "1.0 MB"),
            (360_525_824, "360.5 MB"),
            (12_340_000_000, "12.3 GB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn moments_are_dates_of_the_gregorian_calendar() {
        for (seconds, date) in [
            (-1, "1969-12-31 23:59"),
            (0, "1970-01-01 00:00"),
            (951_782_400, "2000-02-29 00:00"),
            (1_795_220_000, "2026-11-21 00:13"),
            (4_107_542_399, "2100-02-28 23:59"),
            (4_107_542_400, "2100-03-01 00:00"),
        ] {
            assert_eq!(when(seconds), date);
        }
    }
}
