//! Every kind of value that is looked for.

use crate::behaviour::{self, Behaviour};
use crate::class::VACANT;
use crate::finding::Detector;
use crate::kind::Kind;
use crate::knob::Knob;
use crate::{pii, secret};

macro_rules! kinds {
    ($($variant:ident = $kind:path,)*; $($slot:ident,)*) => {
        /// What a scan can tell apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EntityType {
            $(#[allow(missing_docs, reason = "the kind's file says what it is")] $variant,)*
            $(#[doc = "What a class of the configuration says it is."] $slot,)*
        }

        impl EntityType {
            /// Every type, in the order of its discriminant.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)* $(Self::$slot,)*];
        }

        /// The types that classes of the configuration take, in their order. They stand behind those that are built in.
        pub(crate) const SLOTS: &[EntityType] = &[$(EntityType::$slot,)*];

        /// What is known of each built-in type, in the order of [`EntityType::ALL`].
        pub(crate) static KINDS: &[&Kind] = &[$(&$kind,)*];
    };
}

// Sorted by the name of the detector. A new kind is a file, and a line here.
kinds! {
    AuMedicare = pii::au_medicare::AU_MEDICARE,
    AuTfn = pii::au_tfn::AU_TFN,
    BrCnpj = pii::br_cnpj::BR_CNPJ,
    BrCpf = pii::br_cpf::BR_CPF,
    CaSin = pii::ca_sin::CA_SIN,
    CnResidentId = pii::cn_resident_id::CN_RESIDENT_ID,
    DateOfBirth = pii::date_of_birth::DATE_OF_BIRTH,
    DeSteuerId = pii::de_steuer_id::DE_STEUER_ID,
    DriversLicense = pii::drivers_license::DRIVERS_LICENSE,
    Email = pii::email::EMAIL,
    EsDniNie = pii::es_dni_nie::ES_DNI_NIE,
    FrNir = pii::fr_nir::FR_NIR,
    GeoCoordinates = pii::geo_coordinates::GEO_COORDINATES,
    Iban = pii::iban::IBAN,
    InAadhaar = pii::in_aadhaar::IN_AADHAAR,
    InPan = pii::in_pan::IN_PAN,
    ItCodiceFiscale = pii::it_codice_fiscale::IT_CODICE_FISCALE,
    MxCurp = pii::mx_curp::MX_CURP,
    NlBsn = pii::nl_bsn::NL_BSN,
    Passport = pii::passport::PASSPORT,
    PaymentCard = pii::payment_card::PAYMENT_CARD,
    PersonName = pii::person_name::PERSON_NAME,
    Phone = pii::phone::PHONE,
    PlPesel = pii::pl_pesel::PL_PESEL,
    PostalAddress = pii::postal_address::POSTAL_ADDRESS,
    SePersonnummer = pii::se_personnummer::SE_PERSONNUMMER,
    UkNino = pii::uk_nino::UK_NINO,
    UsSsn = pii::us_ssn::US_SSN,
    ZaId = pii::za_id::ZA_ID,
    AwsAccessKey = secret::aws_access_key::AWS_ACCESS_KEY,
    GithubToken = secret::github_token::GITHUB_TOKEN,
    GoogleApiKey = secret::google_api_key::GOOGLE_API_KEY,
    Jwt = secret::jwt::JWT,
    Password = secret::password::PASSWORD,
    PasswordHash = secret::password_hash::PASSWORD_HASH,
    PrivateKey = secret::private_key::PRIVATE_KEY,
    SlackToken = secret::slack_token::SLACK_TOKEN,
    StripeKey = secret::stripe_key::STRIPE_KEY,
    ; // What classes take, in the bits of a meaning that are left.
    Own1, Own2, Own3, Own4, Own5, Own6, Own7, Own8, Own9, Own10, Own11, Own12, Own13, Own14, Own15, Own16,
}

impl EntityType {
    /// The types that are built in.
    pub fn built_in() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().take(KINDS.len())
    }

    /// The name of a built-in type that stands in statistics and evidence; [`Classes`](crate::class::Classes) know those of the others.
    pub fn name(self) -> &'static str {
        self.kind().name()
    }

    /// What is known of a built-in type; [`Classes`](crate::class::Classes) know the others.
    pub(crate) fn kind(self) -> &'static Kind {
        KINDS.get(self as usize).copied().unwrap_or(&VACANT)
    }
}

