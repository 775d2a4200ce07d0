//! Structured logs, on standard error.

use std::fmt::{self, Write};
use std::io::{self, IsTerminal};

use countersign_flows::Clock;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogFormat, LogLevel};

/// Starts logging. Only our own lines are as chatty as asked for: libraries keep to warnings, and
/// sqlx to errors, since its warnings would print statements.
pub fn start(format: LogFormat, level: LogLevel, color: bool) {
    let level = level.as_str();
    let filter = format!(
        "warn,sqlx=error,countersign={level},countersign_server={level},\
         countersign_flows={level},countersign_store={level}"
    );
    let pretty = match format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(color && io::stderr().is_terminal());
    // A second start (in a test) keeps the first.
    let _ = if pretty {
        builder.try_init()
    } else {
        builder.event_format(Json(Clock::system())).try_init()
    };
}

/// An event as one object on one line: `timestamp`, `level`, then what was said. Ours, as it is
/// written for every request: the library's takes four times as long for it.
struct Json(Clock);

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line(String::with_capacity(256));
        line.0.push_str("{\"timestamp\":\"");
        write_time(&mut line.0, self.0.now().as_millis())?;
        line.0.push_str("\",\"level\":\"");
        line.0.push_str(event.metadata().level().as_str());
        line.0.push('"');
        event.record(&mut line);
        line.0.push_str("}\n");
        writer.write_str(&line.0)
    }
}

/// The members so far.
struct Line(String);

impl Line {
    fn name(&mut self, field: &Field) {
        self.0.push_str(",\"");
        self.0.push_str(field.name());
        self.0.push_str("\":");
    }

    fn raw(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field);
        let _ = write!(self.0, "{value}");
    }

    fn text(&mut self, field: &Field, text: &str) {
        self.name(field);
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if text.bytes().all(plain) {
            self.0.push('"');
            self.0.push_str(text);
            self.0.push('"');
        } else {
            self.0.push_str(&serde_json::Value::from(text).to_string());
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.raw(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.raw(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.raw(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

/// As RFC 3339 writes it, in UTC: `2026-11-21T09:05:03.042Z`.
fn write_time(text: &mut String, unix_millis: i64) -> fmt::Result {
    let (day, rest) = (
        unix_millis.div_euclid(86_400_000),
        unix_millis.rem_euclid(86_400_000),
    );
    // Days since 1 March of the year 0: leap days come last in a year that begins in March.
    let days = day + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (seconds, millis) = (rest / 1_000, rest % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(
        text,
        "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_222_803_042, "2026-11-21T01:00:03.042Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            let mut text = String::new();
            write_time(&mut text, millis).unwrap();
            assert_eq!(text, expected);
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_whatever_is_said_in_it() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .event_format(Json(Clock::fixed(
                countersign_core::Timestamp::from_millis(42),
            )))
            .finish();
        let said = "a \"quoted\"\nline \\ \u{1b}[31m é";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(status = 200_u16, less = -1, yes = true, said, shown = ?said, "hello {}", said);
        });
        let lines = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(lines.matches('\n').count(), 1, "{lines}");
        let line: Value = serde_json::from_str(&lines).unwrap();
        let expected = json!({
            "timestamp": "1970-01-01T00:00:00.042Z", "level": "WARN", "message": format!("hello {said}"),
            "status": 200, "less": -1, "yes": true, "said": said, "shown": format!("{said:?}"),
        });
        assert_eq!(line, expected);
    }
}
