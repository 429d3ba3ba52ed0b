//! Alerts for people: a table of all of them, the worst first, then a block about each.

use std::fmt::{self, Write};
use std::io::{self, IsTerminal};
use std::net::IpAddr;

use anstyle::{AnsiColor, Style};

use super::text::{cut, visible, width, wrap};
use crate::alert::{Evidence, Revision, Severity, State};
use crate::time::Timestamp;

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// They are.
    On,
    /// They are not: no terminal, or its user does not want them.
    Off,
}

impl Colour {
    /// What standard output takes: colours on a terminal that knows them, unless NO_COLOR says otherwise.
    pub fn of_stdout() -> Self {
        match anstream::AutoStream::choice(&io::stdout()) {
            anstream::ColorChoice::Never => Self::Off,
            _ => Self::On,
        }
    }
}

/// How many columns standard output has: those of the terminal, else what COLUMNS says, else 100.
pub fn columns() -> usize {
    let of_terminal = if io::stdout().is_terminal() { terminal_size::terminal_size() } else { None };
    match of_terminal {
        Some((terminal_size::Width(columns), _)) if columns > 0 => usize::from(columns),
        _ => std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|n| *n > 0).unwrap_or(100),
    }
}

/// Below this many columns there are blocks only.
const TABLE_MIN: usize = 72;
/// From this many columns on the table has items and confidence, too.
const TABLE_WIDE: usize = 110;
/// Running text is not wider than this: longer lines are hard to read.
const PROSE_MAX: usize = 100;

/// The alerts in `columns` columns: worst first, then oldest. Ends in a line break.
pub fn render(alerts: &[Revision], columns: usize, colour: Colour) -> String {
    if alerts.is_empty() {
        return "no alerts\n".to_owned();
    }
    let mut sorted: Vec<_> = alerts.iter().collect();
    sorted.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.first_seen));
    let mut page = Page { out: String::new(), columns, colour };
    // Writing to a string cannot fail.
    let _ = page.all(&sorted);
    page.out
}

/// One revision as it comes, in one line.
pub fn line(revision: &Revision, columns: usize, colour: Colour) -> String {
    let page = Page { out: String::new(), columns, colour };
    let what = match (revision.revision, revision.state) {
        (_, State::Closed) => "closed",
        (1, State::Open) => "new",
        (_, State::Open) => "grows",
    };
    let start = format!("{}  {what:<6}  ", clock_time(revision.ts));
    let end = format!(
        "  {}  {}  ({} in {}, {})",
        visible(&revision.title),
        place(revision),
        number(revision.items, "item"),
        number(revision.count, "exchange"),
        clients(revision),
    );
    let taken = width(&start) + SEVERITY_WIDTH;
    format!("{start}{}{}", page.severity(revision.severity), cut(&end, columns.saturating_sub(taken)).trim_end())
}

/// Width of the longest severity.
pub(super) const SEVERITY_WIDTH: usize = 8;

/// What is written, as far as it is.
pub(super) struct Page {
    pub(super) out: String,
    pub(super) columns: usize,
    pub(super) colour: Colour,
}

impl Page {
    fn all(&mut self, alerts: &[&Revision]) -> fmt::Result {
        if self.columns >= TABLE_MIN {
            self.table(alerts)?;
            self.out.push('\n');
        }
        for (alert, number) in alerts.iter().zip(1..) {
            self.block(alert, number)?;
            self.out.push('\n');
        }
        let of_severity = |severity: Severity| alerts.iter().filter(|alert| alert.severity == severity).count();
        let counts: Vec<_> = Severity::ALL
            .iter()
            .rev()
            .map(|severity| (of_severity(*severity), severity))
            .filter(|(count, _)| *count > 0)
            .map(|(count, severity)| format!("{count} {severity}"))
            .collect();
        writeln!(self.out, "{}: {}", number(alerts.len() as u64, "alert"), counts.join(", "))
    }

    fn table(&mut self, alerts: &[&Revision]) -> fmt::Result {
        let wide = self.columns >= TABLE_WIDE;
        let count = |heading: &'static str, of: fn(&Revision) -> String| {
            let cells: Vec<_> = alerts.iter().map(|alert| of(alert)).collect();
            let width = cells.iter().map(|cell| width(cell)).max().unwrap_or(0).max(heading.len());
            (heading, width, cells)
        };
        let mut counts = vec![count("seen", |alert| alert.count.to_string())];
        if wide {
            counts.push(count("items", |alert| alert.items.to_string()));
        }
        counts.push(count("clients", |alert| {
            format!("{}{}", if is_estimated(alert) { "~" } else { "" }, alert.client_count)
        }));

