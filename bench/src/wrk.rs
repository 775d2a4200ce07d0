//! `wrk`, on the second core: how many requests a second, and how long they took.

use std::process::Stdio;

use tokio::process::Command;

/// Connections that stay open, each with one request under way.
pub(crate) const CONNECTIONS: &str = "64";

/// What one run found.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Of the time from a request to its answer, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Sends the same request to `url` again and again, for so many seconds. Whatever is not a 2xx ends
/// the measurement.
pub(crate) async fn run(url: &str, header: &str, seconds: u32) -> Found {
    let output = Command::new("taskset")
        .args(["--cpu-list", "1", "wrk", "-t1", "--latency"])
        .args(["-c", CONNECTIONS, "-H", header, url])
        .arg(format!("-d{seconds}s"))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("taskset and wrk");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    read(&text).unwrap_or_else(|| panic!("{url}: {text}"))
}

/// What it printed; none if anything went wrong with a request.
fn read(text: &str) -> Option<Found> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return None;
    }
    let after = |label| {
        let mut lines = text.lines();
        lines.find_map(|line| line.trim().strip_prefix(label).map(str::trim))
    };
    Some(Found {
        rate: after("Requests/sec:")?.parse().ok()?,
        p50: millis(after("50%")?)?,
        p99: millis(after("99%")?)?,
    })
}

/// `634.00us`, `1.20ms`, `1.02s` or `1.00m`.
fn millis(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0)];
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 1s test @ http://127.0.0.1:1/protected
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   427.15us    1.02ms  23.53ms   98.16%
    Req/Sec   169.57k    21.36k  190.47k    80.00%
  Latency Distribution
     50%  325.00us
     75%  350.00us
     90%  398.00us
     99%    1.25ms
  168735 requests in 1.00s, 27.03MB read
Requests/sec: 168554.17
Transfer/sec:     27.00MB
";

    #[test]
    fn a_run_in_which_a_request_failed_is_none() {
        for failed in [
            "  Non-2xx or 3xx responses: 1\n",
            "  Socket errors: connect 0, read 1, write 0, timeout 0\n",
        ] {
            assert_eq!(read(&format!("{PRINTED}{failed}")), None);
        }
        assert_eq!(read("unable to connect"), None);
    }

    #[test]
    fn rate_and_times_are_read_in_their_units() {
        let found = read(PRINTED).unwrap();
        assert_eq!((found.rate, found.p99), (168_554.17, 1.25));
        assert!((found.p50 - 0.325).abs() < 1e-9);
        assert_eq!(
            ["2.50s", "1.00m", "7", "x ms"].map(millis),
            [Some(2_500.0), Some(60_000.0), None, None]
        );
    }
}
