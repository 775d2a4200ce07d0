//! A report as a picture: bars, to the same scale within a group, legible on light and on dark.

use crate::report::{Bar, Report};
use crate::table::{figure, wanted};

const WIDTH: f64 = 860.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 330.0;
const LONGEST: f64 = 400.0;
const ROW: f64 = 26.0;
/// Where what is wanted stands, as a share of the longest.
const LIMIT: f64 = 0.3;

const STYLE: &str = r##"  <style>
    text { font: 14px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2430 }
    .card { fill: #fbfbfd; stroke: #d9dde5 }
    .head { font-size: 15px; font-weight: 600 }
    .small { font-size: 12.5px; fill: #5b6472 }
    .name { text-anchor: end }
    .ours { fill: #3b6fd4 }
    .other { fill: #b4bccb }
    .missed { fill: #c4453a }
    .limit { stroke: #5b6472; stroke-width: 1.5 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6e9ef }
      .card { fill: #14171d; stroke: #2c323d }
      .small { fill: #9aa4b2 }
      .ours { fill: #7aa7ff }
      .other { fill: #4b5463 }
      .missed { fill: #ff8a7d }
      .limit { stroke: #9aa4b2 }
    }
  </style>
"##;

/// The whole picture, as SVG.
pub(super) fn draw(report: &Report) -> String {
    let mut picture = Picture::default();
    for group in &report.groups {
        picture.head(&format!("{}: answers a second", group.title));
        let most = group.rates.iter().map(|rate| rate.a_second.median());
        let most = most.fold(0.0, f64::max);
        for rate in &group.rates {
            let value = rate.a_second.median();
            let ours = rate.name.is_empty() || rate.name.starts_with("Countersign");
            let text = match group.rates.len() {
                1 => figure(value),
                _ => format!("{}   {:.2} x", figure(value), rate.beside.median()),
            };
            let name = if rate.name.is_empty() {
                "Countersign"
            } else {
                &rate.name
            };
            let class = if ours { "ours" } else { "other" };
            picture.row(name, value / most, class, &text, None);
        }
    }
    if !report.lines.is_empty() {
        picture.head("Bars: the line is what is wanted");
    }
    for line in &report.lines {
        let (Bar::AtMost(bar) | Bar::AtLeast(bar)) = line.bar;
        let class = if line.met() { "ours" } else { "missed" };
        let text = format!(
            "{} {}, wanted {}",
            figure(line.measured()),
            line.unit,
            wanted(line)
        );
        // What is twice as much, or more, is as long as it gets: the words need their room.
        let share = LIMIT * (line.measured() / bar).min(2.0);
        picture.row(&line.name, share, class, &text, Some(LIMIT));
    }
    picture.finish(&report.machine)
}

struct Picture {
    body: String,
    y: f64,
}

impl Default for Picture {
    fn default() -> Self {
        Self {
            body: String::new(),
            y: 24.0,
        }
    }
}

impl Picture {
    fn head(&mut self, text: &str) {
        self.y += 26.0;
        self.text(24.0, "head", text);
        self.y += 8.0;
    }

    /// `share` of the longest bar; `limit` likewise.
    fn row(&mut self, name: &str, share: f64, class: &str, text: &str, limit: Option<f64>) {
        self.y += ROW;
        let (top, length) = (self.y - 14.0, (share * LONGEST).max(1.0));
        self.text(LEFT - 10.0, "name", name);
        self.body += &format!(
            "  <rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"18\" rx=\"3\"/>\n"
        );
        let mut end = length;
        if let Some(limit) = limit {
            let x = LEFT + limit * LONGEST;
            let (from, to) = (top - 3.0, top + 21.0);
            self.body += &format!(
                "  <line class=\"limit\" x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{to:.1}\"/>\n"
            );
            end = end.max(limit * LONGEST);
        }
        self.text(LEFT + end + 8.0, "small", text);
    }

    fn text(&mut self, x: f64, class: &str, text: &str) {
        let y = self.y;
        let text = escaped(text);
        self.body +=
            &format!("  <text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n");
    }

    fn finish(mut self, machine: &str) -> String {
        self.y += 40.0;
        self.text(24.0, "small", machine);
        let (height, machine) = (self.y + 20.0, escaped(machine));
        let (inner_width, inner_height) = (WIDTH - 1.0, height - 1.0);
        let body = self.body;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
             aria-labelledby=\"title desc\">\n  <title id=\"title\">What script/bench measured</title>\n  \
             <desc id=\"desc\">The figures of the tables in docs/reference/performance.md, as bars. \
             {machine}</desc>\n{STYLE}  <rect class=\"card\" x=\"0.5\" y=\"0.5\" \
             width=\"{inner_width}\" height=\"{inner_height:.1}\" rx=\"8\"/>\n{body}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Group, Judged};

    /// Every tag is closed in its order, and no text opens one.
    fn well_formed(svg: &str) -> Result<(), String> {
        let (mut open, mut rest) = (vec![], svg);
        while let Some((text, after)) = rest.split_once('<') {
            if text.contains('>') && !open.ends_with(&["style"]) {
                return Err(format!("a bare > in {text:?}"));
            }
            let (tag, after) = after.split_once('>').ok_or("a tag without an end")?;
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop() != Some(name) {
                    return Err(format!("</{name}> closes nothing"));
                }
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap_or_default());
            }
            if tag.matches('"').count() % 2 != 0 {
                return Err(format!("a quote is open in {tag:?}"));
            }
            rest = after;
        }
        if open.is_empty() {
            Ok(())
        } else {
            Err(format!("left open: {open:?}"))
        }
    }

    #[test]
    fn what_is_not_well_formed_is_noticed() {
        for bad in [
            "<a><b></a></b>",
            "<a>",
            "</a>",
            "<a>x > y</a>",
            "<a b=\"c></a>",
        ] {
            assert!(well_formed(bad).is_err(), "{bad}");
        }
        assert_eq!(well_formed("<a b=\"c\">x<d/></a>"), Ok(()));
    }

    #[test]
    fn a_picture_is_well_formed_and_to_scale() {
        let mut report = Report::new("test");
        let mut group = Group::new("a <route> & \"more\"");
        group.add("bare", &[[200.0, 1.0, 2.0]]);
        group.add("Countersign", &[[100.0, 2.0, 4.0]]);
        report.groups.push(group);
        let size = || [10.0].into_iter().collect();
        report.bar("size", Bar::AtMost(5.0), "MB", size(), Judged::Max);
        report.bar("pace", Bar::AtLeast(5.0), "x", size(), Judged::Max);
        report.bar("room", Bar::AtMost(100.0), "x", size(), Judged::Max);
        let svg = draw(&report);
        assert_eq!(well_formed(&svg), Ok(()), "{svg}");
        let widths = |class: &str| -> Vec<&str> {
            let class = format!("<rect class=\"{class}\"");
            let bars = svg.lines().filter(|line| line.contains(&class));
            bars.filter_map(|line| line.split("width=\"").nth(1)?.split('"').next())
                .collect()
        };
        assert_eq!(widths("other"), ["400.0"]);
        assert_eq!(widths("ours"), ["200.0", "240.0", "12.0"], "{svg}");
        assert_eq!(widths("missed"), ["240.0"], "{svg}");
    }
}