        let number_width = alerts.len().to_string().len();
        let fixed = number_width + 2 + SEVERITY_WIDTH + counts.iter().map(|(_, width, _)| 2 + width).sum::<usize>();
        let free = self.columns.saturating_sub(fixed + 4);
        let titles: Vec<_> = alerts.iter().map(|alert| visible(&alert.title)).collect();
        let places: Vec<_> = alerts.iter().map(|alert| place(alert)).collect();
        let widest = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0).max("finding".len());
        let places_want = widest(&mut places.iter().map(|place| width(place)));
        let titles_want = widest(&mut titles.iter().map(|title| width(title)));
        // Where it is matters more than what it is called: the title gives way, down to two fifths.
        let title_width = titles_want.min((free * 2 / 5).max(free.saturating_sub(places_want)));
        let place_width = places_want.min(free.saturating_sub(title_width));

        let dim = self.style(DIM);
        let [finding, place] = [cut("finding", title_width), cut("where", place_width)];
        write!(self.out, "{dim}{:>number_width$}  severity  {finding:title_width$}  {place:place_width$}", "#")?;
        for (heading, width, _) in &counts {
            write!(self.out, "  {heading:>width$}")?;
        }
        writeln!(self.out, "{dim:#}")?;
        for (row, alert) in alerts.iter().enumerate() {
            let severity = self.severity(alert.severity);
            let title = pad(&cut(&titles[row], title_width), title_width);
            let place = pad(&cut(&places[row], place_width), place_width);
            write!(self.out, "{:>number_width$}  {severity}  {title}  {place}", row + 1)?;
            for (_, width, cells) in &counts {
                write!(self.out, "  {:>width$}", cells[row])?;
            }
            self.out.push('\n');
        }
        Ok(())
    }

    fn block(&mut self, alert: &Revision, number_of_alert: usize) -> fmt::Result {
        let bold = self.style(Style::new().bold());
        let severity = self.severity(alert.severity);
        let start = format!("#{number_of_alert}  ");
        let title = visible(&alert.title);
        let title = cut(&title, self.columns.saturating_sub(width(&start) + SEVERITY_WIDTH + 2));
        writeln!(self.out, "{start}{severity}  {bold}{title}{bold:#}")?;

        let status = alert.status.map(|status| format!(", answered {status}")).unwrap_or_default();
        self.entry("where", &[format!("{}, server {}{status}", place(alert), alert.server)])?;
        self.entry("who", &[who(alert)])?;
        self.entry("when", &[span(alert.first_seen, alert.last_seen)])?;
        self.entry("evidence", &evidence(alert, 4))?;
        self.entry("why", &[visible(&alert.description).into_owned()])?;
        self.entry("remedy", &[visible(&alert.remediation).into_owned()])?;
        let references = [&alert.owasp, &alert.cwe, &alert.attack].map(|text| visible(text)).join(" ");
        self.entry(
            "rule",
            &[format!(
                "{} {}, {} confidence, {references}",
                visible(&alert.detector),
                visible(&alert.rule),
                alert.confidence
            )],
        )?;
        self.entry("notes", &[alert.visibility.iter().map(|name| visible(name)).collect::<Vec<_>>().join(", ")])?;
        self.entry("id", &[alert.id.to_string()])
    }

    /// A labelled entry of a block, each text in lines of its own; nothing when there is no text.
    pub(super) fn entry(&mut self, label: &str, texts: &[String]) -> fmt::Result {
        const INDENT: usize = 4;
        const LABEL: usize = 10;
        let dim = self.style(DIM);
        let columns = self.columns.min(PROSE_MAX).saturating_sub(INDENT + LABEL);
        let mut label = label;
        for text in texts {
            for line in wrap(text, columns) {
                writeln!(self.out, "{:INDENT$}{dim}{label:LABEL$}{dim:#}{line}", "")?;
                label = "";
            }
        }
        Ok(())
    }

    /// The severity, padded; in colour where there are colours.
    pub(super) fn severity(&self, severity: Severity) -> String {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        let style = self.style(match severity {
            Severity::Critical => {
                Style::new().bold().fg_color(Some(AnsiColor::White.into())).bg_color(Some(AnsiColor::Red.into()))
            }
            Severity::High => colour(AnsiColor::Red).bold(),
            Severity::Medium => colour(AnsiColor::Yellow),
            Severity::Low => colour(AnsiColor::Cyan),
            Severity::Info => DIM,
        });
        let rest = SEVERITY_WIDTH - severity.as_str().len();
        format!("{style}{severity}{style:#}{:rest$}", "")
    }

    pub(super) fn style(&self, style: Style) -> Style {
        match self.colour {
            Colour::On => style,
            Colour::Off => Style::new(),
        }
    }
}