/// The behaviour detectors, sorted by name. A new one is a file and a line here.
pub(crate) static BEHAVIOURS: &[&Behaviour] = &[
    &behaviour::bulk::BULK,
    &behaviour::cookies::COOKIES,
    &behaviour::credential_transport::CREDENTIAL_TRANSPORT,
    &behaviour::error_leak::ERROR_LEAK,
    &behaviour::exposure::EXPOSURE,
    &behaviour::extra_fields::EXTRA_FIELDS,
    &behaviour::forced_browsing::FORCED_BROWSING,
    &behaviour::function_level::FUNCTION_LEVEL,
    &behaviour::fuzzing::FUZZING,
    &behaviour::injection::INJECTION,
    &behaviour::inventory::INVENTORY,
    &behaviour::jwt::JWT,
    &behaviour::logout::LOGOUT,
    &behaviour::missing_auth::MISSING_AUTH,
    &behaviour::new_fields::NEW_FIELDS,
    &behaviour::object_walk::OBJECT_WALK,
    &behaviour::refusals::REFUSALS,
    &behaviour::stuffing::STUFFING,
    &behaviour::token_claims::TOKEN_CLAIMS,
    &behaviour::token_reuse::TOKEN_REUSE,
    &behaviour::user_names::USER_NAMES,
    &behaviour::volume::VOLUME,
];

/// What each detector that is built in is, sorted by name.
pub fn detectors() -> impl Iterator<Item = &'static Detector> {
    let kinds = KINDS.iter().map(|kind| &kind.detector);
    let behaviours = BEHAVIOURS.iter().flat_map(|behaviour| behaviour.detectors.iter().copied());
    let mut all: Vec<_> = kinds.chain(behaviours).collect();
    all.sort_unstable_by_key(|detector| detector.name);
    all.into_iter()
}

/// The thresholds of all detectors, sorted by name.
pub fn knobs() -> impl Iterator<Item = &'static Knob> {
    let mut all: Vec<_> = BEHAVIOURS.iter().flat_map(|behaviour| behaviour.knobs.iter().copied().flatten()).collect();
    all.sort_unstable_by_key(|knob| knob.name);
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Settings;
    use crate::knob::tests::asked;

    #[test]
    fn sorted_and_described() {
        assert!(detectors().map(|detector| detector.name).is_sorted_by(|a, b| a < b));
        for detector in detectors() {
            assert!(detector.name.starts_with(&format!("{}.", detector.family)), "{}", detector.name);
            assert!(!detector.title.is_empty() && detector.description.len() > 40 && detector.remediation.len() > 40);
            assert!(detector.owasp.ends_with(":2023") && detector.cwe.starts_with("CWE-"), "{}", detector.name);
        }
    }

    #[test]
    fn knobs_are_sorted_and_explained_and_their_defaults_lie_in_their_ranges() {
        assert!(knobs().map(|knob| knob.name).is_sorted_by(|a, b| a < b));
        for behaviour in BEHAVIOURS {
            assert!(behaviour.knobs.iter().copied().flatten().map(|knob| knob.name).is_sorted_by(|a, b| a < b));
            for knob in behaviour.knobs.iter().copied().flatten() {
                let Knob { name, meaning, unit, default, least, most, reason } = knob;
                let (detector, word) = name.rsplit_once('.').unwrap();
                assert!(behaviour.detectors.iter().any(|known| known.name == detector), "{name}");
                assert!(!word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
                assert!(*least < *most && (least..=most).contains(&default), "{name}");
                assert!(meaning.ends_with('.') && reason.ends_with('.') && !unit.is_empty(), "{name}");
            }
        }
    }

    #[test]
    fn a_detector_asks_for_the_knobs_that_it_lists() {
        for behaviour in BEHAVIOURS {
            let listed: Vec<_> = behaviour.knobs.iter().copied().flatten().map(|knob| knob.name).collect();
            let asked = asked(|| {
                behaviour.state.map(|state| state(&Settings::default()));
            });
            assert_eq!(asked, listed);
        }
    }

    #[test]
    fn every_type_is_named_after_its_detector() {
        for entity in EntityType::built_in() {
            let words: String = entity.name().split('_').collect();
            assert_eq!(format!("{entity:?}").to_lowercase(), words);
        }
    }
}
