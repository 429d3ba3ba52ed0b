//! What names say, as a table from phrases to meanings.
//!
//! Each kind lists the phrases that its fields are called by; the table is made of them once, when the first scanner is.
//! A phrase is found in a name wherever its words stand in a row, the longest first, and also where they are written as
//! one word (`dateofbirth`). `=` before a phrase asks that it be the whole name: what is too short or too common to tell
//! anything within a longer one.

use std::fmt;
use std::sync::LazyLock;

use super::meaning::Meaning;
use super::names::Word;
use crate::kind::{Kind, Told};
use crate::registry::KINDS;

/// How many words a phrase may have.
pub(crate) const MAX_WORDS: usize = 4;

/// Slots of the table: a power of two, and no more than half of them are used.
const SLOTS: usize = 8_192;

/// One phrase.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entry {
    /// Hash of its words; 0 is an empty slot.
    hash: u64,
    /// What it says.
    pub(crate) meaning: Meaning,
    /// What it says when it is the whole name.
    pub(crate) alone: Meaning,
}

/// The table.
pub(crate) struct Vocabulary {
    slots: Box<[Entry]>,
    by_name: Meaning,
    by_digits: Meaning,
    classes: &'static [Kind],
    #[cfg(test)]
    used: usize,
}

static BUILT_IN: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::of_kinds(&[]));

impl Vocabulary {
    /// The phrases of all kinds.
    pub(crate) fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The phrases of all kinds, and those of the configuration's classes with what they say.
    pub(crate) fn with(classes: &'static [Kind], phrases: impl Iterator<Item = (String, Meaning)>) -> Self {
        let mut table = Self::of_kinds(classes);
        phrases.for_each(|(phrase, meaning)| table.add(&phrase, meaning));
        table
    }

    fn of_kinds(classes: &'static [Kind]) -> Self {
        let mut table = Self {
            slots: vec![Entry::default(); SLOTS].into(),
            by_name: kinds(classes, |told| matches!(told, Told::Name(_))),
            by_digits: kinds(classes, |told| matches!(told, Told::NameAndDigits(_) | Told::NameAndForm(_))),
            classes,
            #[cfg(test)]
            used: 0,
        };
        for (number, kind) in KINDS.iter().enumerate() {
            kind.names.iter().for_each(|phrase| table.add(phrase, Meaning::of_kind(number)));
        }
        for (meaning, phrases) in COMMON {
            phrases.iter().for_each(|phrase| table.add(phrase, *meaning));
        }
        table
    }

    /// The kind of this number: what is built in, and behind it the classes.
    pub(crate) fn kind(&self, number: usize) -> Option<&'static Kind> {
        match number.checked_sub(KINDS.len()) {
            None => KINDS.get(number).copied(),
            Some(slot) => self.classes.get(slot),
        }
    }

    /// The kinds that are told by the name of their field.
    pub(crate) fn by_name(&self) -> Meaning {
        self.by_name
    }

    /// The kinds that are told by name and digits.
    pub(crate) fn by_digits(&self) -> Meaning {
        self.by_digits
    }

    /// Whether a name decides any of these.
    pub(crate) fn decides(&self, wanted: Meaning) -> bool {
        self.by_name.and(self.by_digits).says(wanted)
    }

    /// The longest phrase that the words begin with, and how many words it has.
    pub(crate) fn longest(&self, words: &[Word]) -> Option<(Entry, usize)> {
        let mut hash = Hash::default();
        let mut best = None;
        for (at, word) in words.iter().take(MAX_WORDS).enumerate() {
            hash = hash.word(word.as_bytes());
            best = self.get(hash).map(|entry| (*entry, at + 1)).or(best);
        }
        best
    }

    /// Whether the last words are a phrase of several: `resident id` ends in a word that has no meaning of its own. A name
    /// that the configuration gives says what it says, whatever it ends in.
    pub(crate) fn ends_with_phrase(&self, words: &[Word]) -> bool {
        (1..=MAX_WORDS.min(words.len())).any(|len| {
            let row = words.get(words.len() - len..).unwrap_or_default();
            let hash = row.iter().fold(Hash::default(), |hash, word| hash.word(word.as_bytes()));
            self.get(hash).is_some_and(|Entry { meaning, .. }| {
                meaning.says(Meaning::CLASS) || len > 1 && !meaning.is_neutral() && !meaning.says(Meaning::NUMBERED)
            })
        })
    }

    fn add(&mut self, phrase: &str, meaning: Meaning) {
        let (phrase, whole) = phrase.strip_prefix('=').map_or((phrase, false), |phrase| (phrase, true));
        let words: Vec<&str> = phrase.split(' ').collect();
        let joined = words.concat();
        self.insert(words.iter().fold(Hash::default(), |hash, word| hash.word(word.as_bytes())), meaning, whole);
        if words.len() > 1 {
            self.insert(Hash::default().word(joined.as_bytes()), meaning, whole);
        }
    }

    fn insert(&mut self, hash: Hash, meaning: Meaning, whole: bool) {
        let mut slot = hash.0 as usize % SLOTS;
        loop {
            // A full table would be a vocabulary of thousands of custom names; what does not fit is not known.
            let Some(entry) = self.slots.get_mut(slot) else { return };
            if entry.hash == 0 || entry.hash == hash.0 {
                #[cfg(test)]
                {
                    self.used += usize::from(entry.hash == 0);
                }
                entry.hash = hash.0;
                let said = if whole { &mut entry.alone } else { &mut entry.meaning };
                *said = said.and(meaning);
                return;
            }
            slot += 1;
        }
    }

    /// What is known of the phrase with this hash.
    pub(crate) fn get(&self, hash: Hash) -> Option<&Entry> {
        let start = hash.0 as usize % SLOTS;
        self.slots.get(start..)?.iter().take_while(|entry| entry.hash != 0).find(|entry| entry.hash == hash.0)
    }
}