pub(super) const DIM: Style = Style::new().dimmed();

/// Method, host and path template; the server's address where no host is known.
pub(super) fn place(alert: &Revision) -> String {
    let host = alert.host.clone().unwrap_or_else(|| alert.server.to_string());
    let endpoint = alert.endpoint.as_deref().unwrap_or_default();
    let place = match &alert.method {
        Some(method) => format!("{method} {host}{endpoint}"),
        None => format!("{host}{endpoint}"),
    };
    visible(&place).into_owned()
}

pub(super) fn who(alert: &Revision) -> String {
    const SHOWN: usize = 3;
    let shown = alert.clients.iter().take(SHOWN).map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    let principal = alert.principal.as_deref().map(|p| format!(", principal {}", visible(p))).unwrap_or_default();
    let more = alert.client_count.saturating_sub(alert.clients.len().min(SHOWN) as u64);
    let about = if is_estimated(alert) { "about " } else { "" };
    if more == 0 { format!("{shown}{principal}") } else { format!("{shown} and {about}{more} more{principal}") }
}

fn clients(alert: &Revision) -> String {
    if alert.client_count == 1 { alert.client.to_string() } else { number(alert.client_count, "client") }
}

fn is_estimated(alert: &Revision) -> bool {
    alert.visibility.iter().any(|name| name == "client_count_estimated")
}

/// The first `shown` pieces of evidence, a text each.
pub(super) fn evidence(alert: &Revision, shown: usize) -> Vec<String> {
    let show = |evidence: &Evidence| {
        let location = &evidence.location;
        let path = location.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
        let text =
            format!("{} {} in {}{path}, byte {}", evidence.kind, evidence.masked, location.part, location.offset);
        visible(&text).into_owned()
    };
    let more = alert.evidence.len().saturating_sub(shown);
    let more = (more > 0).then(|| format!("and {more} more in the JSON"));
    alert.evidence.iter().take(shown).map(show).chain(more).collect()
}

