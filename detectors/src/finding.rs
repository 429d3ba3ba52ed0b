//! Findings: a detector's opinion of one exchange, without the values it is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a detector is, for people and for the alert: the same for each of its findings.
#[derive(Debug)]
pub struct Detector {
    /// Its name, unique: `pii.payment_card`.
    pub name: &'static str,
    /// The family its findings belong to.
    pub family: Family,
    /// One line: what was found.
    pub title: &'static str,
    /// Why it matters, one or two sentences.
    pub description: &'static str,
    /// What to do about it, at most two sentences.
    pub remediation: &'static str,
    /// OWASP API Security Top 10 2023: `API3:2023`.
    pub owasp: &'static str,
    /// Common Weakness Enumeration: `CWE-359`.
    pub cwe: &'static str,
    /// MITRE ATT&CK technique: `T1530`; empty where none fits.
    pub attack: &'static str,
}

/// The family of a finding. Exactly these words stand in alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Personal data.
    Pii,
    /// Keys, tokens and passwords.
    Secret,
    /// Authentication and authorisation.
    Auth,
    /// Walks over object ids or user names.
    Enumeration,
    /// Guessed or replayed credentials.
    CredentialStuffing,
    /// Forced browsing and tools.
    Scan,
    /// Payloads aimed at an interpreter.
    Injection,
    /// Errors that say too much.
    ErrorLeak,
    /// More data than the caller needs.
    Exposure,
    /// Endpoints nobody documented, or that should be gone.
    Inventory,
}

/// How bad it is when the finding is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, nothing to do.
    Info,
    /// To be looked at some day.
    Low,
    /// To be looked at this week.
    Medium,
    /// To be looked at today.
    High,
    /// To be looked at now.
    Critical,
}

/// How sure the detector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The form fits, little else.
    Low,
    /// The form fits, and a check digit or the context with it.
    Medium,
    /// Form, check digits and context agree.
    High,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $text:literal,)* }) => {
        impl $type {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that stands in alerts.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or(())
            }
        }
    };
}

words!(Family {
    Pii = "pii",
    Secret = "secret",
    Auth = "auth",
    Enumeration = "enumeration",
    CredentialStuffing = "credential_stuffing",
    Scan = "scan",
    Injection = "injection",
    ErrorLeak = "error_leak",
    Exposure = "exposure",
    Inventory = "inventory",
});
words!(Severity { Info = "info", Low = "low", Medium = "medium", High = "high", Critical = "critical", });
words!(Confidence { Low = "low", Medium = "medium", High = "high", });

/// Whose doing a finding is. It decides what makes two findings the same cause, and so one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The endpoint's: it would do the same for anyone, so every client it does it to belongs to one alert.
    Endpoint,
    /// The server's, at whatever endpoint.
    Server,
    /// What one principal, or one address where no principal is known, does at one endpoint.
    ClientAtEndpoint,
    /// What one principal, or one address where no principal is known, does at one server.
    Client,
}

/// A detector's opinion of one exchange, or of many that one completes. Holds masked evidence and numbers, never a value.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Who says so.
    pub detector: &'static Detector,
    /// Which rule of the detector fired; with the detector's name it is part of the alert's fingerprint.
    pub rule: &'static str,
    /// Whose doing it is.
    pub subject: Subject,
    /// How bad it is.
    pub severity: Severity,
    /// How sure the detector is.
    pub confidence: Confidence,
    /// How many items of this kind there were.
    pub items: u32,
    /// The numbers that made it fire, a sentence: "41 order ids in 60 s; others ask for 12 at most."
    pub because: Option<String>,
    /// The first few of them, masked.
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// A finding of medium confidence about one thing, without evidence; what else there is to say follows in the fields.
    pub fn new(detector: &'static Detector, rule: &'static str, subject: Subject, severity: Severity) -> Self {
        Self {
            detector,
            rule,
            subject,
            severity,
            confidence: Confidence::Medium,
            items: 1,
            because: None,
            evidence: Vec::new(),
        }
    }
}

/// One masked item of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is: `payment_card`.
    pub kind: String,
    /// Where it stood.
    pub location: Location,
    /// The value with all but a few characters masked: `4539 **** **** 1234`.
    pub masked: String,
    /// Keyed hash of the normalised value, to tell equal values from different ones; absent without a lasting key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_hash: Option<String>,
}

/// Where in the exchange a piece of evidence stood. Names and positions only: anything in a path that could itself be a
/// value has been masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// `response.content`, `request.target`, `response.field`, ...
    pub part: String,
    /// JSON path, field name or parameter name, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Offset in the decoded content, in bytes.
    pub offset: u64,
}