fn kinds(classes: &'static [Kind], wanted: impl Fn(&Told) -> bool) -> Meaning {
    let numbers = KINDS
        .iter()
        .copied()
        .chain(classes)
        .enumerate()
        .filter(|(_, kind)| wanted(&kind.told))
        .map(|(number, _)| number);
    numbers.fold(Meaning::default(), |all, number| all.and(Meaning::of_kind(number)))
}

/// Shows nothing: it is long.
impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").finish_non_exhaustive()
    }
}

/// The hash of a row of words. 64 bits tell the few thousand phrases from anything that occurs; who makes a name that
/// collides with one gains that it is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0x51_7c_c1_b7_27_22_0a_95)
    }
}

impl Hash {
    /// The hash of the row with one word more.
    pub(crate) fn word(self, word: &[u8]) -> Self {
        let mut hash = self.0 ^ (word.len() as u64) << 56;
        for chunk in word.chunks(8) {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(chunk).for_each(|(place, byte)| *place = *byte);
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(bytes)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        }
        Self(hash | 1)
    }
}

/// What is not of one kind.
const COMMON: &[(Meaning, &[&str])] = &[
    (
        Meaning::GENERIC.and(Meaning::NUMBER_OF),
        &["number", "no", "nr", "num", "code", "numero", "nummer", "numer", "num", "nbr"],
    ),
    (
        Meaning::GENERIC,
        &[
            "value",
            "raw",
            "text",
            "digits",
            "formatted",
            "display",
            "home",
            "work",
            "office",
            "primary",
            "secondary",
            "main",
            "default",
            "national",
            "local",
            "normalized",
            "full",
            "valor",
            "wert",
            "valeur",
            "content",
            "plain",
        ],
    ),
    (
        Meaning::NUMBERED,
        &[
            "order",
            "orders",
            "transaction",
            "transactions",
            "txn",
            "trx",
            "tracking",
            "track",
            "shipment",
            "shipments",
            "parcel",
            "consignment",
            "waybill",
            "awb",
            "imei",
            "imsi",
            "iccid",
            "meid",
            "esn",
            "ean",
            "gtin",
            "upc",
            "isbn",
            "issn",
            "barcode",
            "sku",
            "asin",
            "invoice",
            "invoices",
            "ticket",
            "tickets",
            "serial",
            "batch",
            "lot",
            "build",
            "trace",
            "span",
            "request",
            "correlation",
            "session",
            "event",
            "timestamp",
            "ts",
            "epoch",
            "millis",
            "micros",
            "nanos",
            "duration",
            "seq",
            "sequence",
            "offset",
            "cursor",
            "nonce",
            "checksum",
            "crc",
            "hash",
            "etag",
            "version",
            "revision",
            "commit",
            "size",
            "bytes",
            "count",
            "track number",
            "tracking number",
            "order number",
            "order no",
            "order id",
            "transaction id",
            "invoice number",
            "serial number",
            "snowflake",
            "uuid",
            "guid",
            "latitude",
            "longitude",
            "booking",
            "reservation",
            "voucher",
            "coupon",
            "receipt",
            "quote",
            "rma",
            "claim",
            "case",
            "container",
            "pallet",
            "meter",
            "device",
            "sensor",
            "article",
            "product",
            "item",
            "part",
            "model",
            "run",
            "job",
            "port",
            "pnr",
            "bestellung",
            "bestellnummer",
            "bestell",
            "auftrag",
            "auftragsnummer",
            "rechnung",
            "rechnungsnummer",
            "sendung",
            "sendungsnummer",
            "vorgang",
            "vorgangsnummer",
            "seriennummer",
            "artikel",
            "artikelnummer",
            "commande",
            "facture",
            "colis",
            "suivi",
            "pedido",
            "factura",
            "envio",
            "fatura",
            "ordine",
            "fattura",
            "spedizione",
            "bestelling",
            "factuur",
            "zamowienie",
            "faktura",
            "ordernummer",
            "fakturanummer",
            "gift",
            "loyalty",
            "warehouse",
            "docket",
        ],
    ),
    (Meaning::PERSON, PEOPLE),
    (
        Meaning::NAME,
        &["=name", "=nombre", "=nom", "=nome", "=naam", "=navn", "=namn", "=imie", "=nimi", "=names", "=姓名", "=名前"],
    ),
    (Meaning::OTHER, &["user name", "account name", "profile name", "lead time", "client id", "screen name"]),
];