pub(super) fn number(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// From when to when, in UTC.
pub(super) fn span(first: Timestamp, last: Timestamp) -> String {
    let [first, last] = [first, last].map(date_time);
    match (first.split_once(' '), last.split_once(' ')) {
        _ if first == last => format!("{first} UTC"),
        (Some((one, _)), Some((other, time))) if one == other => format!("{first} to {time} UTC"),
        _ => format!("{first} to {last} UTC"),
    }
}

pub(super) fn date_time(time: Timestamp) -> String {
    civil(time).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn clock_time(time: Timestamp) -> String {
    civil(time).strftime("%H:%M:%S").to_string()
}

fn civil(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or_default()
}

/// `text` with spaces up to `columns`; the standard library pads by characters, which are not columns.
pub(super) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{:rest$}", "", rest = columns.saturating_sub(width(text)))
}

#[cfg(test)]
mod tests {
    use apitap_detectors::exchange::{Anomalies, Completeness};
    use apitap_detectors::finding::{Detector, Family, Location};
    use proptest::prelude::*;

    use super::*;
    use crate::alert::{AlertBook, Confidence, Emit, ExchangeContext, Finding, Observation, Settings, Subject};
    use crate::time::{Order, Span};

    static CARDS: Detector = Detector {
        name: "pii.payment_card",
        family: Family::Pii,
        title: "Payment card numbers in a response",
        description: "Whoever reads these responses has cards to pay with. PCI DSS 3.4 allows the last four digits at most.",
        remediation: "Send the last four digits, and the whole number to nobody. Look into the logs of what lies in between.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1530",
    };
    static MAIL: Detector = Detector {
        name: "pii.email",
        family: Family::Pii,
        title: "E-mail addresses in a response",
        description: "Addresses are personal data.",
        remediation: "Leave them out.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "",
    };

    fn observation(
        detector: &'static Detector,
        severity: Severity,
        seconds: u32,
        client: &str,
        endpoint: &str,
    ) -> Observation {
        let evidence = Evidence {
            kind: "payment_card".into(),
            location: Location { part: "response.content".into(), path: Some("$.cards[0].number".into()), offset: 120 },
            masked: "4539 **** **** 1234".into(),
            value_hash: None,
        };
        Observation {
            order: Order {
                time: Timestamp::from_nanos(1_700_000_000_000_000_000) + Span::from_secs(seconds),
                ..Order::default()
            },
            context: ExchangeContext {
                client: client.parse().unwrap(),
                server: "10.0.0.2:8080".parse().unwrap(),
                principal: None,
                host: Some("api.example".into()),
                method: Some("GET".into()),
                endpoint: Some(endpoint.into()),
                status: Some(200),
                completeness: Completeness::RESPONSE_GAP,
                anomalies: Anomalies::none(),
            },
            findings: vec![Finding {
                detector,
                rule: "response",
                subject: Subject::Endpoint,
                because: None,
                severity,
                confidence: Confidence::High,
                items: 3,
                evidence: vec![evidence],
            }],
        }
    }

    fn alerts(observations: Vec<Observation>, emit: Emit) -> Vec<Revision> {
        let mut book = AlertBook::new(Settings::new("test", [7; 32], emit));
        let mut alerts = Vec::new();
        observations.into_iter().for_each(|observation| book.observe(observation, &mut |alert| alerts.push(alert)));
        book.finish(&mut |alert| alerts.push(alert));
        alerts
    }

    fn two() -> Vec<Revision> {
        let observations = vec![
            observation(&MAIL, Severity::Low, 0, "10.0.0.1:1", "/users"),
            observation(&CARDS, Severity::Critical, 1, "10.0.0.1:1", "/api/v1/customers/{int}/cards"),
            observation(&CARDS, Severity::Critical, 62, "10.0.0.7:1", "/api/v1/customers/{int}/cards"),
        ];
        alerts(observations, Emit::EndStates)
    }

    #[test]
    fn the_worst_comes_first_and_each_explains_itself() {
        let expected = "\
#  severity  finding               where                           seen  clients
1  critical  Payment card number…  GET api.example/api/v1/custom…     2        2
2  low       E-mail addresses in…  GET api.example/users              1        1

#1  critical  Payment card numbers in a response
    where     GET api.example/api/v1/customers/{int}/cards, server
              10.0.0.2:8080, answered 200
    who       10.0.0.1, 10.0.0.7
    when      2023-11-14 22:13:21 to 22:14:22 UTC
    evidence  payment_card 4539 **** **** 1234 in response.content
              $.cards[0].number, byte 120
    why       Whoever reads these responses has cards to pay with. PCI DSS 3.4
              allows the last four digits at most. Seen in 2 exchanges with 6
              items, 2 clients.
    remedy    Send the last four digits, and the whole number to nobody. Look
              into the logs of what lies in between.
    rule      pii.payment_card response, high confidence, API3:2023 CWE-359
              T1530
    notes     response_gap
    id        8be1a73f-b547-88a2-ba76-11d00fe9ccb1
";
        let page = render(&two(), 80, Colour::Off);
        assert_eq!(page.split_once("\n#2").unwrap().0, expected);
        assert!(page.ends_with("\n2 alerts: 1 critical, 1 low\n"));
    }

    #[test]
    fn a_narrow_terminal_has_blocks_only_and_a_wide_one_more_columns() {
        let heading = |columns| render(&two(), columns, Colour::Off).lines().next().unwrap().to_owned();
        assert_eq!(heading(50), "#1  critical  Payment card numbers in a response");
        assert!(!heading(100).contains("items"));
        assert!(heading(120).contains("items"));
    }

    #[test]
    fn no_alert_is_said() {
        assert_eq!(render(&[], 80, Colour::On), "no alerts\n");
    }

    #[test]
    fn revisions_as_they_come_have_a_line_each() {
        let observations = vec![observation(&CARDS, Severity::High, 0, "10.0.0.1:1", "/users")];
        let lines: Vec<_> =
            alerts(observations, Emit::Revisions).iter().map(|alert| line(alert, 160, Colour::Off)).collect();
        let end =
            "high      Payment card numbers in a response  GET api.example/users  (3 items in 1 exchange, 10.0.0.1)";
        assert_eq!(lines, [format!("22:13:20  new     {end}"), format!("22:13:20  closed  {end}")]);
    }

    /// `text` without the sequences that set colours.
    fn without_colours(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever was on the wire, a line fits and nothing but our own colours reaches the terminal.
        #[test]
        fn hostile_text_stays_text(
            host in any::<String>(),
            endpoint in "[\\x00-\\x20\\x7f-\\u{9f}\\u{200f}\\u{202e}a日]{0,80}",
            masked in any::<String>(),
            count in any::<u64>(),
            columns in 40..220_usize,
        ) {
            let mut alerts = two();
            alerts[0].host = Some(host);
            alerts[0].endpoint = Some(endpoint);
            alerts[0].evidence[0].masked = masked;
            alerts[0].count = count;
            alerts[1].client_count = count;

            let plain = render(&alerts, columns, Colour::Off);
            prop_assert!(!plain.chars().any(|c| c.is_control() && c != '\n'));
            for line in plain.lines().chain([&*line(&alerts[0], columns, Colour::Off)]) {
                prop_assert!(width(line) <= columns, "{}: {line}", width(line));
            }
            prop_assert_eq!(without_colours(&render(&alerts, columns, Colour::On)), plain);
        }
    }
}