/// Who has a name, an address and a birthday: as part of a name, or the parent of one.
const PEOPLE: &[&str] = &[
    "customer",
    "customers",
    "user",
    "users",
    "patient",
    "patients",
    "person",
    "persons",
    "people",
    "employee",
    "employees",
    "contact",
    "contacts",
    "owner",
    "author",
    "holder",
    "member",
    "members",
    "guest",
    "guests",
    "passenger",
    "passengers",
    "traveler",
    "traveller",
    "driver",
    "student",
    "students",
    "teacher",
    "recipient",
    "beneficiary",
    "applicant",
    "applicants",
    "subscriber",
    "tenant",
    "buyer",
    "seller",
    "billing",
    "shipping",
    "sender",
    "receiver",
    "payer",
    "payee",
    "insured",
    "policyholder",
    "cardholder",
    "accountholder",
    "doctor",
    "physician",
    "nurse",
    "manager",
    "supervisor",
    "profile",
    "client",
    "clients",
    "candidate",
    "candidates",
    "resident",
    "spouse",
    "partner",
    "child",
    "children",
    "parent",
    "guardian",
    "cardholders",
    "borrower",
    "lead",
    "leads",
    "attendee",
    "attendees",
    "kunde",
    "kunden",
    "benutzer",
    "nutzer",
    "mitarbeiter",
    "patienten",
    "inhaber",
    "empfanger",
    "empfaenger",
    "kontakt",
    "utilisateur",
    "salarie",
    "titulaire",
    "destinataire",
    "personne",
    "usuario",
    "usuarios",
    "cliente",
    "clientes",
    "empleado",
    "paciente",
    "pacientes",
    "titular",
    "persona",
    "personas",
    "utente",
    "dipendente",
    "paziente",
    "intestatario",
    "pessoa",
    "funcionario",
    "destinatario",
    "klant",
    "klanten",
    "gebruiker",
    "medewerker",
    "klient",
    "klienci",
    "uzytkownik",
    "pracownik",
    "pacjent",
    "osoba",
    "kund",
    "anvandare",
    "anstalld",
    "kunder",
    "bruger",
    "medarbejder",
    "asiakas",
    "staff",
    "worker",
    "agent",
    "witness",
    "victim",
    "claimant",
    "donor",
    "voter",
    "taxpayer",
    "account",
    "me",
    "viewer",
    "assignee",
    "reporter",
    "consignee",
    "signatory",
    "signer",
    "landlord",
    "emergency",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::EntityType;

    #[test]
    fn phrases_are_found_by_their_words_and_as_one() {
        let table = Vocabulary::built_in();
        let token = Meaning::of_type(EntityType::GithubToken);
        let says = |hash: Hash| table.get(hash).is_some_and(|entry| entry.meaning.says(token));
        assert!(says(Hash::default().word(b"github").word(b"token")));
        assert!(says(Hash::default().word(b"githubtoken")));
        assert!(!says(Hash::default().word(b"token").word(b"github")));
        assert!(table.get(Hash::default().word(b"zzz")).is_none());
    }

    #[test]
    fn the_table_stays_half_empty_and_its_phrases_short() {
        assert!(Vocabulary::of_kinds(&[]).used < SLOTS / 2);
        for phrase in KINDS.iter().flat_map(|kind| kind.names) {
            let words = phrase.trim_start_matches('=').split(' ');
            assert!((1..=MAX_WORDS).contains(&words.count()), "{phrase}");
            assert!(
                phrase.chars().all(|letter| letter.is_lowercase() || " =".contains(letter) || letter as u32 > 0x7f),
                "{phrase}"
            );
        }
    }
}
